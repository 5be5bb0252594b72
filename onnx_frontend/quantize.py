"""Quantize: a float ONNX model becomes the same model in QDQ form, an ordinary ONNX file that ONNX Runtime runs."""

import importlib.metadata
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from rtl.spec.elementwise import exact_scale
from rtl.spec.errors import BadInput

from .adaround import adaround
from .auto import choose
from .batch import graph_inputs, infer
from .bias_correction import correct_biases
from .calibrate import Feed, Observation, Progress, batches, check_feed, observe, silent, spread
from .canonical import canonical, is_quantized
from .equalize import equalize, pairs
from .exclude import named_nodes
from .loader import Source, load
from .movements import CLAMPS
from .noise import compare, mean_ratio
from .ranges import Limits, limits
from .recipe import Choice, Recipe
from .regions import inner_tensors, whole_constants
from .scheme import Scheme, activation_scheme
from .sharing import EXACT, biased_products, joined_tensors, keeps_scale
from .simplify import simplify
from .weights import quantize_layers, with_biases
from .writer import Parts, write_qdq

SCORED = 128
"""Samples on which a candidate is tried; more make no difference."""
METADATA_KEY = "fpga_accel.quantize"
TAILS = {"Softmax", "LogSoftmax", "ArgMax"}


@dataclass(frozen=True)
class Quantized:
    """A quantized model and how it came about.

    Members
    -------
    model : ModelProto
        In QDQ form.
    parts : Parts
        What it is written from.
    choice : Choice
        The recipe, and the scores it was chosen by.
    """

    model: onnx.ModelProto
    parts: Parts
    choice: Choice


def quantize(
    source: Source,
    calibration: Feed,
    method: str = "auto",
    percentile: float = 99.99,
    progress: Progress = silent,
    *,
    exclude: Sequence[str] = (),
    **settings: Any,
) -> onnx.ModelProto:
    """Return the model in QDQ form: int8 activations, int8 weights per channel, int32 biases.

    Parameters
    ----------
    source : path or ModelProto
        The float model.
    calibration : dict of str to array
        Samples, batch first, by input name; other names are ignored.
    method, percentile
        The calibrator, or ``auto``: the best of all by measured error; see :class:`~onnx_frontend.recipe.Recipe`.
    exclude : sequence of str
        Names of nodes that stay in float.
    settings
        Other fields of the Recipe.

    Raises
    ------
    BadInput
        If the file, an array or a setting is not what it must be, or the model is quantized already.
    """
    wish = Recipe(method, percentile, **settings)
    return quantize_model(source, calibration, wish, exclude=exclude, progress=progress).model


def quantize_model(
    source: Source, calibration: Feed, wish: Recipe, *, exclude: Sequence[str] = (), progress: Progress = silent
) -> Quantized:
    """Do the same as :func:`quantize` for a recipe, and return what else is known about the result."""
    wish = wish.settled()
    original = load(source)
    model = prepare(original)
    search = _Search(model, calibration, in_float(model, named_nodes(model, original, exclude)), progress)
    choice = choose(wish, bool(search.pairs), search.score, progress)
    parts = search.build(choice.recipe, calibration, exact=True)
    settings = {
        **choice.recipe.document(),
        "chosen": wish.method == "auto",
        "samples": search.samples,
        "scores_db": {name: round(score, 2) for name, score in choice.scores.items()},
        "exclude": list(exclude),
        "version": importlib.metadata.version("fpga-accel"),
    }
    return Quantized(with_settings(write_qdq(parts), settings), parts, choice)


def prepare(source: Source) -> onnx.ModelProto:
    """Return the float model simplified, ready to calibrate.

    Raises
    ------
    BadInput
        If it is quantized already or an input is not float32.
    """
    model = load(source)
    if is_quantized(model):
        raise BadInput("the model is quantized already (it has QuantizeLinear nodes); compile it as it is")
    for value in graph_inputs(model):
        if value.type.tensor_type.elem_type != TensorProto.FLOAT:
            kind = helper.tensor_dtype_to_string(value.type.tensor_type.elem_type)
            raise BadInput(f"input '{value.name}': expected float32, not {kind}; export the model in float32")
    return simplify(canonical(model))


