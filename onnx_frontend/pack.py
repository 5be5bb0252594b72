"""First layers with few channels: patches of the input that fill the rows of the array with taps of the kernel.

An image of 3 channels fills 3 rows. With the elements of a patch as channels, a step of the array multiplies several
taps of a Conv at once; the host lays the patches out (`rtl.spec.packing`).
"""

import numpy as np
from numpy.typing import NDArray

from rtl.spec import graph
from rtl.spec.packing import Packing

from .pack_axis import Axis, Patches, Phase, array_cycles, taps, tiling
from .plan import image_shape

MOST_PHASES = 4
"""Each phase has instructions of its own, and none of them is long."""
WORTH = 3 / 4
"""Share of the plain cycles that patches may take at most."""


def packed_input(name: str, model: graph.Graph, rows: int) -> tuple[Packing, Patches] | None:
    """Return how to pack an input of a graph for an array of so many rows; None if it had better lie as it is.

    Packed are inputs that nothing but a Conv without groups and dilations reads, through Reshapes or directly.
    """
    node = _reader(name, model)
    if not isinstance(node, graph.Conv) or node.group != 1 or node.dilations != (1, 1) or min(node.pads) < 0:
        return None
    tensor = model.tensors[node.inputs[0]]
    shape, out = image_shape(tensor), image_shape(model.tensors[node.output])
    if node.weight.shape[1] != shape[0]:
        return None
    axes = [
        Axis(*values)
        for values in zip(shape[1:], out[1:], node.weight.shape[2:], node.strides, node.pads[:2], strict=True)
    ]
    patches = best_patches(axes[0], axes[1], shape[0], rows)
    if patches is None:
        return None
    y, x = patches.y, patches.x
    packing = Packing(
        shape,
        patch=(y.patch, x.patch),
        step=(y.step, x.step),
        origin=(y.words[0] * y.step - node.pads[0], x.words[0] * x.step - node.pads[1]),
        grid=(len(y.words), len(x.words)),
        pad=tensor.zero_point,
    )
    return packing, patches


def best_patches(y: Axis, x: Axis, channels: int, rows: int) -> Patches | None:
    """Return the patches for the least cycles of the array, of these for the fewest words, then for the fewest phases.

    None if no patch needs clearly fewer cycles than single pixels do.
    """
    most = rows // channels
    tilings = [
        [
            tiling(axis, patch, step)
            for patch in range(1, min(most, axis.kernel + axis.stride * MOST_PHASES) + 1)
            for step in range(1, patch + 1)
        ]
        for axis in (y, x)
    ]
    choices = [
        Patches(tiled_y, tiled_x)
        for tiled_y in tilings[0]
        for tiled_x in tilings[1]
        if tiled_y.patch * tiled_x.patch <= most and len(tiled_y.phases) * len(tiled_x.phases) <= MOST_PHASES
    ]
    ranked = [(each.cycles(rows), each.words(), len(each.y.phases) * len(each.x.phases)) for each in choices]
    if not ranked or min(ranked)[0] > WORTH * array_cycles(y.kernel * x.kernel, y.out * x.out, rows):
        return None
    return choices[ranked.index(min(ranked))]


def packed_weight(weight: NDArray[np.integer], patches: Patches, y: Phase, x: Phase) -> NDArray[np.integer]:
    """Return a Conv's weight, (out, channels, taps_y, taps_x), for a phase: (out, patch elements, words_y, words_x)."""
    rows = taps(patches.y, y, weight.shape[2])
    columns = taps(patches.x, x, weight.shape[3])
    # The tap behind the last is 0.
    framed = np.pad(weight, ((0, 0), (0, 0), (0, 1), (0, 1)))
    spread = framed[:, :, rows[:, :, None, None], columns]
    return spread.transpose(0, 3, 5, 1, 2, 4).reshape(len(weight), -1, y.words, x.words)


def _reader(name: str, model: graph.Graph) -> graph.Node | None:
    """Return the only node that reads a tensor, under any name that a Reshape gives it; None if there are several."""
    readers = [node for node in model.nodes if name in node.inputs]
    if len(readers) != 1 or any(port.tensor == name for port in model.outputs):
        return None
    return _reader(readers[0].output, model) if isinstance(readers[0], graph.Reshape) else readers[0]
