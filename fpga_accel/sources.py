"""Identity of the circuits in this checkout: what a bitstream was made from."""

import ast
import hashlib
import importlib.metadata
import sys
from collections.abc import Iterator
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path

import boards.top
import rtl
from boards import Board
from boards.top import BoardTop, prepare
from rtl.spec.config import Config

_BOARD_FACTS = ("name", "oscillator", "oscillator_hz", "clock_hz", "leds")
_LINK_FACTS = ("link", "uart", "divisor", "follows", "spi", "usb")
_PART_FACTS = ("device", "package", "speed", "multipliers", "block_rams", "large_rams", "soft_cells")


def digest(board: Board | None, config: Config, *more: str) -> str:
    """Return a hash of all that decides what a bitstream does: circuits, core, board, version of Amaranth.

    Of a board these are its facts, those of its part, and the files of its family; other boards do not count, nor do
    comments and layout of the sources. ``more`` is hashed too.
    """
    total = hashlib.sha256()
    for name, text in [*_circuits(), *([] if board is None else _family(board))]:
        total.update(f"{name}\0{ast.unparse(ast.parse(text))}\0".encode())
    facts = [repr(asdict(config)), f"amaranth {importlib.metadata.version('amaranth')}", *more]
    if board is not None:
        facts += [f"{name} {getattr(board, name)}" for name in (*_BOARD_FACTS, *_LINK_FACTS)]
        facts += [f"{name} {getattr(board.part, name)}" for name in _PART_FACTS]
        facts.append(importlib.metadata.version("amaranth-boards"))
    total.update("\0".join(facts).encode())
    return total.hexdigest()


def build_identity(board: Board | None, config: Config) -> int:
    """Return the 32-bit number that the register BUILD_IDENTITY of a core gives."""
    return int(digest(board, config)[:8], 16)


@cache
def design(board: Board, config: Config) -> str:
    """Return the hash of what this checkout gives to the tools for a core, but for its build identity.

    That is the design itself, whose sources may change and leave it as it was; to make it takes up to 15 s.
    """
    from rtl.top import Top

    top = Top(config, line=board.line, clock_hz=board.clock_hz, build_identity=0)
    plan = prepare(board, config, BoardTop(board, top), emit_src=False)
    total = hashlib.sha256()
    for name, text in sorted(plan.files.items()):
        total.update(f"{name}\0{text}\0".encode())
    return total.hexdigest()


def _circuits() -> Iterator[tuple[str, str]]:
    """Yield name and text of each file of the core."""
    folder = Path(str(rtl.__file__)).parent
    for path in sorted(folder.rglob("*.py")):
        yield path.relative_to(folder.parent).as_posix(), path.read_text()


def _family(board: Board) -> Iterator[tuple[str, str]]:
    """Yield name and text of the file of a board's platform, and of each that makes circuits for its family.

    These are the files of the functions that the board and its family name, and what they import. What a board's own
    file imports is its family's too, or counts by its value: the core and the part.
    """
    family = board.part.family
    named = [board.clocking, *(getattr(family, field.name) for field in fields(family))]
    left = {
        boards.top.__name__,
        *(module for module in (getattr(value, "__module__", "") for value in named) if _is_ours(module)),
    }
    found: dict[str, str] = {}
    while left:
        module = left.pop()
        found[module] = _text(module)
        left |= set(_imported(found[module])) - set(found)
    if _is_ours(board.platform.__module__):
        found[board.platform.__module__] = _text(board.platform.__module__)
    yield from sorted(found.items())


def _is_ours(module: str) -> bool:
    return module.startswith(f"{boards.__name__}.")


def _text(module: str) -> str:
    return Path(str(sys.modules[module].__file__)).read_text()


def _imported(text: str) -> Iterator[str]:
    """Yield the modules beside a file that it imports from."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            yield from (
                [f"{boards.__name__}.{node.module}"]
                if node.module
                else (f"{boards.__name__}.{alias.name}" for alias in node.names)
            )