def activations(model: onnx.ModelProto, excluded: Collection[str] = ()) -> list[str]:
    """Return the float tensors that get a scale and zero point, inputs first, then in the order of the nodes.

    Not among them: results that only a Relu or Clip reads, which becomes part of the operator before it; tensors within
    a region of elementwise operators, which becomes one table; products that only the Add of their bias reads; what a
    Softmax, LogSoftmax or ArgMax at the very end computes on the host; and what only nodes in float write and read
    (``excluded`` names the tensors that those compute).
    """
    graph = model.graph
    types = _element_types(model)
    outputs = {value.name for value in graph.output}
    consumers = _consumers(model)
    tail = tail_tensors(model)
    inner = inner_tensors(model) | set(biased_products(model))
    names = []
    for value in graph_inputs(model):
        readers = consumers.get(value.name, [])
        if not readers or any(reader.output[0] not in excluded for reader in readers):
            names.append(value.name)
    for node in graph.node:
        for name in node.output:
            readers = consumers.get(name, [])
            fused = len(readers) == 1 and readers[0].op_type in CLAMPS and name not in outputs
            here = {each in excluded for each in (name, *(reader.output[0] for reader in readers))}
            # A boundary between integers and float is quantized, whatever is on its two sides.
            wanted = not fused and name not in inner and here != {True} if len(here) == 1 else True
            if types.get(name) == TensorProto.FLOAT and wanted and name not in tail:
                names.append(name)
    return names


def in_float(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto]) -> set[str]:
    """Return the tensors that ``nodes`` compute, each with the Relu or Clip that is part of it."""
    outputs = {value.name for value in model.graph.output}
    consumers = _consumers(model)
    result = {name for node in nodes for name in node.output}
    for node in nodes:
        readers = consumers.get(node.output[0], [])
        if len(readers) == 1 and readers[0].op_type in CLAMPS and node.output[0] not in outputs:
            result.add(readers[0].output[0])
    return result


def ends(model: onnx.ModelProto) -> list[str]:
    """Return the last tensors before the outputs that are computed on the core: a Softmax at the end is left out."""
    producers = {output: node for node in model.graph.node for output in node.output}
    tail = tail_tensors(model)
    result = []
    for value in model.graph.output:
        name = value.name
        while name in tail:
            name = producers[name].input[0]
        result.append(name)
    return list(dict.fromkeys(result))


def tail_tensors(model: onnx.ModelProto) -> set[str]:
    """Return the tensors computed by a Softmax, LogSoftmax or ArgMax at the very end, which runs on the host.

    What only reshapes the integers of an ArgMax is one too.
    """
    consumers, types = _consumers(model), _element_types(model)
    tail: set[str] = set()
    for node in reversed(model.graph.node):
        integers = types.get(node.output[0], TensorProto.FLOAT) != TensorProto.FLOAT
        readers = consumers.get(node.output[0], [])
        if (node.op_type in TAILS or integers) and all(reader.output[0] in tail for reader in readers):
            tail.add(node.output[0])
    return tail


def schemes(
    model: onnx.ModelProto, observed: Mapping[str, Limits], excluded: Collection[str] = (), *, exact: bool = True
) -> dict[str, Scheme]:
    """Return the scheme of each activation, and of constants with a number for each element.

    Where ONNX only moves bytes it is the input's; the inputs of a Concat get that of its output where nobody else reads
    them. The scale of Add, Sub and Mul is the next larger one for which the core's integers reproduce all 65,536 pairs;
    the search takes a while, and without ``exact`` it is left out.
    """
    producers = {output: node for node in model.graph.node for output in node.output}
    result = {name: activation_scheme(array.min(), array.max()) for name, array in whole_constants(model).items()}
    for name, (low, high) in observed.items():
        node = producers.get(name)
        while node is not None and node.op_type in CLAMPS and node.input[0] not in observed:
            node = producers.get(node.input[0])
        own = activation_scheme(low, high)
        if name in excluded or node is None:
            pass
        elif keeps_scale(model, node) and node.input[0] in result:
            own = result[node.input[0]]
        elif exact and node.op_type in EXACT and all(operand in result for operand in node.input):
            a, b = (result[operand] for operand in node.input)
            pair = a.scale, a.zero_point, b.scale, b.zero_point
            scale = exact_scale(EXACT[node.op_type], *pair, own.scale, own.zero_point)
            own = Scheme(scale, own.zero_point)
        result[name] = own
    for name, joined in joined_tensors(model).items():
        if name in result and joined in result and not {name, joined} & set(excluded):
            result[name] = result[joined]
    return result


