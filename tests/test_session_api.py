"""What users of ONNX Runtime expect of a session: threads, streams, arrays of their own, integers; and ports."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from typer.testing import CliRunner

import fpga_accel
from fpga_accel import BadInput, Session, WrongCore, devices
from fpga_accel.cli import app
from fpga_accel.session import raw_plan
from onnx_frontend.partition import compile_plan, partition
from rtl.spec import errors
from rtl.spec.config import core
from rtl.spec.number import quantize
from rtl.spec.plan import Plan
from sim import reference
from sim.board import SimulatedBoard
from sim.interpreter import InterpreterDevice


@pytest.fixture
def images(digits_test):
    with np.load(digits_test) as data:
        return data["image"]


@pytest.fixture
def expected(digits_program, images):
    with Session(digits_program, "numpy") as session:
        return session.run(None, {"image": images})[0]


def test_every_kind_of_failure_has_a_type():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__ == errors.__name__]
    assert {kind.__name__ for kind in kinds} == {name for name in fpga_accel.__all__ if name[0].isupper()} - {"Session"}
    for kind in kinds:
        assert getattr(fpga_accel, kind.__name__) is kind
        assert issubclass(kind, errors.FpgaAccelError) and kind.__doc__


@pytest.mark.parametrize("device", ["numpy", "program"])
def test_raw_takes_and_gives_the_integers_of_the_core(digits_program, images, expected, device):
    program = Plan.load_file(digits_program).programs[0]
    (given,), (result,) = program.graph.inputs, program.graph.outputs
    one, other = program.graph.tensors[given.tensor], program.graph.tensors[result.tensor]
    integers = quantize(images[:3], one.scale, one.zero_point)
    with Session(digits_program, device, raw=True) as session:
        assert session.get_inputs()[0].type == session.get_outputs()[0].type == "tensor(int8)"
        (logits,) = session.run(None, {"image": integers})
        with pytest.raises(BadInput, match="float32"):
            session.run(None, {"image": images[:3]})
    assert logits.dtype == np.int8
    np.testing.assert_array_equal(reference.dequantize(logits, other.scale, other.zero_point), expected[:3])


def test_raw_leaves_a_host_segment_its_floats(digits_qdq):
    import onnx

    model = onnx.load(digits_qdq)
    model.graph.node.append(onnx.helper.make_node("Softmax", ["logits"], ["odds"], name="softmax"))
    model.graph.output.append(onnx.helper.make_tensor_value_info("odds", onnx.TensorProto.FLOAT, ["batch", 10]))
    del model.graph.output[0]
    whole = partition(model).plan
    plan = raw_plan(whole)
    assert [array.dtype for array in plan.inputs] == ["int8"]
    assert [array.dtype for array in plan.outputs] == ["float32"]
    integers = np.random.default_rng(0).integers(-128, 128, (2, 1, 8, 8)).astype(np.int8)
    with Session(plan, "numpy") as session:
        (odds,) = session.run(None, {"image": integers})
    tensor = next(whole.graphs()).tensors["image_quantized"]
    floats = reference.dequantize(integers, tensor.scale, tensor.zero_point)
    with Session(whole, "numpy") as session:
        (expected,) = session.run(None, {"image": floats})
    np.testing.assert_array_equal(odds, expected)


def test_outputs_into_arrays_of_the_user(digits_program, images, expected):
    place = np.full((4, 10), np.nan, np.float32)
    with Session(digits_program) as session:
        (logits,) = session.run(None, {"image": images[:4]}, out={"logits": place})
        assert logits is place
        np.testing.assert_array_equal(place, expected[:4])
        for wrong in (np.zeros((3, 10), np.float32), np.zeros((4, 10))):
            with pytest.raises(BadInput, match="logits"):
                session.run(None, {"image": images[:4]}, out={"logits": wrong})


def test_run_async_is_done_in_order_and_tells(digits_program, images, expected):
    told = []
    with Session(digits_program) as session:
        futures = [
            session.run_async(None, {"image": images[n : n + 1]}, lambda found, error, n=n: told.append((n, error)))
            for n in range(6)
        ]
        failing = session.run_async(["scores"], {"image": images[:1]}, lambda found, error: told.append((found, error)))
        for n, future in enumerate(futures):
            np.testing.assert_array_equal(future.result(60)[0], expected[n : n + 1])
        with pytest.raises(BadInput, match="scores"):
            failing.result(60)
    assert [n for n, error in told[:6] if error is None] == list(range(6))
    assert told[6][0] is None and isinstance(told[6][1], BadInput)


def test_closing_waits_for_what_was_begun(digits_program, images, expected):
    with Session(digits_program) as session:
        future = session.run_async(None, {"image": images[:8]})
    assert future.done()
    np.testing.assert_array_equal(future.result()[0], expected[:8])


def test_a_stream_is_in_order_and_asks_ahead(digits_program, images, expected):
    asked = []

    def feeds():
        for n in range(7):
            asked.append(n)
            yield {"image": images[n : n + 1]}

    with Session(digits_program) as session:
        results = session.stream(feeds(), ahead=2)
        np.testing.assert_array_equal(next(results)[0], expected[:1])
        assert asked == [0, 1, 2]
        np.testing.assert_array_equal(np.concatenate([one for (one,) in results]), expected[1:7])
        assert list(session.stream([])) == []


def test_a_stream_gives_what_it_can_before_a_bad_feed(digits_program, images, expected):
    feeds = [{"image": images[:2]}, {"image": images[2:3]}, {"picture": images[:1]}]
    with Session(digits_program) as session:
        results = session.stream(feeds)
        np.testing.assert_array_equal(next(results)[0], expected[:2])
        np.testing.assert_array_equal(next(results)[0], expected[2:3])
        with pytest.raises(BadInput, match="picture"):
            next(results)


def test_others_may_run_in_the_midst_of_a_stream(digits_program, images, expected):
    plan = Plan.load_file(digits_program)
    with SimulatedBoard(plan.config) as board, Session(plan, f"serial:{board.port}") as session:
        results = session.stream({"image": images[n : n + 2]} for n in range(0, 10, 2))
        found = [next(results)[0]]
        np.testing.assert_array_equal(session.run(None, {"image": images[20:23]})[0], expected[20:23])
        found += [one for (one,) in results]
        np.testing.assert_array_equal(np.concatenate(found), expected[:10])
        assert session.cycles() == plan.cycles


def test_threads_take_turns(digits_program, images, expected):
    inside = threading.Lock()

    class Watched(InterpreterDevice):
        def begin(self, inputs, timeout=10.0):
            assert inside.acquire(blocking=False), "two runs at a time"
            run = super().begin(inputs, timeout)
            inside.release()
            return run

    with Session(digits_program, Watched(core("8x8"))) as session, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: session.run(None, {"image": images[n : n + 1]})[0], range(16)))
    np.testing.assert_array_equal(np.concatenate(found), expected[:16])


def test_ports_are_found_with_core_bitstream_and_program(digits_qdq, images, tmp_path):
    plan = compile_plan(partition(digits_qdq).plan, core("4x3"))
    with SimulatedBoard(plan.config, build_identity=0x12345678) as board:
        (empty,) = devices([board.port])
        assert (empty.core, empty.build_identity, empty.loaded, empty.problem) == (plan.config, 0x12345678, "", "")
        assert empty.baud and empty.clock_hz
        with Session(plan, f"serial:{board.port}") as session:
            session.run(None, {"image": images[:1]})
        (loaded,) = devices([board.port])
        assert loaded.loaded == plan.programs[0].memory_image()[-1][1].astype("<u4").tobytes().hex()
        told = CliRunner().invoke(app, ["devices", board.port], env={"COLUMNS": "200"})
        assert told.exit_code == 0
        assert "4x3" in told.output and "12345678" in told.output and loaded.loaded[:8] in told.output
    (gone,) = devices([str(tmp_path / "nothing")])
    assert gone.core is None and "no such port" in gone.problem


def test_a_wrong_core_is_its_own_kind(digits_program):
    with pytest.raises(WrongCore):
        Session(digits_program, InterpreterDevice(core("4x4")))
