"""AdaRound: each weight rounded up or down so that the layer's output changes least, instead of to the nearest step.

M. Nagel, R. A. Amjad, M. van Baalen, C. Louizos, T. Blankevoort, "Up or Down? Adaptive Rounding for Post-Training
Quantization", ICML 2020. The squared error of a layer's output is a quadratic form of the weights' error and the second
moments of its inputs (equation 13 there), so the samples are seen once, to sum up these moments; the search for the
rounding (equations 21 to 25, Adam) does not need them any more. Memory is bounded by the moments of a few layers; time
is linear in layers and images.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from rtl.spec.number import dequantize, quantize

from .calibrate import Feed, Progress, batches, silent
from .layers import Layer, layers
from .scheme import QuantizedWeight, Scheme, broadcast, weight_max
from .windows import window

STEPS = 1000
RATE = 0.02
WARM_UP = 0.2
"""Part of the steps without regularization."""
WEIGHT = 0.02
"""Of the regularization, against errors in units of a step times the mean power of an input."""
SHARPNESS = (20.0, 2.0)
"""Exponent of the regularization, at the start and at the end."""
STRETCH = (-0.1, 1.1)
"""Ends of the stretched sigmoid."""
COLUMNS = 8192
"""Windows of a layer's input, spread over all samples, from which its moments are taken."""


LEAST_GAIN = 1e-5
"""Of the error, in the same units as WEIGHT."""
MOMENTS_MAX = 2**25
"""Numbers that the moments of the layers of one pass may take; more layers are a further pass."""

Moments = NDArray[np.float64]
"""Mean products of the inputs of a window: (group, input, input)."""


def adaround(
    model: onnx.ModelProto,
    scheme: Mapping[str, Scheme],
    weights: Mapping[str, QuantizedWeight],
    bits: int,
    feed: Feed,
    progress: Progress = silent,
) -> dict[str, QuantizedWeight]:
    """Return the weights with a better rounding, in the same scales; no channel becomes worse than it was.

    Parameters
    ----------
    model
        Simplified float model.
    scheme, weights
        Of its activations and layers, weights rounded to nearest.
    bits
        Of weights.
    feed
        Samples.
    """
    result = dict(weights)
    for part in _parts([layer for layer in layers(model) if layer.name in weights and _searchable(layer)]):
        moments = _moments(model, part, scheme, feed, progress)
        for done, layer in enumerate(part, 1):
            result[layer.name] = _round(layer, weights[layer.name], moments[layer.name], weight_max(bits))
            progress("round weights", done, len(part))
    return result


def _searchable(layer: Layer) -> bool:
    """Say whether each output is a sum over one window; those of a ConvTranspose are not and stay as they are."""
    return layer.linear and layer.node.op_type != "ConvTranspose"


def _parts(chosen: Sequence[Layer]) -> Iterator[list[Layer]]:
    part: list[Layer] = []
    size = 0
    for layer in chosen:
        group, _, inputs, taps = layer.matrix.shape
        numbers = group * (inputs * taps) ** 2
        if part and size + numbers > MOMENTS_MAX:
            yield part
            part, size = [], 0
        part.append(layer)
        size += numbers
    if part:
        yield part


