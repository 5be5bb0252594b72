"""The benchmark networks have the sizes of those they stand for, and go through quantizer and importer."""

import networks
import pytest

from onnx_frontend.check import macs
from onnx_frontend.partition import partition
from onnx_frontend.quantize import quantize
from rtl.spec.graph import Conv


@pytest.mark.parametrize(
    "make, layers, products, weights",
    [
        (networks.resnet, 10, 12_501_632, 77_360),
        (networks.dscnn, 10, 2_656_768, 22_016),
        (networks.mobilenet, 28, 7_489_664, 208_112),
        (networks.autoencoder, 10, 264_192, 264_192),
    ],
)
def test_sizes(make, layers, products, weights):
    model = make()
    (graph,) = partition(quantize(model, networks.samples(model, 2), "minmax")).plan.graphs()
    convs = [node for node in graph.nodes if isinstance(node, Conv)]
    assert len(convs) == layers
    assert macs(graph) == products
    assert sum(node.weight.size for node in convs) == weights


def test_same_seed_same_bytes():
    assert networks.mobilenet(size=32).SerializeToString() == networks.mobilenet(size=32).SerializeToString()
    assert networks.mobilenet(seed=1) != networks.mobilenet(seed=2)
