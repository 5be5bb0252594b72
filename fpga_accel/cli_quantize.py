"""The command quantize, and its report: settings tried, noise of each tensor, the layers that hurt."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from .console import Answer, DebugOption, JsonOption, answers, table
from .model_options import MAX_MIB, ExternalOption, MaxOption, model_file
from .progress import Progress

if TYPE_CHECKING:
    from onnx_frontend.noise import TensorNoise
    from onnx_frontend.quantize import Quantized

REPORTED = 32
"""Samples from which the report is made."""
ALONE_MAX = 64
"""Tensors up to which each is measured alone unless asked otherwise: that runs the model once for each."""
WORST = 3


@answers
def quantize(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="The float model.")],
    calibration: Annotated[Path, typer.Option(metavar="X.npz", help="Sample inputs, by input name, batch first.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="M.qdq.onnx", help="File to write.")],
    method: Annotated[
        str,
        typer.Option(help="How ranges are chosen: auto (by measured error), minmax, percentile, mse or entropy."),
    ] = "auto",
    percentile: Annotated[float, typer.Option(help="Share of values that percentile covers.")] = 99.99,
    equalize: Annotated[
        bool | None, typer.Option("--equalize/--no-equalize", help="Cross-layer equalization; auto measures.")
    ] = None,
    bias_correction: Annotated[
        bool | None, typer.Option("--bias-correction/--no-bias-correction", help="Corrected biases; auto measures.")
    ] = None,
    clip_weights: Annotated[
        bool | None, typer.Option("--clip-weights/--no-clip-weights", help="Clip the largest weights; auto measures.")
    ] = None,
    weight_bits: Annotated[int, typer.Option(help="8 or 4; with 4, weights are -7..7.")] = 8,
    rounding: Annotated[
        str, typer.Option(help="Of weights: nearest or adaround; adaround if not given and weights have 4 bits.")
    ] = "",
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="NODE", help="A node that stays in float; may be repeated.")
    ] = None,
    layers: Annotated[
        bool | None,
        typer.Option("--layers/--no-layers", help=f"Measure each layer alone; if not given, up to {ALONE_MAX} layers."),
    ] = None,
    external_data: ExternalOption = False,
    max_mib: MaxOption = MAX_MIB,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Quantize a float model to int8: a QDQ ONNX file that ONNX Runtime runs as well."""
    from onnx_frontend.calibrate import spread
    from onnx_frontend.noise import tensor_noise
    from onnx_frontend.quantize import ends
    from onnx_frontend.recipe import Recipe

    from .steps import quantize_file

    wish = Recipe(method, percentile, equalize, bias_correction, clip_weights, weight_bits, rounding)
    with Progress(stages=2) as progress:
        progress.stage("calibrate and quantize")
        source = model_file(model, external_data, max_mib)
        result, feed = quantize_file(source, calibration, output, wish, progress, exclude=exclude or ())
        progress.stage("measure the noise of each tensor")
        alone = len(result.parts.scheme) <= ALONE_MAX if layers is None else layers
        last = ends(result.parts.reference)
        rows = tensor_noise(result.parts, result.model, last, spread(feed, REPORTED), alone=alone, progress=progress)
    samples = len(next(iter(feed.values())))
    recipe = result.choice.recipe
    kind = "int8" if recipe.weight_bits == 8 else f"int8, weights of {recipe.weight_bits} bits, {recipe.rounding}"
    return Answer(
        {
            "output": output,
            "samples": samples,
            **recipe.document(),
            "scores_db": result.choice.scores,
            "exclude": exclude or [],
            "tensors": [row.document() for row in rows],
        },
        [*_tables(result, rows), f"{output}: {kind}, calibrated on {samples} samples ({recipe})"],
    )


def _tables(result: "Quantized", rows: "Sequence[TensorNoise]") -> list[RenderableType]:
    shown: list[RenderableType] = []
    if result.choice.scores:
        ordered = sorted(result.choice.scores.items(), key=lambda item: -item[1])
        shown.append(table("Settings tried", ("settings", "SQNR of the outputs, dB"), _decibels(ordered)))
    measured = [row for row in rows if row.alone is not None]
    title = "Quantization noise, the layers that add most first" if measured else "Quantization noise"
    lines = [
        (
            row.node or row.tensor,
            row.operator,
            f"{row.decibels:.1f}",
            "-" if row.alone is None else f"{row.alone:.1f}",
        )
        for row in rows
    ]
    shown.append(table(title, ("node", "operator", "SQNR, dB", "SQNR of the outputs with this alone, dB"), lines))
    if measured:
        worst = ", ".join([f"'{row.node}'" for row in measured if row.node][:WORST])
        shown.append(f"most noise comes from {worst}; --exclude NODE keeps a node in float")
    return shown


def _decibels(items: Sequence[tuple[str, float]]) -> list[tuple[str, str]]:
    return [(name, f"{value:.2f}") for name, value in items]
