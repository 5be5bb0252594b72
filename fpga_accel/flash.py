"""Bitstreams onto boards, by the program that a board names."""

import shlex
import shutil
import subprocess
from pathlib import Path

from boards import Board
from rtl.spec.errors import BadInput, ToolError

OSS_CAD_SUITE = "https://github.com/YosysHQ/oss-cad-suite-build"

INSTALL = {
    "openFPGALoader": ("'sudo apt install openfpgaloader' (Debian, Ubuntu)", "'brew install openfpgaloader' (macOS)"),
    "ecpprog": (),
    "iceprog": ("'sudo apt install fpga-icestorm' (Debian, Ubuntu)",),
    "icesprog": (),
    "tinyprog": ("'pip install tinyprog'",),
    "dfu-util": ("'sudo apt install dfu-util' (Debian, Ubuntu)", "'brew install dfu-util' (macOS)"),
}
"""Commands that install each program of `boards.programmer`; OSS CAD Suite has all of them."""


def command(board: Board, bitstream: Path, *, permanent: bool) -> list[str]:
    """Return the command that loads ``bitstream`` into the board's FPGA, or writes it to flash if ``permanent``.

    Raises
    ------
    BadInput
        If the board can only be written to flash, and that is not asked for.
    """
    programmer = board.programmer
    arguments = programmer.flash if permanent else programmer.ram
    if arguments is None:
        raise BadInput(
            f"board '{board.name}': {programmer.program} writes to flash alone, over what is there; "
            "ask for that with --permanent"
        )
    return [programmer.program, *arguments, str(bitstream)]


def flash(board: Board, bitstream: Path, *, permanent: bool) -> str:
    """Run that command, whose output goes to stderr, and return it as it would be typed.

    Raises
    ------
    BadInput
        See :func:`command`.
    ToolError
        If the program is absent (names how to install it) or fails; has the command.
    """
    words = command(board, bitstream, permanent=permanent)
    typed = shlex.join(words)
    program = shutil.which(words[0])
    if program is None:
        raise ToolError(
            f"{board.name}: there is no program '{words[0]}'; install it with "
            f"{' or '.join((*INSTALL[words[0]], f'OSS CAD Suite ({OSS_CAD_SUITE})'))}, then try again; "
            f"it would have run: {typed}"
        )
    code = subprocess.run([program, *words[1:]], stdin=subprocess.DEVNULL, stdout=2).returncode
    if code != 0:
        raise ToolError(
            f"{board.name}: {words[0]} failed with exit code {code}, its own words are above; is the board plugged in, "
            f"and may you use its USB port (docs/first-board.md)? The command was: {typed}"
        )
    return typed
