"""One table of what sessions do, on every device: the interpreter, simulated boards by terminal, TCP, SPI and USB, a
real port.

The last is asked for by FPGA_ACCEL_PORT, a device such as ``serial:/dev/ttyUSB0``; what it has loaded is lost.
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import onnx
import pytest
from cut_models import make

from fpga_accel import BadInput, DoesNotFit, Session, WrongCore
from fpga_accel.device import SerialDevice
from fpga_accel.identity import core_of, read_core_info
from fpga_accel.open_device import open_device
from fpga_accel.selftest import selftest_plan
from fpga_accel.serving import served
from fpga_accel.spi_line import SpiLine
from onnx_frontend.partition import compile_plan, partition
from onnx_frontend.quantize import quantize
from rtl.spec.config import core
from sim.spi_board import SimulatedSpi
from sim.usb_board import SimulatedUsb

CONFIG = core("4x3")
PORT = os.environ.get("FPGA_ACCEL_PORT")
TCP = ("127.0.0.1", 0)


@contextmanager
def interpreter():
    yield "program", CONFIG


def board(address, by_bytes):
    @contextmanager
    def served_board():
        with served(CONFIG, address, by_bytes=by_bytes) as server:
            thread = threading.Thread(target=server.serve)
            thread.start()
            try:
                yield f"serial:{server.port}", CONFIG
            finally:
                server.stop()
                thread.join()

    return served_board


@contextmanager
def board_on_spi():
    with SerialDevice(SpiLine(SimulatedSpi(CONFIG), timeout=0.05)) as device:
        yield device, CONFIG


@contextmanager
def board_on_usb():
    with SimulatedUsb(CONFIG) as simulated, SerialDevice(simulated.port) as device:
        yield device, CONFIG


@contextmanager
def real_port():
    with open_device(PORT, None) as opened:
        config = core_of(read_core_info(opened))
    yield PORT, config


DEVICES = {
    "interpreter": interpreter,
    "model by terminal": board(None, True),
    "model by TCP": board(TCP, True),
    "circuits by terminal": board(None, False),
    "circuits by TCP": board(TCP, False),
    "circuits by SPI": board_on_spi,
    "circuits by USB": board_on_usb,
}
REAL = pytest.param(
    real_port,
    id="real port",
    marks=[
        pytest.mark.board,
        pytest.mark.skipif(PORT is None, reason="no board: FPGA_ACCEL_PORT names one, such as serial:/dev/ttyUSB0"),
    ],
)


LONG = {"circuits by USB": pytest.mark.long}  # simulated bit by bit at 48 MHz; tests/test_usb.py is the short one


@pytest.fixture(
    scope="module",
    params=[*(pytest.param(opened, id=name, marks=LONG.get(name, ())) for name, opened in DEVICES.items()), REAL],
)
def place(request):
    with request.param() as found:
        yield found


class On:
    """What a case gets: models for the core of a device, samples, and sessions of them there."""

    def __init__(self, device, config, qdq, images):
        self.device, self.config, self.images = device, config, images
        self._qdq = qdq

    def open(self, plan, **options):
        return Session(plan, self.device, **options)

    def compiled(self, model):
        try:
            return compile_plan(partition(model).plan, self.config)
        except DoesNotFit as error:
            if self.config == CONFIG:
                raise
            pytest.skip(f"core {self.config.name}: {error}")

    def digits(self):
        return self.compiled(onnx.load(self._qdq))

    def feed(self, *which):
        return {"image": self.images[list(which)]}


def expected(plan, feed, **options):
    """What NumPy gives."""
    with Session(plan, "numpy", **options) as session:
        return session.run(None, feed)


def same(found, wanted):
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def run(on):
    plan = on.digits()
    with on.open(plan) as session:
        same(session.run(None, on.feed(0)), expected(plan, on.feed(0)))
        same(session.run(["logits"], on.feed(1)), expected(plan, on.feed(1)))


def batch(on):
    plan = on.digits()
    with on.open(plan) as session:
        same(session.run(None, on.feed(0, 1, 2)), expected(plan, on.feed(0, 1, 2)))


def profile(on):
    plan = on.digits()
    with on.open(plan) as session:
        session.run(None, on.feed(3))
        if on.device != "program":
            assert [layer.measured for layer in session.profile()] == [layer.cycles for layer in plan.layers]
            assert session.cycles() == plan.cycles


def stream(on):
    plan = on.digits()
    with on.open(plan) as session:
        found = list(session.stream((on.feed(n) for n in range(4)), ahead=2))
    same([np.concatenate([one for (one,) in found])], expected(plan, on.feed(0, 1, 2, 3)))


def raw(on):
    plan = on.digits()
    integers = np.random.default_rng(0).integers(-128, 128, (2, 1, 8, 8)).astype(np.int8)
    with on.open(plan, raw=True) as session:
        found = session.run(None, {"image": integers})
    assert found[0].dtype == np.int8
    same(found, expected(plan, {"image": integers}, raw=True))


def out(on):
    plan = on.digits()
    place = np.full((2, 10), np.nan, np.float32)
    with on.open(plan) as session:
        (found,) = session.run(None, on.feed(4, 5), out={"logits": place})
    assert found is place
    same([place], expected(plan, on.feed(4, 5)))


def asynchronous(on):
    plan = on.digits()
    told = []
    with on.open(plan) as session:
        futures = [
            session.run_async(None, on.feed(n), lambda found, error, n=n: told.append((n, error))) for n in range(3)
        ]
        for n, future in enumerate(futures):
            same(future.result(120), expected(plan, on.feed(n)))
    assert told == [(n, None) for n in range(3)]


def threads(on):
    plan = on.digits()
    with on.open(plan) as session, ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda n: session.run(None, on.feed(n))[0], range(4)))
    same([np.concatenate(found)], expected(plan, on.feed(0, 1, 2, 3)))


def reload(on):
    """Of the same model nothing is loaded again; another one takes its place, and goes again."""
    one, other = on.digits(), selftest_plan(on.config)
    feed = {"x": np.random.default_rng(1).integers(-128, 128, other.inputs[0].shape[1:]).astype(np.int8)[None]}
    for _ in range(2):
        with on.open(one) as session:
            same(session.run(None, on.feed(6)), expected(one, on.feed(6)))
        with on.open(other) as session:
            same(session.run(None, feed), expected(other, feed))


def two_models(on):
    """Two programs in turn in one session, with a Softmax of the host between them."""
    model, feed = make("middle")
    plan = on.compiled(quantize(model, feed))
    assert len(plan.programs) == 2
    with on.open(plan) as session:
        for _ in range(2):
            same(session.run(None, feed), expected(plan, feed))


def errors(on):
    """Each is of its kind, and none is the end of a session."""
    plan = on.digits()
    with on.open(plan) as session:
        for names, feed in (
            (["scores"], on.feed(0)),
            (None, {}),
            (None, {"image": np.zeros((1, 8, 8), np.float32)}),
            (None, {"image": np.full((1, 1, 8, 8), np.nan, np.float32)}),
        ):
            with pytest.raises(BadInput):
                session.run(names, feed)
        assert isinstance(session.run_async(["scores"], on.feed(0)).exception(60), BadInput)
        same(session.run(None, on.feed(0)), expected(plan, on.feed(0)))


def wrong_core(on):
    """A board has its own; the interpreter is of any that it is asked for."""
    plan = selftest_plan(core("2x1") if on.config == core("4x4") else core("4x4"))
    if on.device == "program":
        with on.open(plan) as session:
            feed = {"x": np.zeros((1, *plan.inputs[0].shape[1:]), np.int8)}
            same(session.run(None, feed), expected(plan, feed))
        return
    with pytest.raises(WrongCore):
        on.open(plan)


CASES = (run, batch, profile, stream, raw, out, asynchronous, threads, reload, two_models, errors, wrong_core)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_session(place, case, digits_qdq, digits_test):
    with np.load(digits_test) as data:
        case(On(*place, digits_qdq, data["image"][:8]))
