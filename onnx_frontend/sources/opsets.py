"""One opset: older files are converted up, com.microsoft's QuantizeLinear becomes ONNX's."""

import onnx
import onnx_ir as ir
from onnx import version_converter
from onnx_ir.passes import common

from rtl.spec.errors import BadInput

OPSET = 21
"""Its QuantizeLinear has 4-bit types; operators keep their form from here to the newest one."""
OPSET_MAX = 24
"""Files of a newer one come down to it where they can: ONNX Runtime lags behind (1.32 has Swish in 24 alone)."""
SHARED = {"QuantizeLinear", "DequantizeLinear", "Gelu"}
"""Operators of com.microsoft that ONNX itself has by now."""


def version(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's own operators that the model uses, 0 for none."""
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)


def convert(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model in opset 21 to 24.

    Raises
    ------
    BadInput
        If there is no opset, or the converter of onnx has no way up for an operator.
    """
    name, given = model.graph.name or "model", version(model)
    if given == 0:
        domains = [entry.domain for entry in model.opset_import]
        raise BadInput(f"{name}: uses no operator set of ONNX itself (domains: {domains})")
    if OPSET <= given <= OPSET_MAX:
        return model
    wanted = OPSET_MAX if given > OPSET_MAX else OPSET
    try:
        return version_converter.convert_version(model, wanted)
    except Exception as error:  # its ConvertError, and all that the exceptions of its C++ side become in Python
        if given > OPSET_MAX:
            # For an operator that only the newer opset has; the importer says what it makes of it.
            return model
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise BadInput(
            f"{name}: opset {given} could not be converted to {OPSET} ({lines[0]}); "
            f"export the model with opset {OPSET} or newer"
        ) from error


def tidy(model: ir.Model) -> ir.Model:
    """Lift constants, name every node, drop what is not used, and use one domain for ONNX's own."""
    for step in (
        common.RemoveInitializersFromInputsPass(),
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.RemoveUnusedNodesPass(),
    ):
        step(model)
    taken = {node.name for node in model.graph}
    for node in model.graph:
        if node.domain == "ai.onnx" or (node.domain == "com.microsoft" and node.op_type in SHARED):
            node.domain = ""
        if not node.name:
            name = node.outputs[0].name
            node.name = name if name not in taken else f"{node.op_type}_{name}"
            taken.add(node.name)
    return model
