"""Segments: where a model is cut, why, and that the pieces compute what ONNX Runtime computes of the whole."""

import dataclasses
import time

import numpy as np
import pytest
from cut_models import CASES, Model, make, middle
from nets import to_uint8
from onnx import TensorProto, helper, numpy_helper

from fpga_accel import Session
from onnx_frontend.oracle import qoperator
from onnx_frontend.partition import compile_plan, divide, partition
from onnx_frontend.quantize import quantize
from onnx_frontend.runtime import session
from rtl.spec.config import core
from rtl.spec.errors import BadInput, DoesNotFit
from rtl.spec.plan import CoreSegment, Plan
from rtl.spec.registers import Region
from rtl.spec.stamp import STAMP_WORDS
from sim.interpreter import InterpreterDevice


def kinds(found):
    """Return "core", or the operators of the host, for each segment."""
    operators = {row.name: row.operator.replace("Reshape", "Flatten") for row in found.rows}
    return [
        "core" if isinstance(segment, CoreSegment) else " ".join(operators[name] for name in segment.nodes)
        for segment in found.plan.segments
    ]


def assert_exact(qdq, feed, found):
    """Check every device against ONNX Runtime on the whole model, the host's nodes in float."""
    expected = session(qoperator(qdq, found.host_names)).run(None, feed)
    compiled = compile_plan(found.plan, core("4x3"))
    for plan, device in ((found.plan, "numpy"), (compiled, "numpy"), (compiled, "program")):
        with Session(plan, device) as opened:
            assert [array.name for array in opened.get_outputs()] == [value.name for value in qdq.graph.output]
            for wanted, got in zip(expected, opened.run(None, feed), strict=True):
                assert got.dtype == wanted.dtype and got.shape == wanted.shape
                np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("variant", ["int8", "uint8"])
@pytest.mark.parametrize("name", CASES)
def test_the_cut_and_what_it_computes(name, variant):
    model, feed = make(name)
    qdq = quantize(model, feed)
    qdq = to_uint8(qdq) if variant == "uint8" else qdq
    found = partition(qdq)
    assert kinds(found) == CASES[name][1]
    assert all(row.reason and row.remedy and row.segment for row in found.on_host)
    assert_exact(qdq, feed, found)


def test_a_node_that_was_left_in_float():
    net = Model()
    middle(net)
    model, feed = net.model(), net.data()
    net.nodes[1] = helper.make_node("Conv", [net.nodes[0].output[0], net.random(4, 4, 1, 1)], ["t1"], "kept")
    model = net.model()
    qdq = quantize(model, feed)
    for node in qdq.graph.node:
        if node.name == "kept":
            node.input[1] = "excluded_weight"
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == net.nodes[1].input[1])
    qdq.graph.initializer.append(numpy_helper.from_array(numpy_helper.to_array(weight), "excluded_weight"))
    found = partition(qdq)
    assert kinds(found) == ["core", "Conv", "core"]
    assert [row.reason for row in found.on_host] == ["the weight is float"]
    assert_exact(qdq, feed, found)


def test_a_result_that_is_not_quantized():
    """Behind a Conv without QuantizeLinear there are no bytes to compare: it is the host's, Relu and all."""
    net = Model()
    net.conv(5, 5, 1, 1)
    net.conv(5, 5, 3, 3)
    net.op("Relu")
    net.op("Softmax", axis=1)
    feed = net.data()
    qdq = quantize(net.model(), feed)
    (relu,) = (node for node in qdq.graph.node if node.op_type == "Relu")
    (softmax,) = (node for node in qdq.graph.node if node.op_type == "Softmax")
    softmax.input[0] = relu.output[0]
    found = partition(qdq)
    assert kinds(found) == ["core", "Conv Relu Softmax"]
    assert_exact(qdq, feed, found)


