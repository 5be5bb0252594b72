"""Graph nodes to core operations: what each needs of array, vector lanes and memory, before it has an address."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtl.spec import elementwise, graph, isa, number
from rtl.spec.config import Config
from rtl.spec.errors import DoesNotFit

UNIT = np.float32(1.0)


@dataclass(frozen=True)
class Operation:
    """One layer for the core.

    ``sources`` are the tensors read, all of one shape. ``kernel`` is (taps_y, taps_x); for MATMUL each step has a
    weight tile, ``weights`` being int8 (out, in, taps_y, taps_x), for DEPTHWISE (channels, taps_y, taps_x), else
    None. ``bias`` and ``multiplier`` are per output channel. ``factors`` are those of SCALE.
    """

    name: str
    operator: str
    op: isa.Op
    sources: tuple[str, ...]
    output: str
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    origin: tuple[int, int]
    dilations: tuple[int, int]
    pad: int
    weights: NDArray[np.int8 | np.int16] | None
    factors: tuple[int, int]
    bias: NDArray[np.int64]
    multiplier: NDArray[np.float32]
    zero_point: int
    low: int
    high: int
    macs: int
    notes: tuple[str, ...] = ()


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return a tensor's shape as the core sees it, (channels, height, width)."""
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    if len(shape) == 2:
        return shape[0], 1, shape[1]
    if len(shape) == 1:
        return shape[0], 1, 1
    raise DoesNotFit(f"tensor of shape {list(shape)}: expected at most channels, height and width besides the batch")


def aliases(model: graph.Graph) -> dict[str, str]:
    """Return, for the output of each Reshape, the tensor whose bytes it shares."""
    same: dict[str, str] = {}
    for node in model.nodes:
        if isinstance(node, graph.Reshape):
            source = same.get(node.inputs[0], node.inputs[0])
            before, after = model.tensors[source].shape, model.tensors[node.output].shape
            squeezed = tuple(size for size in before if size != 1) == tuple(size for size in after if size != 1)
            if not squeezed and len(after) != 1:
                raise DoesNotFit(
                    f"Reshape '{node.name}': {list(before)} to {list(after)}; "
                    "only flattening and adding or removing axes of size 1 leave the bytes in place"
                )
            same[node.output] = source
    return same


def operations(model: graph.Graph, config: Config) -> list[Operation]:
    """Return the operations of a graph in order.

    Raises
    ------
    DoesNotFit
        If numbers of a node are out of the core's range.
    """
    same = aliases(model)
    return [_operation(node, model.tensors, same) for node in model.nodes if not isinstance(node, graph.Reshape)]


