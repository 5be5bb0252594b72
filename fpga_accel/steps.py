"""The steps from a float model to a program, file to file: what the commands and the demo both do."""

from collections.abc import Sequence
from pathlib import Path

import onnx

from onnx_frontend.compile import compile_graph
from onnx_frontend.importer import import_graph
from onnx_frontend.oracle import qoperator
from onnx_frontend.quantize import Quantized, quantize_model
from onnx_frontend.recipe import Recipe
from rtl.spec.config import Config
from rtl.spec.program import Program

from .feed import Feed
from .files import readable, replacing, writable
from .npz import read_feed
from .onnx_model import OnnxModel
from .progress import Progress


def quantize_file(
    model: Path,
    calibration: Path,
    output: Path,
    wish: Recipe,
    progress: Progress,
    *,
    exclude: Sequence[str] = (),
) -> tuple[Quantized, Feed]:
    """Quantize the float model to the QDQ file ``output``; return it and the calibration samples."""
    readable(model, ".onnx")
    writable(output, ".onnx")
    feed = read_feed(calibration, OnnxModel(model).get_inputs())
    quantized = quantize_model(model, feed, wish, exclude=exclude, progress=progress)
    with replacing(output) as temporary:
        onnx.save(quantized.model, temporary)
    return quantized, feed


def oracle_file(model: Path, output: Path) -> None:
    """Write the quantized model in QOperator form to ``output``."""
    readable(model, ".onnx")
    writable(output, ".onnx")
    exact = qoperator(model)
    with replacing(output) as temporary:
        onnx.save(exact, temporary)


def hdl_folder(output: Path) -> Path:
    """Return the folder of circuits beside a program file: ``digits.hdl`` for ``digits.fpga``."""
    return output.with_suffix(".hdl")


def compile_file(
    model: Path,
    output: Path,
    config: Config,
    *,
    board: str | None = None,
    keep_tensors: bool = False,
    hdl: bool = False,
) -> Program:
    """Compile the quantized model for a core to the program file ``output``; return the program.

    With ``hdl``, also write the circuits that run it, for ``board`` if one is named, to :func:`hdl_folder`.
    """
    readable(model, ".onnx")
    writable(output, ".fpga")
    program = compile_graph(import_graph(model), config, keep_tensors=keep_tensors)
    if hdl:
        # Amaranth takes a second to import.
        from .emit import emit

        emit(program, hdl_folder(output), board)
    with replacing(output) as temporary:
        program.save(temporary)
    return program