@pytest.mark.parametrize("batch, samples", [(1, 3), (3, 6)])
def test_a_batch_that_the_file_fixes(batch, samples):
    """Softmax over the batch takes as many samples at a time as the file says."""
    net = Model(batch=batch)
    net.conv(4, 5, 3, 3)
    net.op("Softmax", axis=0)
    feed = net.data(samples)
    qdq = quantize(net.model(), feed)
    for value in (*qdq.graph.input, *qdq.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    found = partition(qdq)
    assert found.plan.batch == batch and kinds(found) == ["core", "Softmax"]
    parts = [{"x": feed["x"][start : start + batch]} for start in range(0, samples, batch)]
    whole = session(qoperator(qdq, found.host_names))
    expected = np.concatenate([whole.run(None, part)[0] for part in parts])
    with Session(found.plan, "numpy") as opened:
        np.testing.assert_array_equal(opened.run(None, feed)[0], expected)
        if batch > 1:
            with pytest.raises(BadInput, match="3 samples at a time, 4"):
                opened.run(None, {"x": feed["x"][:4]})


def test_integers_at_the_ends():
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "s", "z"], ["d"], "d"),
        helper.make_node("Relu", ["d"], ["r"], "r"),
        helper.make_node("QuantizeLinear", ["r", "s", "z"], ["q"], "q"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["e"], "e"),
        helper.make_node("Softmax", ["e"], ["p"], "p"),
        helper.make_node("QuantizeLinear", ["p", "t", "z"], ["y"], "y"),
    ]
    graph = helper.make_graph(
        nodes,
        "bytes",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", 6])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, ["n", 6])],
        [
            numpy_helper.from_array(np.float32(0.1), "s"),
            numpy_helper.from_array(np.float32(1 / 256), "t"),
            numpy_helper.from_array(np.uint8(7), "z"),
        ],
    )
    qdq = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    feed = {"x": np.random.default_rng(3).integers(0, 256, (5, 6)).astype(np.uint8)}
    found = partition(qdq)
    assert kinds(found)[0] == "core" and "Softmax" in kinds(found)[1]
    assert_exact(qdq, feed, found)


def test_nothing_for_the_core():
    net = Model()
    net.op("Softmax", axis=1)
    net.op("Flatten")
    qdq = quantize(net.model(), net.data())
    with pytest.raises(DoesNotFit, match="nothing is left for the core.*\n.*Softmax 'n0': it computes exponentials"):
        partition(qdq)
    assert not divide(qdq).plan.core


def test_require_core_names_every_node():
    model, feed = make("several")
    with pytest.raises(DoesNotFit) as caught:
        partition(quantize(model, feed), require_core=True)
    message = str(caught.value)
    assert all(f"'{name}'" in message for name in ("n1", "n2", "n4", "n6")) and "'n3'" not in message


def test_what_onnx_runtime_refuses_is_said_before_it_runs():
    net = Model()
    net.conv(4, 5, 3, 3)
    net.op("Softmax", axis=1)
    qdq = quantize(net.model(), net.data())
    (softmax,) = (node for node in qdq.graph.node if node.op_type == "Softmax")
    softmax.op_type, softmax.domain = "Sharpmax", "com.microsoft"
    qdq.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(DoesNotFit, match="cannot run n1, and ONNX Runtime refuses.*Sharpmax"):
        partition(qdq)


def test_nodes_without_a_name_of_their_own():
    model, feed = make("middle")
    qdq = quantize(model, feed)
    for node in qdq.graph.node:
        node.name = "" if node.op_type == "QuantizeLinear" else "same"
    found = partition(qdq)
    assert [segment.name for segment in found.plan.segments] == ["core 1", "host 1", "core 2"]
    assert len({row.name for row in found.rows}) == 3
    assert_exact(qdq, feed, found)


@pytest.mark.parametrize("name", CASES)
def test_a_stream_gives_what_runs_give(name):
    model, feed = make(name)
    plan = compile_plan(partition(quantize(model, feed)).plan, core("8x8"))
    count = plan.batch or 1
    feeds = [{key: array[n : n + count] for key, array in feed.items()} for n in range(0, len(feed["x"]), count)]
    with Session(plan) as opened:
        for one, found in zip(feeds, opened.stream(feeds), strict=True):
            for got, wanted in zip(found, opened.run(None, one), strict=True):
                np.testing.assert_array_equal(got, wanted)


def test_programs_are_loaded_when_they_change():
    """Of what is there already the instructions alone."""

    class Counting(InterpreterDevice):
        written = 0

        def write(self, addr, data):
            self.written += len(data) * (addr >= Region.WEIGHT.base)
            super().write(addr, data)

    for name in ("tail", "middle"):
        model, feed = make(name)
        device = Counting(core("8x8"))
        with Session(compile_plan(partition(quantize(model, feed)).plan, device.config), device) as opened:
            for _ in range(3):
                before = device.written
                opened.run(None, {"x": feed["x"][:1]})
            programs = opened.plan.programs
            parts = [part for program in programs for part in program.switch_image()]
            instructions = sum(words.size for address, words in parts if address >= Region.WEIGHT.base)
            assert opened.cycles() == opened.plan.cycles
            assert [layer.measured for layer in opened.profile()] == [layer.cycles for layer in opened.plan.layers]
            assert len(programs) == {"tail": 1, "middle": 2}[name]
            assert device.written - before == (0 if name == "tail" else instructions + 2 * 2 * STAMP_WORDS)


