"""Served boards: by terminal and TCP, one client after the other, whatever the clients do."""

import functools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from malformed import malformed
from serving_thread import running
from test_baked_board import CONFIG, IMAGE, PLAN
from test_cli import BAD_INPUT, DEVICE, call, fails

from fpga_accel import Session
from fpga_accel.device import SerialDevice
from fpga_accel.serving import address_of, served
from rtl.spec.errors import BadInput, LinkCut, NoAnswer, NoDevice
from rtl.spec.link import Frame, Op, encode
from rtl.spec.registers import MAGIC, Register
from sim.core_model import CoreModel
from sim.link_model import LinkModel
from sim.served import ModelBoard, Served

TCP = ("127.0.0.1", 0)
FEED = {"x": np.random.default_rng(7).integers(-128, 128, (2, *PLAN.inputs[0].shape[1:])).astype(np.int8)}


@contextmanager
def serving(address=None, **options):
    """Serve a board in a thread."""
    with served(CONFIG, address, **options) as server, running(server) as port:
        yield port


def connect(port):
    host, number = port.removeprefix("socket://").split(":")
    return socket.create_connection((host, int(number)), timeout=20)


@pytest.mark.parametrize("by_bytes", [True, False], ids=["bytes", "bits"])
@pytest.mark.parametrize("address", [None, TCP], ids=["terminal", "tcp"])
def test_sessions_one_after_the_other(address, by_bytes):
    with Session(PLAN, "numpy") as session:
        expected = session.run(None, FEED)
    with serving(address, by_bytes=by_bytes) as port:
        for _ in range(2):
            with Session(PLAN, f"serial:{port}") as session:
                for found, wanted in zip(session.run(None, FEED), expected, strict=True):
                    np.testing.assert_array_equal(found, wanted)
                assert all(layer.measured == layer.predicted for layer in session.profile())


def test_a_baked_program_is_there():
    with serving(by_bytes=True, image=IMAGE) as port, SerialDevice(port) as device:
        address, stamp = IMAGE[-1]
        np.testing.assert_array_equal(device.read(address, len(stamp)), stamp)


@pytest.mark.parametrize("address", [None, TCP], ids=["terminal", "tcp"])
def test_ten_thousand_malformed_requests(address):
    """And the board still answers; what they wrote, and began, is theirs."""
    rng = random.Random(11)
    model = LinkModel(CoreModel(CONFIG))
    with Served(ModelBoard(model), address) as at:
        thread = threading.Thread(target=at.serve)
        thread.start()
        if address:
            client = connect(at.port)
            send, take, close = client.sendall, client.recv, client.close
        else:
            line = os.open(at.port, os.O_RDWR | os.O_NOCTTY)
            send, take, close = (
                lambda data: os.write(line, data),
                lambda size: os.read(line, size),
                lambda: os.close(line),
            )
        drain = threading.Thread(target=lambda: read_until(take, b"end\xff"))
        drain.start()
        send(encode(Frame(Op.WRITE, 1, Register.RUN, 1, b"\1\0\0\0")))  # what is written and run is, then
        for _ in range(10_000):
            send(malformed(rng))
        # Refused, and so answered with what stands in it.
        send(b"\0" + encode(Frame(Op.READ, 1, int.from_bytes(b"end", "little"), 255)))
        drain.join(60)
        assert not drain.is_alive()
        close()
        with SerialDevice(at.port) as device:
            assert device.read(Register.MAGIC, 1)[0] == MAGIC
        at.stop()
        thread.join(10)
    assert model.frames > 8_000 and model.refused > 500 and model.damaged > 1_000


def read_until(take, end):
    last = b""
    while end not in last:
        last = last[-len(end) :] + take(4096)


def test_garbage_that_is_run_does_not_end_and_takes_no_memory():
    rng = np.random.default_rng(5)
    for _ in range(20):
        core = CoreModel(CONFIG)
        core.write(Register.RUN, np.array([1], np.uint32))
        for region in (4, 5, 6):
            core.write(region << 20, rng.integers(0, 1 << 32, 500, dtype=np.uint32))
        core.write(Register.RUN, np.array([2], np.uint32))
        assert core.runs == 1
        assert core.read(Register.STATUS, 1)[0] in (0, 1)
        core.reset()
        assert not core.busy


