"""Open an ONNX file: whatever is wrong with it becomes one sentence."""

import os
from pathlib import Path

import onnx

from rtl.spec.errors import BadInput

Source = str | os.PathLike[str] | onnx.ModelProto
"""A model, or where to find it."""


def load(source: Source) -> onnx.ModelProto:
    """Return the checked model. A ModelProto is copied, never changed.

    Raises
    ------
    BadInput
        If there is no such file, it is empty, truncated or not ONNX, or breaks ONNX's rules.
    """
    if isinstance(source, onnx.ModelProto):
        name = source.graph.name or "model"
        model = onnx.ModelProto()
        model.CopyFrom(source)
    else:
        name = str(source)
        model = _parse(Path(source))
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise BadInput(f"{name}: not a sound ONNX model: {_first_line(error)}") from error
    return model


def _parse(path: Path) -> onnx.ModelProto:
    if not path.exists():
        raise BadInput(f"{path}: no such file")
    if path.is_dir():
        raise BadInput(f"{path}: expected an ONNX file, but this is a folder")
    if path.stat().st_size == 0:
        raise BadInput(f"{path}: the file is empty; export or download it again")
    try:
        model = onnx.load(str(path), format="protobuf")
    except Exception as error:  # protobuf, the file system and external data each raise their own kinds
        raise BadInput(
            f"{path}: cannot be read as ONNX; it is truncated or another kind of file ({_first_line(error)})"
        ) from error
    if not model.HasField("graph") or not model.graph.output:
        raise BadInput(f"{path}: holds no ONNX graph; it is truncated or another kind of file")
    return model


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
