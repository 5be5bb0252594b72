"""Find nodes by the names that a user gives."""

from collections.abc import Sequence
from difflib import get_close_matches

import onnx

from rtl.spec.errors import BadInput

NEAREST = 3


def named_nodes(model: onnx.ModelProto, original: onnx.ModelProto, names: Sequence[str]) -> list[onnx.NodeProto]:
    """Return the nodes of the simplified ``model`` that have these names.

    Raises
    ------
    BadInput
        If there is none of that name; the message has the nearest ones, or says that the node is part of another.
    """
    known = {node.name: node for node in model.graph.node}
    gone = {node.name for node in original.graph.node} - set(known)
    for name in names:
        if name in gone:
            raise BadInput(
                f"exclude: node '{name}' is folded into its neighbours before quantization; exclude one of those"
            )
        if name not in known:
            near = get_close_matches(name, known, NEAREST, 0.4) or sorted(known)[:NEAREST]
            raise BadInput(f"exclude: no node '{name}'; the nearest names are {', '.join(map(repr, near))}")
    return [known[name] for name in names]