def test_a_flooding_client_is_not_heard_until_it_listens():
    """It asks for 100 times what the sockets between hold, and takes nothing: the server stops taking."""
    with serving(TCP, by_bytes=True) as port:
        client = connect(port)
        client.settimeout(1.0)
        asked = encode(Frame(Op.READ, 1, 0x100000, 64)) * 1000
        with pytest.raises(TimeoutError):
            for _ in range(10_000):
                client.sendall(asked)
        client.close()
        with SerialDevice(port) as device:
            assert device.read(Register.MAGIC, 1)[0] == MAGIC


def test_a_silent_client_gives_way_to_one_that_waits():
    with serving(TCP, by_bytes=True, idle_s=0.2) as port, SerialDevice(port) as first:
        with SerialDevice(port, answer_s=5) as second:
            assert second.read(Register.MAGIC, 1)[0] == MAGIC
        with pytest.raises(LinkCut):
            first.read(Register.MAGIC, 1)


def test_a_client_that_waits_has_its_turn():
    with serving(TCP, by_bytes=True) as port:
        with SerialDevice(port), pytest.raises(NoAnswer):
            SerialDevice(port, 9600, answer_s=0.05, attempts=2)
        with SerialDevice(port) as device:
            assert device.read(Register.MAGIC, 1)[0] == MAGIC


def test_a_server_that_ends_cuts_the_link():
    with serving(TCP, by_bytes=True) as port:
        device = SerialDevice(port, answer_s=0.1)
    with device, pytest.raises(LinkCut):
        device.read(Register.MAGIC, 1)
    with pytest.raises(NoDevice, match="no connection"):
        SerialDevice(port)


@pytest.mark.parametrize(
    "port", ["socket://", "socket://127.0.0.1", "socket://127.0.0.1:x", "socket://127.0.0.1:99999"]
)
def test_addresses_that_are_none(port):
    with pytest.raises(NoDevice, match="socket://HOST:PORT"):
        SerialDevice(port)


@pytest.mark.parametrize(
    "text, address",
    [("0", ("127.0.0.1", 0)), (":5000", ("127.0.0.1", 5000)), ("a.b:1", ("a.b", 1)), ("[::1]:2", ("::1", 2))],
)
def test_addresses(text, address):
    assert address_of(text) == address


@pytest.mark.parametrize("text", ["", "x", "a:", "1:2:x", "65536", "-1", "²"])
def test_no_addresses(text):
    with pytest.raises(BadInput, match="HOST:"):
        address_of(text)


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        ((), BAD_INPUT, ("--core",)),
        (("--core", "4x3", "--tcp", "0"), BAD_INPUT, ("--serve",)),
        (("--core", "4x3", "--bytes"), BAD_INPUT, ("--serve",)),
        (("--core", "4x3", "--bake"), BAD_INPUT, ("M.fpga",)),
        (("--core", "auto", "--board", "ulx3s-85f"), BAD_INPUT, ("M.fpga",)),
        (("no.fpga", "--serve"), BAD_INPUT, ("no.fpga",)),
        (("--core", "4x3", "--serve", "--tcp", "x"), BAD_INPUT, ("[HOST:]PORT",)),
        (("--core", "4x3", "--serve", "--bytes", "--tcp", "203.0.113.1:1"), DEVICE, ("203.0.113.1",)),
    ],
)
def test_what_simulate_refuses(arguments, code, words):
    fails(call("simulate", *arguments), code, *words)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("bytes_or_bits", [("--bytes", "--tcp", "0"), ("--bytes",), ("--tcp", "0"), ()], ids=str)
def test_the_command_serves_until_it_is_interrupted(bytes_or_bits, end, tmp_path):
    path = tmp_path / "small.fpga"
    PLAN.save(path)
    command = [sys.executable, "-c", "from fpga_accel.cli import main; main()", "simulate", path, "--serve", "--json"]
    # A shell that started the tests in the background ignores SIGINT, and so would the command.
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        [*command, *bytes_or_bits], stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heard
    )
    try:
        lines = []
        while not lines or lines[-1] != "}\n":
            lines.append(process.stdout.readline())
        device = json.loads("".join(lines))["device"]
        with Session(PLAN, device) as session, Session(PLAN, "numpy") as golden:
            np.testing.assert_array_equal(session.run(None, FEED)[0], golden.run(None, FEED)[0])
        process.send_signal(end)
        assert process.wait(20) == (0 if end == signal.SIGINT else 128 + signal.SIGTERM)
        assert process.stdout.read() == ""
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
