"""The steps from a float model to a program, file to file: what the commands and the demo both do."""

from collections.abc import Sequence
from pathlib import Path

import onnx

from onnx_frontend.loader import ModelFile
from onnx_frontend.oracle import qoperator
from onnx_frontend.partition import Partition, compile_plan, partition
from onnx_frontend.quantize import Quantized, quantize_model
from onnx_frontend.recipe import Recipe
from rtl.spec.config import Config
from rtl.spec.plan import Plan

from .feed import Feed
from .files import readable, replacing, writable
from .npz import read_feed
from .onnx_model import OnnxModel
from .progress import Note, Progress


def quantize_file(
    model: Path | ModelFile,
    calibration: Path,
    output: Path,
    wish: Recipe,
    progress: Progress,
    *,
    exclude: Sequence[str] = (),
) -> tuple[Quantized, Feed]:
    """Quantize the float model to the QDQ file ``output``; return it and the calibration samples."""
    readable(Path(model), ".onnx")
    writable(output, ".onnx")
    feed = read_feed(calibration, OnnxModel(model).get_inputs())
    quantized = quantize_model(model, feed, wish, exclude=exclude, progress=progress)
    with replacing(output) as temporary:
        onnx.save(quantized.model, temporary)
    return quantized, feed


def oracle_file(model: Path | ModelFile, output: Path) -> None:
    """Write the quantized model in QOperator form to ``output``; what the core cannot run stays in float."""
    readable(Path(model), ".onnx")
    writable(output, ".onnx")
    exact = qoperator(model, partition(model).host_names)
    with replacing(output) as temporary:
        onnx.save(exact, temporary)


def hdl_folder(output: Path) -> Path:
    """Return the folder of circuits beside a program file: ``digits.hdl`` for ``digits.fpga``."""
    return output.with_suffix(".hdl")


def compile_file(
    model: Path | ModelFile,
    output: Path,
    config: Config | None,
    *,
    board: str | None = None,
    keep_tensors: bool = False,
    stream: bool = False,
    require_core: bool = False,
    hdl: bool = False,
    note: Note = lambda *_: None,
) -> tuple[Plan, Partition]:
    """Compile the quantized model for a core to the file ``output``; return the plan, and which node runs where.

    Without a ``config`` the core is the fastest one for which ``board`` has room, by `explore`, which tells ``note``.
    With ``require_core`` nothing may run on the host. With ``hdl``, also write the circuits that run it, for ``board``
    if one is named, to :func:`hdl_folder`.
    """
    readable(Path(model), ".onnx")
    writable(output, ".fpga")
    found = partition(model, require_core=require_core)
    if config is None:
        # Boards take a second to import, too.
        import boards

        from .explore import explore

        config = explore(found.plan, boards.get(board or ""), note)[0].config
    plan = compile_plan(found.plan, config, keep_tensors=keep_tensors, stream=stream)
    if hdl:
        # Amaranth takes a second to import.
        from .emit import emit

        emit(plan, hdl_folder(output), board)
    with replacing(output) as temporary:
        plan.save(temporary)
    return plan, found
