"""Where ONNX Runtime (1.32) gives another answer than ONNX's own tests want: refused by the backend, by name.

Each is found by ONNX's backend test suite; ``onnx.reference`` agrees with the suite.
"""

import onnx
from onnx import TensorProto, helper

from onnx_frontend.cut import element_types

FOURIER = "ONNX Runtime's result is off by more than float32 rounding (3e-4 where 0 is right)"


def defect(model: onnx.ModelProto) -> str:
    """Return why ONNX Runtime's answer to a model would be wrong, or ''."""
    kinds = element_types(model)
    for node in model.graph.node:
        reason = _defect(node, kinds)
        if reason:
            return f"{node.op_type} '{node.name or node.output[0]}': {reason}"
    return ""


def _defect(node: onnx.NodeProto, kinds: dict[str, int]) -> str:
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    if node.domain not in ("", "ai.onnx"):
        return ""
    if node.op_type in ("DFT", "STFT"):
        return FOURIER
    if node.op_type == "Dropout" and len(node.input) > 2:
        return "training mode is random"
    if node.op_type == "MaxUnpool" and len(node.input) > 2:
        return "ONNX Runtime puts the values at other places when an output shape is given"
    aligned = attributes.get("coordinate_transformation_mode") == b"align_corners"
    if node.op_type == "Resize" and aligned and attributes.get("mode", b"nearest") != b"nearest":
        return "ONNX Runtime aligns other corners than ONNX does when it scales down"
    if node.op_type == "Attention" and kinds.get(node.input[0]) == TensorProto.FLOAT16:
        return "ONNX Runtime rounds float16 elsewhere than ONNX does"
    if node.op_type == "Attention" and len(node.output) > 3 and attributes.get("is_causal"):
        return "ONNX Runtime shows the products without the causal mask"
    return ""
