"""Programs in bitstreams: the board answers from power-up on, with nothing to load."""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boards
from boards import Board
from boards.board import Baking
from boards.top import CORE
from rtl.memories import contents
from rtl.ram import Contents
from rtl.spec.errors import DoesNotFit, ToolError
from rtl.spec.plan import Plan
from rtl.spec.program import Program

from . import tools
from .files import replacing
from .stages import Note

_PLACES = "blocks.json"


def check(board: Board, plan: Plan) -> None:
    """Refuse what cannot be baked, before anything is built.

    Raises
    ------
    DoesNotFit
        If the family's tools cannot, if the plan has several programs, or if a memory that it fills is in no memory
        block: too small for one, or in a large memory, which has no initial contents.
    """
    family = board.part.family
    if family.baking is None:
        every = {boards.get(name).part.family.name: boards.get(name).part.family for name in boards.names()}
        able = ", ".join(sorted(name for name, other in every.items() if other.baking))
        raise DoesNotFit(
            f"{board.name}: no model can be baked into a bitstream of the family {family.name}, only of: {able}; "
            "without --bake the driver loads it"
        )
    if len(plan.programs) > 1:
        raise DoesNotFit(
            f"model '{plan.name}' has {len(plan.programs)} segments for the core, which are loaded in turn: "
            "only a model of one can be baked"
        )
    for name, (bits, words) in _memories(plan.programs[0]).items():
        if not words.any():
            continue
        memory = name.removeprefix(CORE + ".")
        what = f"core {plan.config.name}: its memory {memory} has {len(words)} words and so is in"
        if len(words) <= family.small_ram:
            raise DoesNotFit(f"{what} look-up tables, which cannot be baked; expected more than {family.small_ram}")
        if board.part.large(len(words), bits):
            raise DoesNotFit(
                f"{what} a large memory of the {board.part.device}, which holds nothing at power-up; "
                "without --bake the driver loads it"
            )


def bake(
    board: Board, plan: Plan, folder: Path, commands: Sequence[list[str]], seed: int, target: Path, progress: Note
) -> None:
    """Write the bitstream of a build with the plan's program in its memories to ``target``.

    ``folder`` has the build, of the plan's core and by these ``commands``, and ``seed`` is that of its bitstream. The
    plan was checked. Nothing is synthesized, placed or routed again.

    Raises
    ------
    ToolError
        If a tool fails, or the routed design has not the memories of the plan's core.
    """
    baking = board.part.family.baking
    assert baking is not None
    _, place_and_route, *pack = commands
    routed = folder / f"seed-{seed}" / baking.routed
    with tempfile.TemporaryDirectory(dir=folder, prefix=".bake-") as name:
        work = Path(name)
        places = _places(board, baking, place_and_route, folder, routed.parent, work, progress)
        progress("bake: fill the memories")
        memories = {
            name: held
            for name, held in _memories(plan.programs[0]).items()
            if len(held.words) > board.part.family.small_ram and not board.part.large(len(held.words), held.bits)
        }
        try:
            filled = baking.fill(routed.read_text(), places, memories)
        except KeyError as missing:
            raise ToolError(
                f"{routed}: there is no memory block {missing}, which the core {plan.config.name} has; "
                "build the bitstream again"
            ) from missing
        (work / baking.routed).write_text(filled)
        for command in pack:
            tools.run(command, work, work / "pack.log", lambda: progress("bake: packing"))
        with replacing(target) as temporary:
            shutil.move(work / board.part.family.bitstream, temporary)


def _memories(program: Program) -> dict[str, Contents]:
    """Return what the memories that the host sees hold with a program, by their names in the netlist."""
    held = contents(program.config, program.memory_image())
    return {f"{CORE}.{name}": words for name, words in held.items()}


def _places(
    board: Board, baking: Baking, place_and_route: list[str], folder: Path, seed: Path, work: Path, progress: Note
) -> Mapping[str, Any]:
    """Return what the routed design calls each block; found out once for a netlist, and kept beside it."""
    kept = folder / _PLACES
    if not kept.exists():
        packed = seed / baking.packed
        if baking.pack_command:
            for needed in (board.part.family.netlist, *board.part.family.constraints):
                shutil.copy(folder / needed, work / needed)
            command = baking.pack_command(place_and_route)
            tools.run(command, work, work / "places.log", lambda: progress("bake: find the memory blocks"))
            packed = work / baking.packed
        found = baking.places(json.loads(packed.read_text()))
        with replacing(kept) as temporary:
            temporary.write_text(json.dumps(found, indent=1))
    places: dict[str, Any] = json.loads(kept.read_text())
    return places
