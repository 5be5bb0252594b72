"""Conv (with Gemm and MatMul by weights) and ConvTranspose as passes of weight tiles."""

import numpy as np
from numpy.typing import NDArray

from rtl.spec import graph, isa
from rtl.spec.errors import DoesNotFit

from .operation import Frame, Lattice, Pass, Shape, Unit, Walk
from .pack import packed_weight
from .plan import Plan, image_shape
from .tile_reshape import image
from .tile_taps import fits_window, window_taps
from .tile_window import in_block, matmul_lines, pieces, window

ARRAY_LIMITS = (-127, 127)
"""What the packed multipliers of the array hold."""
LANE_LIMITS = (-128, 127)


def conv(node: graph.Conv, plan: Plan) -> None:
    """Plan a Conv: each tile of output channels collects all its taps, then is written."""
    x, y = plan.tensors[node.inputs[0]], plan.tensors[node.output]
    out_shape = image_shape(y)
    plan.begin(node, "Conv", int(node.weight.size) * out_shape[1] * out_shape[2])
    stored, shape = plan.lies(node.inputs[0])
    if stored in plan.patches:
        _packed(node, plan, stored, shape, out_shape)
        return
    weight = node.weight
    if _covers_all(node, out_shape, shape):
        # A Gemm takes its input as it lies, whatever the shape that the node sees.
        weight = weight.reshape(len(weight), *shape)
    else:
        stored, shape = image(plan, node.inputs[0])
    if weight.shape[1] * node.group != shape[0]:
        raise DoesNotFit(
            f"{plan.layer}: expected weights for {shape[0]} channels, not for {weight.shape[1]} x {node.group}"
        )
    bias = node.bias.astype(np.int64) - x.zero_point * weight.astype(np.int64).sum(axis=(1, 2, 3))
    walk = window(
        stored,
        shape,
        kernel=(weight.shape[2], weight.shape[3]),
        strides=node.strides,
        origin=(-node.pads[0], -node.pads[1]),
        dilations=node.dilations,
        pad=x.zero_point,
    )
    units = _units(plan, weight, node.group, shape, walk, bias, node.multiplier)
    plan.store(node.output, out_shape)
    whole = Lattice(0, out_shape[2], 1)
    plan.add(node.output, out_shape[1:], whole, units, zero_point=y.zero_point, low=node.low, high=node.high)


def _packed(node: graph.Conv, plan: Plan, stored: str, shape: Shape, out_shape: Shape) -> None:
    """Plan a Conv of an image that lies as patches: a convolution for each phase, written with their distance."""
    x, y, patches = plan.tensors[node.inputs[0]], plan.tensors[node.output], plan.patches[stored]
    bias = node.bias.astype(np.int64) - x.zero_point * node.weight.astype(np.int64).sum(axis=(1, 2, 3))
    periods = len(patches.y.phases), len(patches.x.phases)
    plan.store(node.output, out_shape)
    for phase_y, phase_x in patches.phases():
        walk = window(
            stored,
            shape,
            kernel=(phase_y.words, phase_x.words),
            strides=(patches.y.pixel, patches.x.pixel),
            origin=(phase_y.word - patches.y.words[0], phase_x.word - patches.x.words[0]),
            dilations=(patches.y.tap, patches.x.tap),
            pad=x.zero_point,
        )
        units = _units(
            plan, packed_weight(node.weight, patches, phase_y, phase_x), 1, shape, walk, bias, node.multiplier
        )
        target = Lattice(phase_y.first * out_shape[2] + phase_x.first, periods[0] * out_shape[2], periods[1])
        grid = phase_y.count, phase_x.count
        plan.add(node.output, grid, target, units, zero_point=y.zero_point, low=node.low, high=node.high)