def insert_qdq(
    model: onnx.ModelProto, observed: Mapping[str, Limits], settings: Mapping[str, object]
) -> onnx.ModelProto:
    """Return the simplified float model in QDQ form for known ranges, with ``settings`` in its metadata."""
    scheme = schemes(model, observed)
    parts = Parts(model, model, scheme, quantize_layers(model, scheme, Recipe("minmax")))
    return with_settings(write_qdq(parts), settings)


def with_settings(model: onnx.ModelProto, settings: Mapping[str, object]) -> onnx.ModelProto:
    """Write the settings into the metadata of the quantized model, and check it; return it."""
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(settings, sort_keys=True)
    model.producer_name = "fpga-accel"
    onnx.checker.check_model(model)
    return model


class _Search:
    """Builds the model by any recipe; what recipes share is computed once."""

    def __init__(self, model: onnx.ModelProto, feed: Feed, excluded: Collection[str], progress: Progress):
        self.model = model
        self.feed = feed
        self.excluded = excluded
        self.progress = progress
        self.samples = check_feed(model, feed)
        self.names = activations(model, excluded)
        self.pairs = pairs(model)
        self.observed: dict[bool, tuple[onnx.ModelProto, Observation]] = {}

        self.ends = ends(model)
        self.trial = spread(feed, SCORED)
        self.expected: list[dict[str, NDArray[np.float32]]] = []

    def score(self, recipe: Recipe) -> float:
        """Return the mean signal-to-noise ratio of the outputs, in decibels, on at most ``SCORED`` samples."""
        if not self.expected:
            self.expected = list(batches(self.model, self.ends, self.trial))
        parts = self.build(recipe, self.trial, exact=False)
        return mean_ratio(compare(self.expected, write_qdq(parts), parts.names(self.ends), self.trial))

    def variant(self, equalized: bool) -> tuple[onnx.ModelProto, Observation]:
        """Return the float model, equalized or not, and what its tensors hold."""
        if equalized not in self.observed:
            channels = [] if equalized else [pair.between for pair in self.pairs]
            model = self.model
            if equalized:
                model = equalize(model, self.variant(False)[1].channel_peaks)
            names = list(dict.fromkeys([*self.names, *channels]))
            self.observed[equalized] = (
                model,
                observe(model, names, self.feed, channels=channels, progress=self.progress),
            )
        return self.observed[equalized]

    def build(self, recipe: Recipe, feed: Feed, *, exact: bool) -> Parts:
        """Return what the model of a recipe is written from; without ``exact``, roughly what, and sooner."""
        model, observation = self.variant(bool(recipe.equalize))
        ranges = {name: limits(observation.histograms[name], recipe.method, recipe.percentile) for name in self.names}
        scheme = schemes(model, ranges, self.excluded, exact=exact)
        weights = quantize_layers(model, scheme, recipe, self.excluded)
        if exact and recipe.rounding == "adaround":
            weights = adaround(model, scheme, weights, recipe.weight_bits, feed, self.progress)
        written = model
        if recipe.correct_biases:
            written = correct_biases(model, scheme, weights, feed, self.progress if exact else silent)
            weights = with_biases(written, scheme, weights)
        return Parts(model, written, scheme, weights)


def _consumers(model: onnx.ModelProto) -> dict[str, list[onnx.NodeProto]]:
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    return consumers


def _element_types(model: onnx.ModelProto) -> dict[str, int]:
    inferred = infer(model)
    values = [*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output]
    return {value.name: value.type.tensor_type.elem_type for value in values}