def test_a_plan_survives_its_file(tmp_path):
    model, feed = make("several")
    plan = compile_plan(partition(quantize(model, feed)).plan, core("4x3"))
    plan.save(tmp_path / "m.fpga")
    again = Plan.load_file(tmp_path / "m.fpga")
    assert [segment.name for segment in again.segments] == [segment.name for segment in plan.segments]
    assert (again.inputs, again.outputs, again.batch, again.cycles) == (
        plan.inputs,
        plan.outputs,
        plan.batch,
        plan.cycles,
    )
    with Session(plan, "program") as one, Session(again, "program") as other:
        np.testing.assert_array_equal(one.run(None, feed)[0], other.run(None, feed)[0])


def test_damaged_plans_are_bad_input(tmp_path):
    model, feed = make("middle")
    plan = partition(quantize(model, feed)).plan
    path = tmp_path / "m.fpga"
    compiled = compile_plan(plan, core("4x3"))
    host = compiled.host[0]
    broken = dataclasses.replace(host, model=host.model[:20])
    for wrong, message in (
        (plan, "not compiled"),
        (dataclasses.replace(compiled, segments=(host,)), "not compiled"),
        (dataclasses.replace(compiled, segments=(compiled.core[0], broken, compiled.core[1])), "ONNX Runtime refuses"),
        (dataclasses.replace(compiled, segments=compiled.segments[1:]), "m.fpga"),
    ):
        wrong.save(path)
        with pytest.raises(BadInput, match=message):
            Session(path, "program")


def test_a_float_tail_of_many_nodes():
    """All that shares floats with a node of the host leaves with it: few rounds, however long the tail."""
    net = Model()
    net.conv(4, 5, 3, 3)
    feed = net.data()
    qdq = quantize(net.model(), feed)
    last = qdq.graph.output[0].name
    for index in range(200):
        operator = ("Relu", "Softmax", "Relu", "GlobalAveragePool")[index % 4]
        qdq.graph.node.append(helper.make_node(operator, [last], [f"f{index}"], f"f{index}"))
        last = f"f{index}"
    qdq.graph.output[0].name = last
    start = time.perf_counter()
    found = partition(qdq)
    assert time.perf_counter() - start < 5
    assert [len(segment.nodes) for segment in found.plan.host] == [200] and len(found.plan.core) == 1
    assert_exact(qdq, feed, found)


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs(seed):
    """Any graph, wherever the host's nodes are in it: branches, results of all kinds shown, tensors read twice."""
    net = Model(inputs=("x", "y"), seed=seed)
    tensors = ["x", "y", net.output(net.conv(5, 5, 3, 3, pads=[1, 1, 1, 1]))]
    for _ in range(net.rng.integers(6, 14)):
        given = tensors[net.rng.integers(max(0, len(tensors) - 4), len(tensors))]
        kind = net.rng.integers(6)
        if kind == 0:
            made = net.op("Softmax", given=given, axis=1)
        elif kind == 1:
            made = net.op("LpNormalization", given=given, axis=1)
        elif kind == 2:
            made = net.op("Add", tensors[net.rng.integers(len(tensors))], given=given)
        elif kind == 3:
            made = net.op("MaxPool", given=given, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        elif kind == 4:
            made = net.op("Relu", given=given)
        else:
            made = net.op("Conv", net.random(5, 5, 1, 1), net.random(5), given=given)
        tensors.append(made)
    for name in (tensors[-1], *net.rng.choice(tensors[3:-1], 2, replace=False)):
        net.output(str(name))
    feed = net.data(2)
    qdq = quantize(net.model(), feed)
    found = partition(qdq)
    # Between nodes of the host, what costs nothing or is not quantized runs there too.
    assert {row.operator for row in found.on_host} <= {"Softmax", "LpNormalization", "Relu", "Identity"}
    assert_exact(qdq, feed, found)