def conv_transpose(node: graph.ConvTranspose, plan: Plan) -> None:
    """Plan a ConvTranspose: one ordinary convolution for each phase of the strides, written with these strides.

    Output ``o = q * s + r`` of phase ``r`` collects ``x[i] * w[k]`` for all ``i * s - pad + k * d = o``. The taps that
    occur are ``k = first + j * s / g`` with ``g = gcd(s, d)``, and tap ``j`` reads ``x[q + shift - j * d / g]``: a
    convolution with the taps in reverse order.
    """
    x, y = plan.tensors[node.inputs[0]], plan.tensors[node.output]
    in_shape, out_shape = image_shape(x), image_shape(y)
    plan.begin(node, "ConvTranspose", int(node.weight.size) * in_shape[1] * in_shape[2])
    stored, shape = image(plan, node.inputs[0])
    plan.store(node.output, out_shape)
    # As the weight of a Conv: (out, in / group, kernel).
    per_group = node.weight.shape[1]
    grouped = node.weight.reshape(node.group, -1, *node.weight.shape[1:]).swapaxes(1, 2)
    weight = grouped.reshape(node.group * per_group, -1, *node.weight.shape[2:])
    for phase_y in range(min(node.strides[0], out_shape[1])):
        for phase_x in range(min(node.strides[1], out_shape[2])):
            phases = (phase_y, phase_x)
            axes = [
                _phase(phase + pad, stride, dilation, size)
                for phase, pad, stride, dilation, size in zip(
                    phases, node.pads, node.strides, node.dilations, weight.shape[2:], strict=True
                )
            ]
            taps = weight[:, :, axes[0][0]][:, :, :, axes[1][0]]
            walk = window(
                stored,
                shape,
                kernel=(taps.shape[2], taps.shape[3]),
                strides=(1, 1),
                origin=(axes[0][1], axes[1][1]),
                dilations=(axes[0][2], axes[1][2]),
                pad=x.zero_point,
            )
            bias = node.bias.astype(np.int64) - x.zero_point * taps.astype(np.int64).sum(axis=(1, 2, 3))
            units = (
                _units(plan, taps, node.group, shape, walk, bias, node.multiplier)
                if taps.size
                else _bias_only(plan, stored, bias, node.multiplier)
            )
            grid = tuple(-(-(size - p) // s) for size, p, s in zip(out_shape[1:], phases, node.strides, strict=True))
            target = Lattice(phase_y * out_shape[2] + phase_x, node.strides[0] * out_shape[2], node.strides[1])
            plan.add(
                node.output,
                (grid[0], grid[1]),
                target,
                units,
                zero_point=y.zero_point,
                low=node.low,
                high=node.high,
            )


def _covers_all(node: graph.Conv, out_shape: Shape, lying: Shape) -> bool:
    """Say whether each output is a sum over all elements of the input in row-major order."""
    alone = out_shape[1:] == (1, 1) and node.group == 1 and not any(node.pads)
    return alone and int(np.prod(node.weight.shape[1:])) == int(np.prod(lying))


def _phase(place: int, stride: int, dilation: int, size: int) -> tuple[list[int], int, int]:
    """Return one axis of a phase: the taps in the order of their inputs, the first one's input, and their distance."""
    taps = [k for k in range(size) if (place - k * dilation) % stride == 0][::-1]
    inputs = [(place - k * dilation) // stride for k in taps]
    return taps, inputs[0] if inputs else 0, inputs[1] - inputs[0] if len(inputs) > 1 else 1


def _bias_only(plan: Plan, stored: str, bias: NDArray[np.int64], multiplier: NDArray[np.float32]) -> tuple[Unit, ...]:
    """Return units whose accumulators are 0: words outside of any image, all of them 0."""
    nowhere = Walk(stored, Lattice(0, 0, 0), frame=Frame((-1, -1), (0, 0), (0, 0), (1, 1), 0))
    rows = plan.config.rows
    return tuple(
        Unit(
            first,
            len(bias[first : first + rows]),
            (Pass(isa.Op.SCALE, nowhere),),
            bias[first : first + rows],
            np.broadcast_to(multiplier, bias.shape)[first : first + rows],
        )
        for first in range(0, len(bias), rows)
    )


def _units(
    plan: Plan,
    weight: NDArray[np.integer],
    group: int,
    shape: Shape,
    walk: Walk,
    bias: NDArray[np.int64],
    multiplier: NDArray[np.float32],
) -> tuple[Unit, ...]:
    """Return the units of a convolution; weight: (out, in / group, taps_y, taps_x)."""
    out, per_group = weight.shape[:2]
    depthwise = per_group == 1 and group == out and group > 1
    size = plan.config.rows if depthwise else plan.config.columns
    multipliers = np.broadcast_to(multiplier, (out,)).astype(np.float32)
    units = []
    windowed = depthwise and fits_window(walk, weight, plan.config)
    for first in range(0, out, size):
        part = weight[first : first + size]
        taps = None
        if windowed:
            here = in_block(walk, first // plan.config.rows, shape[1] * shape[2])
            passes, taps = [Pass(isa.Op.DEPTHWISE, here)], window_taps(part[:, 0])
        elif depthwise:
            passes = _depthwise(plan, part, shape, walk, first)
        else:
            passes = _dense(plan, part, group, out // group, shape, walk, first)
        numbers = bias[first : first + size], multipliers[first : first + size]
        units.append(Unit(first, len(part), tuple(passes), *numbers, taps))
    return tuple(units)


def _depthwise(plan: Plan, weight: NDArray[np.integer], shape: Shape, walk: Walk, first: int) -> list[Pass]:
    rows, banks, plane = plan.config.rows, plan.config.banks, shape[1] * shape[2]
    passes = []
    for bounded in _bounded(weight, LANE_LIMITS):
        for taps_y, taps_x, cut in pieces(in_block(walk, first // rows, plane)):
            taps = bounded[:, 0, taps_y, taps_x].reshape(len(bounded), -1)
            lines = np.zeros((taps.shape[1], banks), np.int8)
            lines[:, : len(taps)] = taps.T
            passes.append(Pass(isa.Op.DEPTHWISE, cut, (lines,)))
    return passes


def _dense(
    plan: Plan, weight: NDArray[np.integer], group: int, group_out: int, shape: Shape, walk: Walk, first: int
) -> list[Pass]:
    """Return the passes of one tile of output channels: over the blocks of input channels that its groups need."""
    rows, plane, per_group = plan.config.rows, shape[1] * shape[2], weight.shape[1]
    groups = [(first + index) // group_out for index in range(len(weight))]
    block = groups[0] * per_group // rows
    end = (groups[-1] + 1) * per_group
    dense = np.zeros((len(weight), end - block * rows, *weight.shape[2:]), np.int16)
    for index, number in enumerate(groups):
        start = number * per_group - block * rows
        dense[index, start : start + per_group] = weight[index]
    passes = []
    for bounded in _bounded(dense, ARRAY_LIMITS):
        for taps_y, taps_x, cut in pieces(walk):
            lines = matmul_lines(bounded[:, :, taps_y, taps_x], rows, plan.config.banks)
            blocks = -(-dense.shape[1] // rows)
            passes.append(Pass(isa.Op.MATMUL, in_block(cut, block, plane, blocks), (lines,)))
    return passes


def _bounded(weight: NDArray[np.integer], limits: tuple[int, int]) -> list[NDArray[np.int16]]:
    """Return parts within the limits that sum to the weights; one if that is enough."""
    rest = weight.astype(np.int16)
    parts: list[NDArray[np.int16]] = []
    while not parts or rest.any():
        part = np.clip(rest, *limits)
        parts.append(part)
        rest = rest - part
    return parts
