"""Rescale: the same numbers in another scale, by the requantizer if its integers are exact, else by a table."""

import numpy as np
from numpy.typing import NDArray

from rtl.spec.elementwise import BYTES, rescale, rescale_constants
from rtl.spec.graph import Node, Rescale, Table, Tensor


def rescale_node(name: str, source: Tensor, output: Tensor, low: int, high: int) -> Node:
    """Return the node that brings ``source`` to the scale of ``output``, within the bounds."""
    schemes = source.scale, source.zero_point, output.scale, output.zero_point
    if rescale_constants(*schemes).differing == 0:
        return Rescale(name, (source.name,), output.name, low, high)
    return Table(name, (source.name,), output.name, rescale(BYTES, *schemes, low, high))


def table_node(
    name: str, source: Tensor, output: Tensor, table: NDArray[np.int8], clamp: tuple[int, int] | None
) -> Node:
    """Return the node of a table; a core has few of them, so one that is only a ``clamp`` is a Rescale if it can be."""
    if clamp is not None:
        same = rescale(BYTES, source.scale, source.zero_point, output.scale, output.zero_point, *clamp)
        if np.array_equal(same, table):
            return rescale_node(name, source, output, *clamp)
    return Table(name, (source.name,), output.name, table)
