"""Identity of the circuits in this checkout: what a bitstream was made from."""

import ast
import hashlib
import importlib.metadata
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import boards
import rtl
from boards import Board
from rtl.spec.config import Config


def digest(board: Board | None, config: Config, *more: str) -> str:
    """Return a hash of all that decides what a bitstream does: circuits, core, board, version of Amaranth.

    Comments and layout of the sources do not count. ``more`` is hashed too.
    """
    total = hashlib.sha256()
    folders = [rtl] if board is None else [rtl, boards]
    for folder in folders:
        for name, text in _sources(Path(str(folder.__file__)).parent):
            total.update(f"{folder.__name__}/{name}\0{ast.unparse(ast.parse(text))}\0".encode())
    facts = [repr(asdict(config)), f"amaranth {importlib.metadata.version('amaranth')}", *more]
    if board is not None:
        facts += [board.name, str(board.clock_hz), str(board.divisor), importlib.metadata.version("amaranth-boards")]
    total.update("\0".join(facts).encode())
    return total.hexdigest()


def build_identity(board: Board | None, config: Config) -> int:
    """Return the 32-bit number that the register BUILD_IDENTITY of a core gives."""
    return int(digest(board, config)[:8], 16)


def _sources(folder: Path) -> Iterable[tuple[str, str]]:
    for path in sorted(folder.rglob("*.py")):
        yield path.relative_to(folder).as_posix(), path.read_text()
