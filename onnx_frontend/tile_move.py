"""Move: Concat, Slice, Pad, Resize, DepthToSpace, Transpose ... as copies of blocks of elements."""

from rtl.spec import graph

from .operation import Lattice
from .plan import Plan, image_shape
from .tile_copy import Copy, copy
from .tile_reshape import image


def move(node: graph.Move, plan: Plan) -> None:
    """Plan a Move."""
    plan.begin(node, node.operator)
    sources = [image(plan, name)[0] for name in node.inputs]
    shape = image_shape(plan.tensors[node.output])
    plan.store(node.output, shape)
    copies = []
    for piece in node.pieces:
        to = Lattice(piece.to_start[1] * shape[2] + piece.to_start[2], piece.to_step[1] * shape[2], piece.to_step[2])
        origin = Lattice(piece.from_pixel, piece.from_y_step, piece.from_x_step)
        copies.append(
            Copy(
                sources[piece.source],
                piece.size[0],
                piece.to_start[0],
                piece.to_step[0],
                piece.from_channel,
                piece.from_channel_step,
                piece.size[1:],
                to,
                origin,
            )
        )
    copy(plan, node.output, copies, node.fill)
