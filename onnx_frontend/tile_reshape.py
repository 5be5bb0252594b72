"""Reshape: the same bytes under another shape, moved only for a reader that needs them in other lines.

A tensor lies in the shape in which it was written. Shapes with the same number of channels share their lines. A Gemm
over a whole image reads it as it lies, elementwise operators keep the shape, and the host can read any.
"""

from collections.abc import Iterator

from rtl.spec import graph

from .operation import Lattice, Shape
from .plan import Plan, image_shape
from .tile_copy import Copy, copy


def input_shape(name: str, tensors: dict[str, graph.Tensor], nodes: tuple[graph.Node, ...]) -> Shape:
    """Return the shape in which the host writes an input: that of the image if all that reads it reshapes it so."""
    natural = image_shape(tensors[name])
    readers = [node for node in nodes if name in node.inputs]
    shapes = {image_shape(tensors[node.output]) for node in readers if isinstance(node, graph.Reshape)}
    alike = len(shapes) == 1 and all(isinstance(node, graph.Reshape) for node in readers)
    return shapes.pop() if alike else natural


def reshape(node: graph.Reshape, plan: Plan) -> None:
    """Plan a Reshape: nothing happens."""
    plan.stored[node.output] = plan.stored[node.inputs[0]]


def image(plan: Plan, tensor: str) -> tuple[str, Shape]:
    """Return the tensor that holds ``tensor`` in the lines of its own shape, and that shape."""
    stored, lying = plan.lies(tensor)
    shape = image_shape(plan.tensors[tensor])
    if lying[0] == shape[0]:
        return stored, shape
    if tensor not in plan.images:
        plan.images[tensor] = plan.temporary(shape)
        copy(plan, plan.images[tensor], _segments(stored, lying, shape))
    return plan.images[tensor], shape


def _segments(source: str, before: Shape, after: Shape) -> Iterator[Copy]:
    """Cut the elements, in row-major order, into runs that lie in one channel before and after."""
    plane, new_plane = before[1] * before[2], after[1] * after[2]
    start, total = 0, before[0] * plane
    while start < total:
        channel, line = divmod(start, plane)
        new_channel, new_line = divmod(start, new_plane)
        length = min(plane - line, new_plane - new_line)
        yield Copy(source, 1, new_channel, 1, channel, 1, (1, length), Lattice(new_line, 0, 1), Lattice(line, 0, 1))
        start += length