def _operation(node: graph.Node, tensors: Mapping[str, graph.Tensor], same: Mapping[str, str]) -> Operation:
    sources = tuple(same.get(name, name) for name in node.inputs)
    x, y = tensors[sources[0]], tensors[node.output]
    in_shape, out_shape = image_shape(x.shape), image_shape(y.shape)
    channels = out_shape[0]
    common = Operation(
        name=node.name,
        operator=type(node).__name__,
        op=isa.Op.SCALE,
        sources=sources,
        output=node.output,
        in_shape=in_shape,
        out_shape=out_shape,
        kernel=(1, 1),
        strides=(1, 1),
        origin=(0, 0),
        dilations=(1, 1),
        pad=x.zero_point,
        weights=None,
        factors=(1, 1),
        bias=np.zeros(channels, np.int64),
        multiplier=np.full(channels, UNIT, np.float32),
        zero_point=y.zero_point,
        low=-128,
        high=127,
        macs=0,
    )

    if isinstance(node, graph.Conv):
        weight = node.weight
        out_channels, per_group, taps_y, taps_x = weight.shape
        if per_group * node.group != in_shape[0]:
            # A Gemm behind a Flatten whose producer has other axes than the kernel: (features, 1, 1).
            raise DoesNotFit(f"{common.operator} '{node.name}': {per_group} x {node.group} channels of {in_shape[0]}")
        bias = node.bias.astype(np.int64) - x.zero_point * weight.astype(np.int64).sum(axis=(1, 2, 3))
        window = dict(
            kernel=(taps_y, taps_x),
            strides=node.strides,
            origin=(-node.pads[0], -node.pads[1]),
            dilations=node.dilations,
            bias=bias,
            multiplier=np.broadcast_to(node.multiplier, (out_channels,)).astype(np.float32),
            low=node.low,
            high=node.high,
            macs=int(weight.size) * out_shape[1] * out_shape[2],
        )
        if node.group == in_shape[0] == out_channels and node.group > 1:
            return dataclasses.replace(common, op=isa.Op.DEPTHWISE, weights=weight[:, 0], **window)
        dense = np.zeros((out_channels, in_shape[0], taps_y, taps_x), np.int8)
        for group, chunk in enumerate(np.split(weight, node.group)):
            rows = slice(group * len(chunk), (group + 1) * len(chunk))
            dense[rows, group * per_group : (group + 1) * per_group] = chunk
        return dataclasses.replace(common, op=isa.Op.MATMUL, weights=dense, **window)

    if isinstance(node, graph.MaxPool):
        return dataclasses.replace(
            common,
            op=isa.Op.MAXIMUM,
            kernel=node.kernel,
            strides=node.strides,
            origin=(-node.pads[0], -node.pads[1]),
            dilations=node.dilations,
            pad=-128,
            zero_point=0,
            low=node.low,
            high=node.high,
        )

    if isinstance(node, graph.AveragePool):
        counts = node.counts(in_shape[1:], out_shape[1:])
        if (counts != counts[0, 0]).any():
            raise DoesNotFit(f"{common.operator} '{node.name}': windows of different sizes")
        taps = node.kernel[0] * node.kernel[1]
        return dataclasses.replace(
            common,
            kernel=node.kernel,
            strides=node.strides,
            dilations=node.dilations,
            origin=(-node.pads[0], -node.pads[1]),
            bias=np.full(channels, -x.zero_point * taps, np.int64),
            multiplier=np.full(channels, number.average_multiplier(x.scale, y.scale, counts[0, 0]), np.float32),
            low=node.low,
            high=node.high,
        )

    if isinstance(node, graph.Add | graph.Rescale):
        if isinstance(node, graph.Add):
            b = tensors[sources[1]]
            constants = elementwise.add_constants(x.scale, x.zero_point, b.scale, b.zero_point, y.scale, y.zero_point)
        else:
            constants = elementwise.rescale_constants(x.scale, x.zero_point, y.scale, y.zero_point)
        differing = (
            (f"{common.operator} '{node.name}': {constants.differing} input pairs differ by one from float32",)
            if constants.differing
            else ()
        )
        return dataclasses.replace(
            common,
            kernel=(len(sources), 1),
            factors=(constants.p, constants.q),
            bias=np.full(channels, constants.c, np.int64),
            multiplier=np.full(channels, constants.multiplier, np.float32),
            low=node.low,
            high=node.high,
            notes=differing,
        )

    raise DoesNotFit(f"{common.operator} '{node.name}': the compiler has no operation for it")


def channel_words(operation: Operation, config: Config) -> NDArray[np.uint32]:
    """Return the channel parameters of an operation, padded to whole groups of lanes.

    Raises
    ------
    DoesNotFit
        If a bias does not fit in 32 bits.
    """
    mantissa, shift = number.split_multiplier(operation.multiplier)
    if np.abs(operation.bias).max(initial=0) >= 1 << 31:
        raise DoesNotFit(f"{operation.operator} '{operation.name}': the bias with the zero point exceeds 32 bits")
    words = [
        isa.to_words(isa.Channel, bias=int(b), mantissa=int(m), shift=int(s))
        for b, m, s in zip(operation.bias, mantissa, shift, strict=True)
    ]
    padding = [words[-1]] * (-len(words) % config.lanes)
    return np.concatenate([*words, *padding])
