"""What no stage of this project works on, refused by name when a model is loaded, all at once."""

from collections.abc import Iterator

import onnx
from onnx import AttributeProto

from rtl.spec.errors import DoesNotFit

from .tensors import all_nodes

DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "qonnx.custom_op.general", "onnx.brevitas"}
"""Domains of operators that some stage knows. The model's own functions are inlined."""
SUBGRAPHS = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
CONTROL = "export the model without control flow (as traced, for fixed sizes)"


def refuse(model: onnx.ModelProto, name: str) -> None:
    """Look through a model.

    Raises
    ------
    DoesNotFit
        If there are operators with subgraphs (If, Loop, Scan), of unknown domains, values that are no tensors, sparse
        tensors, or training information.
    """
    found = list(_obstacles(model))
    if found:
        listed = "\n".join(f"  {obstacle}" for obstacle in found[:50])
        more = f"\n  and {len(found) - 50} more" if len(found) > 50 else ""
        raise DoesNotFit(f"{name}: not supported in any form:\n{listed}{more}")


def _obstacles(model: onnx.ModelProto) -> Iterator[str]:
    functions = {(function.domain, function.name) for function in model.functions}
    for node in all_nodes(model):
        title = f"{node.op_type} '{node.name or (node.output[0] if node.output else '')}'"
        if any(
            attribute.type in SUBGRAPHS or attribute.graphs or attribute.HasField("g") for attribute in node.attribute
        ):
            yield f"{title}: control flow (a subgraph); {CONTROL}"
        elif (node.domain, node.op_type) not in functions and node.domain not in DOMAINS:
            yield f"{title}: operator of the unknown domain '{node.domain}'; replace it by ONNX's own operators"
        elif any(attribute.HasField("sparse_tensor") or attribute.sparse_tensors for attribute in node.attribute):
            yield f"{title}: a sparse tensor; make it dense"
        elif any(attribute.HasField("tp") or attribute.type_protos for attribute in node.attribute):
            yield f"{title}: a value of a type that is no tensor; {CONTROL}"
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        kind = value.type.WhichOneof("value")
        if kind not in (None, "tensor_type"):
            yield f"value '{value.name}': of type {kind.removesuffix('_type')}; only tensors are supported"
    for sparse in model.graph.sparse_initializer:
        yield f"initializer '{sparse.values.name}': a sparse tensor; make it dense"
    if model.training_info:
        yield "training information; export the model for inference"
