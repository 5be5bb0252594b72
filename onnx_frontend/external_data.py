"""Weights in a file beside the model, read only on request, and only from a plain file that lies there."""

import os
import stat
from pathlib import Path

from onnx import TensorProto

from rtl.spec.errors import BadInput

from .limits import Limits
from .tensors import byte_size


def attach(tensors: list[TensorProto], model: Path, size: int, limits: Limits) -> None:
    """Bring the bytes of external tensors into the model, which itself has ``size`` bytes.

    Raises
    ------
    BadInput
        If a tensor names anything but a file in the model's own folder, that file is a link, is linked from elsewhere
        or is no plain file, a tensor lies beyond its end, or all is larger than ``limits`` allow.
    """
    total = size
    for tensor in tensors:
        needed = byte_size(tensor)
        total += needed
        if total > limits.file_bytes:
            raise BadInput(
                f"the model and its external data are larger than {limits.file_bytes:,} bytes; raise it with --max-mib"
            )
        entries = {entry.key: entry.value for entry in tensor.external_data}
        what = f"tensor '{tensor.name}': external data '{entries.get('location', '')}'"
        offset = _number(entries, "offset", 0, what)
        length = _number(entries, "length", needed, what)
        if length != needed:
            raise BadInput(f"{what} has {length:,} bytes, dimensions {list(tensor.dims)} need {needed:,}")
        data = _read(model.parent, entries.get("location", ""), offset, length, what)
        del tensor.external_data[:]
        tensor.data_location = TensorProto.DEFAULT
        tensor.raw_data = data


def _number(entries: dict[str, str], key: str, default: int, what: str) -> int:
    text = entries.get(key, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise BadInput(f"{what}: {key} must be a whole number of bytes, not '{text[:40]}'")
    return int(text)


def _read(folder: Path, location: str, offset: int, length: int, what: str) -> bytes:
    plain = location not in ("", ".", "..") and not any(mark in location for mark in "/\\\0:")
    if not plain:
        raise BadInput(f"{what}: expected the name of a file in the model's own folder; put it there")
    # Nothing is followed, and nothing is waited for: a link fails to open, a pipe opens and is seen to be one.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(folder / location, flags)
    except OSError as error:
        reason = "is a link" if (folder / location).is_symlink() else f"cannot be opened ({error.strerror})"
        raise BadInput(f"{what}: {reason}; expected a file in the model's own folder") from error
    with open(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise BadInput(f"{what}: is no plain file")
        if status.st_nlink > 1:
            raise BadInput(f"{what}: is linked from {status.st_nlink} places; copy it")
        if offset + length > status.st_size:
            raise BadInput(f"{what}: bytes {offset:,} to {offset + length:,} of a file of {status.st_size:,}")
        file.seek(offset)
        data = file.read(length)
    if len(data) != length:
        raise BadInput(f"{what}: ended after {len(data):,} of {length:,} bytes")
    return data
