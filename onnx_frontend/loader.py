"""Open an ONNX file that nobody vouches for: whatever is wrong with it becomes one sentence.

Each step makes sure of what the next one takes for granted: the size before the file is read, the encoding before it is
parsed, what may not be there at all, declared sizes against real bytes, then ONNX's own checker.
"""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, shape_inference

from rtl.spec.errors import BadInput, FpgaAccelError

from .attributes import check_attributes
from .external_data import attach
from .inlining import inlined
from .limits import Limits
from .tensors import all_tensors, check_tensors
from .unsupported import refuse
from .wire import Malformed, survey


@dataclass(frozen=True)
class ModelFile(os.PathLike[str]):
    """A model file and how far to trust it.

    Members
    -------
    external_data : bool
        Whether weights may lie in another file, beside the model.
    limits : Limits
        The most that it may ask for.
    """

    path: Path
    external_data: bool = False
    limits: Limits = field(default_factory=Limits)

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)


Source = str | os.PathLike[str] | onnx.ModelProto
"""A model, or where to find it."""


def load(source: Source) -> onnx.ModelProto:
    """Return the checked model with its external data, its functions inlined. A ModelProto is copied, never changed.

    Raises
    ------
    BadInput
        If there is no such file, it is empty, truncated or not ONNX, breaks ONNX's rules, asks for more than its
        limits, or needs external data that it may not have.
    DoesNotFit
        If it has control flow, operators of unknown domains, or values that are no tensors.
    """
    name = _name(source)
    file = source if isinstance(source, ModelFile) else None
    limits = file.limits if file is not None else Limits()
    if isinstance(source, onnx.ModelProto):
        model, size = onnx.ModelProto(), source.ByteSize()
        model.CopyFrom(source)
    else:
        data = _bytes(Path(source), limits)
        model, size = _parse(data, name, limits), len(data)
    if not model.HasField("graph") or not model.graph.output:
        raise BadInput(f"{name}: holds no ONNX graph; it is truncated or another kind of file")
    refuse(model, name)
    try:
        external = [tensor for tensor in all_tensors(model) if _is_external(tensor)]
        if external and (file is None or not file.external_data):
            raise BadInput(
                f"tensor '{external[0].name}' is in another file; if you trust where the model comes from, "
                "give --external-data"
            )
        if file is not None:
            attach(external, file.path, size, limits)
        check_tensors(all_tensors(model))
        model = inlined(model, limits)
        check_attributes(list(model.graph.node))
        if opset(model) > onnx.defs.onnx_opset_version():
            newest = onnx.defs.onnx_opset_version()
            raise BadInput(f"opset {opset(model)}; the newest that is known is {newest}")
    except FpgaAccelError as error:
        raise type(error)(f"{name}: {error}") from error
    try:
        onnx.checker.check_model(model)
        _check_types(model)
    # The checker has two kinds of errors for what breaks ONNX's rules, and its C++ side raises more.
    except Exception as error:
        raise BadInput(f"{name}: not a sound ONNX model: {_first_line(error)}") from error
    return model


def opset(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's own operators that the model uses."""
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)


def _name(source: Source) -> str:
    return (source.graph.name or "model") if isinstance(source, onnx.ModelProto) else str(source)


def _is_external(tensor: TensorProto) -> bool:
    return tensor.data_location == TensorProto.EXTERNAL or len(tensor.external_data) > 0


def _bytes(path: Path, limits: Limits) -> bytes:
    """Return the content of a plain file, which is not opened if it is another kind or too large."""
    if not path.exists():
        raise BadInput(f"{path}: no such file")
    if path.is_dir():
        raise BadInput(f"{path}: expected an ONNX file, but this is a folder")
    try:
        # A pipe is not waited for.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BadInput(f"{path}: expected an ONNX file, but this is no plain file")
            if status.st_size == 0:
                raise BadInput(f"{path}: the file is empty; export or download it again")
            if status.st_size > limits.file_bytes:
                raise BadInput(
                    f"{path}: {status.st_size:,} bytes, expected at most {limits.file_bytes:,}; raise it with --max-mib"
                )
            return file.read(limits.file_bytes)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from error


def _parse(data: bytes, name: str, limits: Limits) -> onnx.ModelProto:
    try:
        survey(data, onnx.ModelProto.DESCRIPTOR, limits)
        model = onnx.ModelProto()
        model.ParseFromString(data)
        return model
    except BadInput as error:
        raise BadInput(f"{name}: {error}") from error
    except (Malformed, DecodeError) as error:
        raise BadInput(
            f"{name}: cannot be read as ONNX; it is truncated or another kind of file ({_first_line(error)})"
        ) from error


def _check_types(model: onnx.ModelProto) -> None:
    """Infer all types and shapes, which must not contradict each other.

    What the file itself says of shapes inside is not believed, so it may be wrong.
    """
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    for value in bare.graph.output:
        value.type.tensor_type.ClearField("shape")
    rounded_up = any(
        attribute.name == "ceil_mode" and attribute.i for node in bare.graph.node for attribute in node.attribute
    )
    # Before opset 22 onnx infers one element too many where a last window would begin in the padding.
    strict = not (rounded_up and opset(model) < 22)
    shape_inference.infer_shapes(bare, check_type=True, strict_mode=strict)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
