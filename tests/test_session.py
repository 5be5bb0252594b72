"""Sessions: shaped like ONNX Runtime's, exact on every device, and careful about which core they meet."""

import dataclasses

import numpy as np
import pytest

from fpga_accel import Session
from rtl.spec.config import core
from rtl.spec.errors import BadInput, DeviceError
from rtl.spec.registers import Register
from sim.interpreter import InterpreterDevice


@pytest.fixture
def images(digits_test):
    with np.load(digits_test) as data:
        return data["image"]


def test_inputs_and_outputs(digits_program):
    with Session(digits_program) as session:
        (given,), (result,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape, given.type) == ("image", ("batch", 1, 8, 8), "tensor(float)")
    assert (result.name, result.shape, result.type) == ("logits", ("batch", 10), "tensor(float)")


@pytest.mark.parametrize("batch", [1, 3])
def test_devices_agree(digits_program, images, batch):
    feed = {"image": images[:batch], "ignored": np.zeros(1)}
    with Session(digits_program, "numpy") as one, Session(digits_program, "program") as other:
        (expected,), (result,) = one.run(None, feed), other.run(["logits"], feed)
    assert result.dtype == np.float32 and result.shape == (batch, 10)
    np.testing.assert_array_equal(result, expected)


def test_tensors_are_those_of_the_reference(digits_all_tensors, images):
    feed = {"image": images[:2]}
    with Session(digits_all_tensors, "numpy") as one, Session(digits_all_tensors, "program") as other:
        expected, result = one.tensors(feed), other.tensors(feed)
    assert set(result) == set(expected)
    for name, tensor in result.items():
        np.testing.assert_array_equal(tensor, expected[name], err_msg=name)


def test_profile(digits_program, images):
    with Session(digits_program, InterpreterDevice(core("8x8"))) as session:
        assert [layer.measured for layer in session.profile()] == [None] * len(session.plan.layers)
        assert session.cycles() is None
        session.run(None, {"image": images[:1]})
        layers = session.profile()
        assert sum(layer.predicted for layer in layers) <= session.plan.cycles == session.cycles()
    assert all(layer.measured == layer.predicted for layer in layers)
    assert all(layer.utilization(64) >= 0 for layer in layers)
    assert 0 < sum(layer.macs for layer in layers) <= 64 * session.plan.cycles


def test_unknown_output(digits_program, images):
    with Session(digits_program) as session, pytest.raises(BadInput, match="'scores'.*logits"):
        session.run(["scores"], {"image": images[:1]})


@pytest.mark.parametrize(
    "feed, message",
    [
        ({}, "'image'"),
        ({"image": np.zeros((1, 8, 8), np.float32)}, "newaxis"),
        ({"image": np.zeros((1, 1, 8, 8))}, "float64"),
        ({"image": np.full((1, 1, 8, 8), np.nan, np.float32)}, "NaN"),
    ],
    ids=["missing", "shape", "dtype", "NaN"],
)
@pytest.mark.parametrize("device", ["numpy", "program"])
def test_bad_feed(digits_program, device, feed, message):
    with Session(digits_program, device) as session, pytest.raises(BadInput, match=message):
        session.run(None, feed)


def test_program_for_another_core(digits_program):
    device = InterpreterDevice(dataclasses.replace(core("4x2"), weight_words=1024))
    with pytest.raises(DeviceError) as caught:
        Session(digits_program, device)
    message = str(caught.value)
    assert f"{core('8x8').identity:08x}" in message and f"{device.config.identity:08x}" in message
    assert "rows 8 / 4" in message and "columns 8 / 2" in message and "weight_words 8192 / 1024" in message


@pytest.mark.parametrize("register, message", [(Register.MAGIC, "not as a core"), (Register.VERSION, "layout")])
def test_not_a_core(digits_program, register, message):
    class Other(InterpreterDevice):
        def read(self, addr, count):
            words = super().read(addr, count)
            words[register - addr] += 1
            return words

    with pytest.raises(DeviceError, match=message):
        Session(digits_program, Other(core("8x8")))


def test_a_device_of_the_caller_stays_open(digits_program, images):
    class Device(InterpreterDevice):
        closed = False

        def close(self):
            self.closed = True

    device = Device(core("8x8"))
    with Session(digits_program, device) as session:
        session.run(None, {"image": images[:1]})
    assert not device.closed


def test_unknown_device(digits_program):
    with pytest.raises(BadInput, match="expected numpy, program, sim or serial:PORT"):
        Session(digits_program, "gpu")
