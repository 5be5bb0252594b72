"""Attributes of sliding windows that ONNX's checker lets through and that make no sense."""

import onnx
from onnx import AttributeProto

from rtl.spec.errors import BadInput

LEAST = {"kernel_shape": 1, "strides": 1, "dilations": 1, "group": 1, "blocksize": 1}
LARGEST = 1 << 31


def check_attributes(nodes: list[onnx.NodeProto]) -> None:
    """Look through the attributes of nodes.

    Raises
    ------
    BadInput
        If a size, stride, dilation or number of groups is not positive, or a number is beyond 32 bits.
    """
    for node in nodes:
        for attribute in node.attribute:
            if attribute.name not in LEAST and attribute.name != "pads":
                continue
            numbers = [attribute.i] if attribute.type == AttributeProto.INT else list(attribute.ints)
            least = LEAST.get(attribute.name, -LARGEST)
            if any(not least <= number < LARGEST for number in numbers):
                title = f"{node.op_type} '{node.name or (node.output[0] if node.output else '')}'"
                shown = str(numbers[0] if attribute.type == AttributeProto.INT else numbers)[:60]
                raise BadInput(f"{title}: {attribute.name} {shown}; expected numbers of at least {max(least, 0)}")
