"""Open an ONNX file: whatever is wrong with it becomes one sentence."""

import os
from pathlib import Path

import onnx
from onnx import version_converter

from rtl.spec.errors import BadInput

OPSET_MIN = 13
"""First version whose QuantizeLinear and DequantizeLinear know per-channel scales."""

Source = str | os.PathLike[str] | onnx.ModelProto
"""A model, or where to find it."""


def load(source: Source) -> onnx.ModelProto:
    """Return the checked model, converted to opset 13 if it is older. A ModelProto is copied, never changed.

    Raises
    ------
    BadInput
        If there is no such file, it is empty, truncated or not ONNX, breaks ONNX's rules, or cannot be converted.
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
    return _upgrade(model, name)


def opset(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's own operators that the model uses."""
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)


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


def _upgrade(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    version = opset(model)
    if version == 0:
        raise BadInput(
            f"{name}: uses no operator set of ONNX itself (domains: {[e.domain for e in model.opset_import]})"
        )
    if version >= OPSET_MIN:
        return model
    try:
        return version_converter.convert_version(model, OPSET_MIN)
    except Exception as error:  # the converter raises bare RuntimeErrors of its C++ side
        raise BadInput(
            f"{name}: opset {version} could not be converted to {OPSET_MIN} ({_first_line(error)}); "
            f"export the model with opset {OPSET_MIN} or newer"
        ) from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