def _moments(
    model: onnx.ModelProto, part: Sequence[Layer], scheme: Mapping[str, Scheme], feed: Feed, progress: Progress
) -> dict[str, Moments]:
    """Return the second moments of each layer's quantized input."""
    sources = list(dict.fromkeys(layer.node.input[0] for layer in part))
    each = max(1, COLUMNS // len(next(iter(feed.values()))))
    random = np.random.default_rng(0)
    sums: dict[str, Moments] = {}
    seen = dict.fromkeys((layer.name for layer in part), 0)
    for arrays in batches(model, sources, feed, what="moments of the inputs", progress=progress):
        for layer in part:
            own = scheme[layer.node.input[0]]
            exact = dequantize(
                quantize(arrays[layer.node.input[0]], own.scale, own.zero_point), own.scale, own.zero_point
            )
            columns = _windows(exact, layer, each, random)
            products = columns.transpose(0, 2, 1) @ columns
            sums[layer.name] = sums[layer.name] + products if layer.name in sums else products.astype(np.float64)
            seen[layer.name] += columns.shape[1]
    return {name: total / seen[name] for name, total in sums.items()}


def _windows(x: NDArray[np.float32], layer: Layer, each: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Return what at most ``each`` random windows of each sample hold: (group, window, input of the group)."""
    group, _, inputs, taps = layer.matrix.shape
    if layer.node.op_type != "Conv":
        return x.reshape(1, -1, inputs)
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in layer.node.attribute}
    given = {name: attributes[name] for name in ("strides", "pads", "dilations", "auto_pad") if name in attributes}
    shape = window(x.shape[2:], layer.weight.shape[2:], **given)
    image = x.reshape(*x.shape[:2], 1, -1) if x.ndim == 3 else x
    top, left, bottom, right = shape.pads
    padded = np.pad(image, ((0, 0), (0, 0), (top, bottom), (left, right)))
    places = random.permutation(shape.output[0] * shape.output[1])[:each]
    rows, columns = np.divmod(places, shape.output[1])
    down = np.repeat(np.arange(shape.kernel[0]) * shape.dilations[0], shape.kernel[1])
    across = np.tile(np.arange(shape.kernel[1]) * shape.dilations[1], shape.kernel[0])
    found = padded[:, :, (rows * shape.strides[0])[:, None] + down, (columns * shape.strides[1])[:, None] + across]
    split = found.reshape(len(x), group, inputs, places.size, taps)
    return np.ascontiguousarray(split.transpose(1, 0, 3, 2, 4)).reshape(group, -1, inputs * taps)


def _round(layer: Layer, start: QuantizedWeight, moments: Moments, limit: int) -> QuantizedWeight:
    exact = layer.weight / broadcast(start.scale, layer.weight.ndim, layer.axis)
    wanted = replace(layer, weight=exact.astype(np.float32)).matrix
    nearest = replace(layer, weight=start.steps.astype(np.float32)).matrix
    group, out, inputs, taps = wanted.shape
    wanted, nearest = (matrix.reshape(group, out, inputs * taps) for matrix in (wanted, nearest))
    power = np.trace(moments, axis1=1, axis2=2)[:, None, None] / moments.shape[1]
    normal = (moments / np.where(power == 0, 1, power)).astype(np.float32)
    found = _descend(wanted, normal, limit, _search(wanted, normal, limit))
    better = _errors(found - wanted, normal) < _errors(nearest - wanted, normal)
    steps = np.where(better[:, :, None], found, nearest).reshape(group, out, inputs, taps)
    return replace(start, steps=np.ascontiguousarray(layer.like(steps)).astype(np.int8))


def _errors(difference: NDArray[np.float32], moments: NDArray[np.float32]) -> NDArray[np.float32]:
    errors: NDArray[np.float32] = ((difference @ moments) * difference).sum(axis=2)
    return errors


def _search(wanted: NDArray[np.float32], moments: NDArray[np.float32], limit: int) -> NDArray[np.float32]:
    """Return the weights in steps, each rounded up or down, that minimize the error of the output."""
    low = np.floor(wanted)
    bottom, top = STRETCH
    rest = np.clip(wanted - low, 0.01, 0.99)
    v = -np.log((top - bottom) / (rest - bottom) - 1)
    mean, square = np.zeros_like(v), np.zeros_like(v)
    for step in range(1, STEPS + 1):
        sigmoid = 1 / (1 + np.exp(-v))
        stretched = sigmoid * np.float32(top - bottom) + np.float32(bottom)
        h = np.clip(stretched, 0, 1)
        soft = np.clip(low + h, -limit, limit)
        gradient = 2 * ((soft - wanted) @ moments)
        progress = step / STEPS
        if progress > WARM_UP:
            share = (progress - WARM_UP) / (1 - WARM_UP)
            beta = SHARPNESS[1] + 0.5 * (SHARPNESS[0] - SHARPNESS[1]) * (1 + np.cos(share * np.pi))
            away = 2 * h - 1
            gradient -= np.float32(2 * WEIGHT * beta) * np.sign(away) * np.abs(away) ** np.float32(beta - 1)
        gradient *= np.float32(top - bottom) * sigmoid * (1 - sigmoid)
        gradient *= (stretched > 0) & (stretched < 1)
        mean = np.float32(0.9) * mean + np.float32(0.1) * gradient
        square = np.float32(0.999) * square + np.float32(0.001) * gradient**2
        rate = RATE * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        v -= np.float32(rate) * mean / (np.sqrt(square) + np.float32(1e-8))
    found: NDArray[np.float32] = np.clip(low + (v >= 0), -limit, limit).astype(np.float32)
    return found


def _descend(
    wanted: NDArray[np.float32], moments: NDArray[np.float32], limit: int, start: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Move one weight of each channel by one step, the one that lessens the error most, until none does.

    The relaxed problem leaves weights that were still undecided when it ended; this settles them exactly.
    """
    steps = start.copy()
    slope = (steps - wanted) @ moments
    diagonal = np.diagonal(moments, axis1=1, axis2=2)[:, None, :]
    for _ in range(4 * wanted.shape[2]):
        move = np.where(slope > 0, -1, 1).astype(np.float32)
        move[np.abs(steps + move) > limit] = 0
        change = 2 * move * slope + move * move * diagonal
        best = change.argmin(axis=2)
        gains = np.take_along_axis(change, best[:, :, None], axis=2)[:, :, 0]
        group, row = np.nonzero(gains < -LEAST_GAIN)
        if group.size == 0:
            break
        chosen = best[group, row]
        moved = move[group, row, chosen]
        steps[group, row, chosen] += moved
        slope[group, row] += moved[:, None] * moments[group, chosen]
    return steps
