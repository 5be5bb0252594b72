"""Records as nextpnr's databases have them: little-endian, a reference being a distance from itself."""

import mmap
from pathlib import Path
from typing import Any

import numpy as np

REFERENCE = np.dtype("<i4")
LIST = np.dtype([("at", "<i4"), ("length", "<u4")])


class Table:
    """Records that lie one behind the other.

    Members
    -------
    rows : structured array
        The records; fields that refer to something have the type `REFERENCE` or `LIST`.
    """

    def __init__(self, data: mmap.mmap, dtype: np.dtype[Any], at: int, length: int) -> None:
        self._data, self._at = data, at
        self.rows = np.frombuffer(data, dtype, length, at) if length else np.zeros(0, dtype)

    def __len__(self) -> int:
        return len(self.rows)

    def _follow(self, index: int, field: str) -> int:
        """Return where a reference leads."""
        offset = (self.rows.dtype.fields or {})[field][1]
        at = self._at + index * self.rows.dtype.itemsize + offset
        return at + int.from_bytes(self._data[at : at + REFERENCE.itemsize], "little", signed=True)

    def text(self, index: int, field: str) -> str:
        """Return the text that a record refers to."""
        at = self._follow(index, field)
        return self._data[at : self._data.find(b"\0", at)].decode()

    def table(self, index: int, field: str, dtype: np.dtype[Any]) -> "Table":
        """Return the record or the list of records that a record refers to."""
        value = self.rows[index][field]
        length = int(value["length"]) if value.dtype == LIST else 1
        return Table(self._data, dtype, self._follow(index, field) if length else 0, length)


def root(path: Path, dtype: np.dtype[Any]) -> Table:
    """Return the record that the file of a database begins with a reference to.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return Table(data, np.dtype([("root", REFERENCE)]), 0, 1).table(0, "root", dtype)
