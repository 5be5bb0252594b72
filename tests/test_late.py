"""Late paths of a small netlist, with delays added up by hand."""

import sys
from typing import Any

import late
import numpy as np
import pytest


def cell(kind: str, inputs: dict[str, int], output: tuple[str, int], site: str = "") -> dict[str, Any]:
    pin, bit = output
    return {
        "type": kind,
        "attributes": {"BEL": site} if site else {},
        "port_directions": {name: "input" for name in inputs} | {pin: "output"},
        "connections": {name: [source] for name, source in inputs.items()} | {pin: [bit]},
    }


# A register between two multipliers 20 columns apart, and a gate behind the second one.
NETLIST = {
    "modules": {
        "top": {
            "cells": {
                "left": cell("MULT18X18D", {"A0": 1, "CLK0": 9}, ("P0", 2), "X10/Y10/MULT18_0"),
                "between": cell("TRELLIS_FF", {"DI": 2, "CLK": 9}, ("Q", 3)),
                "right": cell("MULT18X18D", {"A0": 3, "CLK0": 9}, ("P0", 4), "X30/Y10/MULT18_0"),
                "gate": cell("LUT4", {"A": 4}, ("Z", 5)),
                "behind": cell("TRELLIS_FF", {"DI": 5, "CLK": 9}, ("Q", 6)),
            },
            "netnames": {"input": {"bits": [1]}, "between": {"bits": [3]}, "right": {"bits": [4]}, "o": {"bits": [6]}},
        }
    }
}


def test_what_nothing_holds_is_in_the_middle_of_its_neighbours():
    netlist = late.Netlist(NETLIST)
    where = late.places(netlist)
    assert where[netlist.number["between"]] == pytest.approx([20, 10], abs=0.1)
    assert where[netlist.number["behind"]] == pytest.approx([30, 10], abs=0.1)


def test_delays_of_cells_and_wires():
    netlist = late.Netlist(NETLIST)
    where = np.array([[10.0, 10], [20, 10], [30, 10], [30, 12], [40, 20]])
    ten = 0.12 * (6 + 5 + 2 * 5)
    found = {path.end: (path.start, path.delay) for path in late.paths(netlist, where)}
    assert found == {
        "between.DI": ("left", pytest.approx(1.0 + ten)),
        "right.A0": ("between", pytest.approx(0.5 + ten)),
        # A gate is next to its register.
        "behind.DI": ("right", pytest.approx(1.0 + 0.12 * (6 + 2 * 2) + 0.24)),
    }


def test_the_worst_of_each_kind_is_printed(tmp_path, monkeypatch, capsys):
    file = tmp_path / "top.json"
    file.write_text(late.json.dumps(NETLIST))
    monkeypatch.setattr(sys, "argv", ["late.py", str(file), "--above", "3"])
    assert late.main() == 0
    assert capsys.readouterr().out.splitlines() == [
        "2 of 3 ends above 3 ns",
        "    1   3.52  left -> between.DI  at 10,10 20,10",
        "    1   3.02  between -> right.A0  at 20,10 30,10",
    ]
