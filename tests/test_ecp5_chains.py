"""Carry outputs that lead nowhere are cut off."""

import copy

import pytest

from boards.ecp5_chains import open_ends


def netlist(*cells, ports=()):
    """One module of cells, each a type and its connections."""
    return {
        "modules": {
            "top": {
                "ports": {f"port_{bit}": {"direction": "output", "bits": [bit]} for bit in ports},
                "cells": {
                    f"cell_{n}": {"type": kind, "connections": connections}
                    for n, (kind, connections) in enumerate(cells)
                },
            }
        }
    }


@pytest.mark.parametrize(
    "others, ports, cut",
    [
        ([], [], True),
        ([("CCU2C", {"CIN": [7], "COUT": ["x"]})], [], False),
        ([("LUT4", {"A": [7], "Z": [8]})], [], False),
        ([("LUT4", {"A": [9], "Z": [8]})], [], True),
        ([], [7], False),
    ],
)
def test_ends(others, ports, cut):
    design = netlist(("CCU2C", {"CIN": ["0"], "S0": [5, 6], "COUT": [7]}), *others, ports=ports)
    expected = copy.deepcopy(design)
    if cut:
        expected["modules"]["top"]["cells"]["cell_0"]["connections"]["COUT"] = ["x"]
    open_ends(design)
    assert design == expected


def test_other_cells_keep_their_outputs():
    design = netlist(("LUT4", {"A": ["0"], "Z": [7]}))
    expected = copy.deepcopy(design)
    open_ends(design)
    assert design == expected
