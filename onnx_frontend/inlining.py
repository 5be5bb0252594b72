"""The local functions of a model: what they call, how much they become, and the model with them inlined."""

import onnx
from onnx import inliner

from rtl.spec.errors import BadInput, DoesNotFit

from .limits import Limits

Key = tuple[str, str, str]


def inlined(model: onnx.ModelProto, limits: Limits) -> onnx.ModelProto:
    """Return the model without functions: each call replaced by the body.

    Raises
    ------
    DoesNotFit
        If a function calls itself, by way of others too.
    BadInput
        If more nodes come out than ``limits`` allow.
    """
    bodies = {(function.domain, function.name, function.overload): function for function in model.functions}
    sizes: dict[Key, int] = {}
    total = sum(_size(_key(node), bodies, sizes) for node in model.graph.node)
    if total > limits.nodes:
        raise BadInput(f"{total:,} nodes, expected at most {limits.nodes:,}")
    return inliner.inline_local_functions(model) if bodies else model


def _key(node: onnx.NodeProto) -> Key:
    return node.domain, node.op_type, node.overload


def _size(key: Key, bodies: dict[Key, onnx.FunctionProto], sizes: dict[Key, int]) -> int:
    """Return the nodes that a call becomes; ``sizes`` has those of functions that are known. Without recursion."""
    path = [key]
    while path:
        last = path[-1]
        if last in sizes or last not in bodies:
            path.pop()
            continue
        called = {_key(node) for node in bodies[last].node if _key(node) in bodies}
        open_ = sorted(called - sizes.keys())
        if not open_:
            sizes[last] = sum(sizes.get(_key(node), 1) for node in bodies[last].node)
            path.pop()
        elif any(inner in path for inner in open_):
            raise DoesNotFit(f"function '{last[1]}' calls itself; export the model without recursion")
        else:
            path.append(open_[0])
    return sizes.get(key, 1)
