"""Options that several commands have: which samples they take, and how far a model file is trusted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .files import readable

if TYPE_CHECKING:
    from onnx_frontend.loader import ModelFile

MAX_MIB = 512
"""As :class:`onnx_frontend.limits.Limits` has it."""

InputOption = Annotated[
    Path, typer.Option("--input", metavar="X.npz", help="One array for each input, by its name, batch first.")
]
FirstOption = Annotated[int, typer.Option("--limit", min=1, help="Use only the first samples.")]
ExternalOption = Annotated[
    bool, typer.Option("--external-data", help="Read weights from the file beside the model that it names.")
]
MaxOption = Annotated[
    int, typer.Option("--max-mib", min=1, help="Refuse a model, with its external data, of more MiB.")
]


def model_file(path: Path, external_data: bool, max_mib: int) -> "ModelFile":
    """Return a model file with what the command's options allow it."""
    from onnx_frontend.limits import MIB, Limits
    from onnx_frontend.loader import ModelFile

    return ModelFile(readable(path, ".onnx"), external_data, Limits(file_bytes=max_mib * MIB))
