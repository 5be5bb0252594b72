"""Arrays out of a ``.npz`` file that nobody vouches for: as large as the file says, and no larger than allowed."""

import ast
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from .errors import BadInput

MAX_BYTES = 1 << 29
"""Of all arrays of a file together, unpacked."""
MAX_ARRAYS = 1 << 16
HEADER_BYTES = 1 << 12
ENCRYPTED = 1
"""Bit of an entry's flags in a zip file."""
KINDS = "biuf"
"""Kinds of elements: numbers. Anything else, objects among them, is refused."""
DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    NotImplementedError,  # zipfile: a compression method or version that it does not know
    OverflowError,
    RecursionError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy, zipfile, zlib and the parser of array headers raise on damaged bytes."""


class Archive(Mapping[str, NDArray[np.generic]]):
    """The arrays of an open archive, each read when it is asked for; ``KeyError`` for a name that is not there.

    Raises
    ------
    ValueError and others of :data:`DAMAGED`
        If the file is no archive of arrays, or an array is not what it says.
    BadInput
        If all arrays together are larger than ``max_bytes``.
    """

    def __init__(self, path: Path, zipped: zipfile.ZipFile, max_bytes: int):
        self._path = path
        self._zip = zipped
        entries = zipped.infolist()
        self._entries = {entry.filename.removesuffix(".npy"): entry for entry in entries}
        if len(self._entries) != len(entries) or len(entries) > MAX_ARRAYS:
            raise ValueError("two arrays have the same name" if len(entries) <= MAX_ARRAYS else "too many arrays")
        if any(entry.flag_bits & ENCRYPTED for entry in entries):
            raise ValueError("an array is encrypted")
        total = sum(entry.file_size for entry in entries)
        if total > max_bytes:
            raise BadInput(f"{path}: the arrays take {total:,} bytes unpacked, expected at most {max_bytes:,}")

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        entry = self._entries[name]
        with self._zip.open(entry) as file:
            shape, fortran, dtype, header = _header(file)
            needed = prod(shape) * dtype.itemsize
            if header + needed != entry.file_size:
                raise ValueError(
                    f"shape {shape} of {dtype} needs {needed:,} bytes, there are {entry.file_size - header:,}"
                )
            data = file.read()
        if len(data) != needed:
            raise ValueError(f"{len(data):,} of {needed:,} bytes")
        array = np.frombuffer(bytearray(data), dtype)
        return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


@contextmanager
def open_archive(path: Path, max_bytes: int = MAX_BYTES) -> Iterator[Archive]:
    """Open a file of arrays; for what it raises see :class:`Archive`."""
    with path.open("rb") as file, zipfile.ZipFile(file) as zipped:
        yield Archive(path, zipped, max_bytes)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic], int]:
    """Return shape, order, element type and the length of an array's header."""
    magic = file.read(8)
    if magic[:6] != b"\x93NUMPY" or magic[6:7] not in (b"\x01", b"\x02", b"\x03"):
        raise ValueError("not an array")
    width = 2 if magic[6] == 1 else 4
    size = int.from_bytes(file.read(width), "little")
    if size > HEADER_BYTES:
        raise ValueError(f"a header of {size:,} bytes")
    fields = ast.literal_eval(file.read(size).decode("latin-1").strip())
    shape, dtype = tuple(fields["shape"]), np.dtype(str(fields["descr"]))
    if dtype.kind not in KINDS or dtype.itemsize > 8:
        raise ValueError(f"elements of type {dtype}, expected numbers")
    if not all(isinstance(length, int) and length >= 0 for length in shape) or len(shape) > 32:
        raise ValueError(f"shape {shape}")
    return shape, bool(fields["fortran_order"]), dtype, 8 + width + size
