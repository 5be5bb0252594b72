"""The integers of all layers of a model: weights by a recipe, and biases that go with them."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import onnx

from .layers import layers
from .recipe import Recipe
from .scheme import QuantizedWeight, Scheme, quantize_bias, quantize_weight


def quantize_layers(
    model: onnx.ModelProto, scheme: Mapping[str, Scheme], recipe: Recipe, excluded: Collection[str] = ()
) -> dict[str, QuantizedWeight]:
    """Return the weights and biases in integers of every layer that is quantized."""
    return {
        layer.name: quantize_weight(
            layer.weight,
            layer.axis,
            layer.bias,
            scheme[layer.node.input[0]].scale,
            recipe.weight_bits,
            bool(recipe.clip_weights),
        )
        for layer in layers(model)
        if layer.node.input[0] in scheme and layer.name not in excluded
    }


def with_biases(
    model: onnx.ModelProto, scheme: Mapping[str, Scheme], weights: Mapping[str, QuantizedWeight]
) -> dict[str, QuantizedWeight]:
    """Return the weights with the biases of the model."""
    return {
        layer.name: replace(weight, bias=quantize_bias(layer.bias, scheme[layer.node.input[0]].scale, weight.scale))
        for layer in layers(model)
        for weight in [weights.get(layer.name)]
        if weight is not None
    }
