"""Output files appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rtl.spec.errors import BadInput


def readable(path: Path, *suffixes: str) -> Path:
    """Return ``path`` if it is a file that can be read and, if suffixes are given, has one of them.

    Raises
    ------
    BadInput
        If it is not, naming the path and what was expected.
    """
    if path.is_dir():
        raise BadInput(f"{path}: a file was expected, this is a folder")
    if not path.exists():
        raise BadInput(f"{path}: no such file")
    if suffixes and path.suffix not in suffixes:
        raise BadInput(f"{path}: expected a file that ends in {' or '.join(suffixes)}, not in '{path.suffix}'")
    if not os.access(path, os.R_OK):
        raise BadInput(f"{path}: no permission to read it")
    return path


def writable(path: Path, suffix: str) -> Path:
    """Return ``path`` if a file of that name can be written: called before the work starts, not after it.

    Raises
    ------
    BadInput
        If the suffix is another, the folder is missing or may not be written to, or the path is a folder.
    """
    if path.suffix != suffix:
        raise BadInput(f"{path}: the output's name must end in {suffix}, not in '{path.suffix}'")
    if path.is_dir():
        raise BadInput(f"{path}: is a folder; name a file to write")
    if not path.parent.is_dir():
        raise BadInput(f"{path}: the folder {path.parent} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise BadInput(f"{path}: no permission to write into {path.parent}")
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``: renamed to it when the body succeeds, removed when the body raises.

    The temporary name keeps the suffix, and lies in a folder of its own so that whatever a writer puts beside its
    file goes away too.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as folder:
        temporary = Path(folder) / path.name
        yield temporary
        os.replace(temporary, path)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give a new, empty folder beside ``path`` that takes its place when the body succeeds."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
        temporary = Path(folder) / "new"
        temporary.mkdir()
        yield temporary
        if path.exists():
            # A folder cannot be renamed onto one that has files in it.
            os.replace(path, Path(folder) / "old")
        os.replace(temporary, path)
        shutil.rmtree(Path(folder) / "old", ignore_errors=True)
