"""Bounds of integers (Brevitas QCDQ): QuantizeLinear, Clip becomes Clip of the real numbers, QuantizeLinear.

QuantizeLinear is monotone and gives a bound's own integer back, so both are the same.
"""

import numpy as np
import onnx_ir as ir

from .edit import Edit, numbers, operand, sole_reader


def real_clips(model: ir.Model) -> ir.Model:
    """Move each Clip of integers in front of its QuantizeLinear; an input of the model is quantized a second time."""
    edit = Edit(model.graph)
    for node in list(model.graph):
        if node.op_type != "Clip" or node.domain or not node.inputs or node.inputs[0] is None:
            continue
        quantizer = node.inputs[0].producer()
        if quantizer is None or quantizer.op_type != "QuantizeLinear" or sole_reader(quantizer.outputs[0]) is not node:
            continue
        source, scale, zero_point = quantizer.inputs[0], quantizer.inputs[1], operand(quantizer, 2)
        factor, zero = numbers(scale), numbers(zero_point)
        if source is None or scale is None or zero_point is None or factor is None or zero is None or factor.size != 1:
            continue
        kind, name = np.iinfo(zero.dtype), node.outputs[0].name
        edit.at(node)
        bounds: list[ir.Value | None] = []
        for index, end in ((1, int(kind.min)), (2, int(kind.max))):
            given = numbers(operand(node, index))
            bound = end if given is None else int(given.reshape(-1)[0])
            real = np.float32(bound - int(zero.reshape(-1)[0])) * np.float32(factor.reshape(-1)[0])
            bounds.append(None if bound == end else edit.constant(f"{name}_bound_{index}", np.float32(real)))
        if bounds == [None, None]:
            node.outputs[0].replace_all_uses_with(quantizer.outputs[0], replace_graph_outputs=True)
            model.graph.remove(node, safe=True)
            continue
        if source.is_graph_input():
            source = edit.dequantized(quantizer.outputs[0], scale, zero_point)
        bounded = edit.node("Clip", [source, *bounds], f"{name}_real", node.name or "")
        edit.supersede(node, edit.quantized(bounded, scale, zero_point, f"{name}_quantized"))
        if not quantizer.outputs[0].uses():
            model.graph.remove(quantizer, safe=True)
    return model
