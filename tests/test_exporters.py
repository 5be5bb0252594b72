"""Files that exporters wrote (tests/data, made by tests/data/make.py): one form, one function, and they import."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from quantized import assert_plan_is_oracle

from onnx_frontend.batch import graph_inputs
from onnx_frontend.canonical import canonical
from onnx_frontend.quantize import prepare, quantize
from onnx_frontend.runtime import session

FILES = sorted((Path(__file__).parent / "data").glob("*.onnx"))
OPERATORS = {
    "residual": "Conv HardSwish Conv Clip Conv Add Relu Conv Swish {mean} Reshape Gemm",
    "activations": "Gemm Gelu Gemm Gelu Gemm HardSigmoid Mish",
    "conv1d": "Conv LeakyRelu MaxPool Conv Relu {mean} Reshape Gemm",
    "classifier": "Gemm Relu Gemm Softmax ArgMax Reshape",
    "regressor": "Gemm Tanh Gemm Tanh Gemm Reshape",
}


def case(path):
    model = onnx.load(path)
    (value,) = graph_inputs(model)
    batch, *shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    data = np.random.default_rng(0).normal(size=(6, *shape)).astype(np.float32)
    return model, {value.name: data}, {value.name: data[: batch or 6]}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_one_form_and_the_same_function(path):
    model, _, feed = case(path)
    rewritten = canonical(model)
    onnx.checker.check_model(rewritten)
    for expected, got in zip(session(model).run(None, feed), session(rewritten).run(None, feed), strict=True):
        assert got.shape == expected.shape and got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)
    operators = [node.op_type for node in prepare(model).graph.node]
    kind = path.stem.rsplit("_", 1)[1]
    means = ("GlobalAveragePool", "ReduceMean", "Unsqueeze ReduceMean Squeeze")
    assert " ".join(operators) in {OPERATORS[kind].format(mean=mean) for mean in means}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_oracle_is_reference(path):
    model, feed, _ = case(path)
    quantized = quantize(model, feed)
    _, results = assert_plan_is_oracle(quantized, feed)
    for value, expected in zip(quantized.graph.output, session(quantized).run(None, feed), strict=True):
        assert results[value.name].shape == expected.shape and results[value.name].dtype == expected.dtype
