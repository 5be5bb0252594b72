"""Quantized models for tests: ONNX Runtime's quantizer, and what every one of them must satisfy."""

import warnings

import numpy as np
import onnx

from fpga_accel import Session
from onnx_frontend.importer import import_graph
from onnx_frontend.oracle import qoperator, run_all
from onnx_frontend.partition import partition
from onnx_frontend.runtime import session
from sim import reference

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static


class Reader(CalibrationDataReader):
    """Feeds one sample after the other."""

    def __init__(self, feed):
        count = len(next(iter(feed.values())))
        self.left = iter([{k: v[index : index + 1] for k, v in feed.items()} for index in range(count)])

    def get_next(self):
        return next(self.left, None)


def onnx_runtime_quantized(model, feed, folder, form, activation="QInt8", weight="QInt8", **options):
    """Return ``model`` as ONNX Runtime's quantize_static makes it."""
    onnx.save(model, folder / "float.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantize_static(
            folder / "float.onnx",
            folder / "quantized.onnx",
            Reader(feed),
            quant_format=QuantFormat[form],
            activation_type=QuantType[activation],
            weight_type=QuantType[weight],
            **options,
        )
    return onnx.load(folder / "quantized.onnx")


def assert_oracle_is_reference(model, feed):
    """Compare every tensor of the reference with the oracle's, and return the graph and the tensors."""
    graph = import_graph(model)
    expected, got = run_all(model, feed), reference.run(graph, feed)
    assert set(got) & set(expected)
    for port in graph.outputs:
        assert port.tensor in expected
    for name, array in got.items():
        if name in expected:
            assert np.array_equal(array.reshape(-1), expected[name].reshape(-1)), name
    return graph, got


def assert_plan_is_oracle(model, feed):
    """As `assert_oracle_is_reference`, with whatever the host runs; return the first graph and the outputs by name."""
    found = partition(model)
    exact = qoperator(model, found.host_names)
    expected = run_all(exact, feed)
    with Session(found.plan, "numpy") as opened:
        outputs, tensors = opened.run_tensors(feed)
    assert set(tensors) & set(expected)
    for name, array in tensors.items():
        if name in expected:
            assert np.array_equal(array.reshape(-1), expected[name].reshape(-1)), name
    for value, array in zip(exact.graph.output, session(exact).run(None, feed), strict=True):
        assert np.array_equal(outputs[value.name], array), value.name
    return found.plan.core[0].graph, outputs


def differing_bytes(model, graph, tensors, feed):
    """Return how many bytes of integer tensors differ from ONNX Runtime on the file as it is, and of how many.

    Graph optimizations are off.
    """
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    made = {name: node for node in model.graph.node for name in node.output}
    names = [
        name for name, tensor in graph.tensors.items() if name in made and made[name].op_type != "DequantizeLinear"
    ]
    del exposed.graph.output[:]
    exposed.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    different = total = 0
    for name, array in zip(names, session(exposed).run(None, feed), strict=True):
        if array.dtype not in (np.int8, np.uint8):
            continue
        whole = array.astype(np.int16) - (128 if array.dtype == np.uint8 else 0)
        different += int((whole.reshape(-1) != tensors[name].reshape(-1)).sum())
        total += array.size
    return different, total
