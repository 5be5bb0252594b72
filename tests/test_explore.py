"""The search for a core: what it takes fits, what it says is what the compiler says, and the front is a front."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import boards
from boards import fit
from fpga_accel import explore
from fpga_accel.cli import app
from fpga_accel.explore import Point, pareto
from onnx_frontend.partition import compile_plan, partition
from rtl.spec.config import Config, core
from rtl.spec.errors import DoesNotFit
from rtl.spec.plan import Plan

BOARD = boards.get("ulx3s-85f")


def point(cycles, dsp, bram, lut):
    return Point(core("4x4"), cycles, fit.Need(dsp, bram, 0, lut))


@pytest.mark.parametrize(
    "costs, kept",
    [
        ([(1, 1, 1, 1), (2, 2, 2, 2)], [0]),
        ([(1, 2, 2, 2), (2, 1, 2, 2)], [0, 1]),
        ([(1, 2, 2, 2), (1, 2, 2, 2), (1, 2, 2, 3)], [0]),
        ([(1, 9, 9, 9), (2, 9, 9, 8), (3, 9, 9, 8)], [0, 1]),
        ([], []),
    ],
)
def test_pareto(costs, kept):
    points = [point(*each) for each in costs]
    assert pareto(points) == [points[index] for index in kept]


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(explore, "SIDES", (4, 8))
    monkeypatch.setattr(explore, "LANES", (1, 4))


def test_search(few, digits_qdq):
    plan = partition(digits_qdq).plan
    notes = []
    points = explore.explore(plan, BOARD, lambda *note: notes.append(note))
    narrow = [point for point in points if point.config.weight_rows == 1]
    assert len(narrow) == len(notes) == 16
    wide = [point for point in points if point.config.weight_rows == 2]
    best = {point.config.name for point in explore.pareto(narrow)}
    assert wide and {point.config.name for point in wide} <= best
    assert [point.cycles for point in points] == sorted(point.cycles for point in points)
    for each in points[::3]:
        assert compile_plan(plan, each.config).cycles == each.cycles
        assert not fit.lacking(each.config, BOARD.part)
        for name in ("act_words", "acc_words", "channel_words", "program_words"):
            with pytest.raises((DoesNotFit, AssertionError)):
                smaller = replace(each.config, **{name: getattr(each.config, name) // 2})
                assert compile_plan(plan, smaller).cycles == each.cycles
    assert points[0].config.name == "8x8"


def test_nothing_fits(few, digits_qdq):
    part = replace(BOARD.part, block_rams=36)
    with pytest.raises(DoesNotFit, match=r"ulx3s-85f: no core that fits holds the model: .* block RAMs"):
        explore.explore(partition(digits_qdq).plan, replace(BOARD, part=part))


def test_no_room_at_all(digits_qdq):
    board = replace(BOARD, part=replace(BOARD.part, multipliers=1))
    with pytest.raises(DoesNotFit, match="the part has no room for any array"):
        explore.explore(partition(digits_qdq).plan, board)


def test_commands(few, digits_qdq, tmp_path):
    searched = CliRunner().invoke(app, ["explore", str(digits_qdq), "--board", BOARD.name, "--json"])
    best = json.loads(searched.stdout)["best"]
    output = tmp_path / "digits.fpga"
    arguments = ["compile", str(digits_qdq), "--core", "auto", "--board", BOARD.name, "--no-hdl", "-o", str(output)]
    compiled = CliRunner().invoke(app, arguments)
    assert compiled.exit_code == 0
    assert Plan.load_file(output).config == Config(**best["core"])
    assert Plan.load_file(output).cycles == best["cycles"]


def test_auto_needs_a_board(digits_qdq, tmp_path):
    result = CliRunner().invoke(app, ["compile", str(digits_qdq), "--core", "auto", "-o", str(tmp_path / "x.fpga")])
    assert result.exit_code == 2
    assert "--core auto means a core of a board: give --board NAME as well" in result.output
