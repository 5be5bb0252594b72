"""The table of the boards says what was measured, and of nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import board_builds
import pytest
from typer.testing import CliRunner

import boards
from fpga_accel import board_record, board_table
from fpga_accel.board_record import Build
from fpga_accel.cli import app
from fpga_accel.routed import joined, of
from fpga_accel.timing import CriticalPath, Route
from onnx_frontend.partition import partition
from rtl.spec.config import core
from rtl.spec.errors import ToolError

BOARD = replace(boards.get("ulx3s-25f"), config=core("4x3"))
ROUTE = Route(
    seed=1,
    seconds=50.0,
    fmax_hz=101e6,
    constraint_hz=105e6,
    met=True,
    used={"LUT4": (2429, 24288), "FF": (2000, 24288), "DSP": (14, 28), "BRAM": (7, 56)},
    path=CriticalPath(()),
)
ROUTES = [ROUTE, replace(ROUTE, seed=2, fmax_hz=110e6), replace(ROUTE, seed=3, fmax_hz=103e6)]


@pytest.fixture(scope="module")
def build():
    return Build(
        of(BOARD, BOARD.config, ROUTES), {"synthesis": 60.0, "seed 1": 100.0, "seed 2": 200.0, "packing": 30.0}
    )


@pytest.fixture
def files(tmp_path):
    found = tmp_path / "routed.json", tmp_path / "models.json"
    for file in found:
        file.write_text("{}\n")
    return found


@pytest.fixture
def record(build, files, monkeypatch):
    """What is known when the board alone was built; the table has no other board."""
    monkeypatch.setattr(boards, "names", lambda: [BOARD.name])
    monkeypatch.setattr(boards, "get", lambda name: BOARD)
    board_record.write_build(BOARD, build, files[0])
    board_record.write_cycles(BOARD, {"net": 250_000, "large": None}, files[1])
    return board_record.read(*files)


def test_record_is_read_as_it_was_written(record, build):
    assert record.build(BOARD) == build
    assert record.cycles(BOARD) == {"net": 250_000, "large": None}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"clock_hz": 50_000_000},
        {"config": replace(BOARD.config, tables=2)},
        {"part": boards.get("ulx3s-12f").part},
    ],
)
def test_record_is_of_exactly_the_board(record, change):
    assert record.build(replace(BOARD, **change)) is None


def test_row(record):
    (row,) = board_table.rows(record)
    assert dict(zip(board_table.COLUMNS, row, strict=True)) == {
        "board": "ulx3s-25f",
        "part": "LFE5U-25F-6BG381",
        "core": "4x3, 1 lane",
        "clock MHz": "100",
        "fmax MHz": "103.0 (101-110)",
        "LUT": "2,429 (10%)",
        "DSP": "14 of 28",
        "BRAM": "7 of 56",
        "KB act + weights": "16 + 32",
        "models": "net",
        "build": "4 min",
    }


def test_time_is_told_if_it_is_known(record, build):
    (row,) = board_table.rows(replace(record, builds={BOARD.name: replace(build, seconds={})}))
    assert (row[4], row[-1]) == ("103.0 (101-110)", "-")


def test_latency_is_cycles_at_the_clock(record):
    assert "| board | large | net |\n| --- | ---: | ---: |\n| ulx3s-25f | - | 2.50 |\n" in board_table.markdown(record)


def test_what_was_not_built_has_no_figures(record):
    (row,) = board_table.rows(replace(record, builds={}, models={}))
    assert row == ("ulx3s-25f", "LFE5U-25F-6BG381", "4x3, 1 lane", "100", *["-"] * 4, "16 + 32", "-", "-")


def test_document_is_what_the_command_prints():
    text = Path(__file__).resolve().parent.parent.joinpath("docs/boards.md").read_text()
    printed = CliRunner().invoke(app, ["boards", "--markdown"]).stdout
    assert text == printed, "run fpga-accel boards --markdown > docs/boards.md"


def test_committed_record_is_of_boards_that_there_are():
    names = json.loads(board_record.ROUTED.read_text())
    identities = {f"{boards.get(name).config.identity:08x}" for name in boards.names()}
    assert set(names) <= set(boards.names())
    assert set(json.loads(board_record.MODELS.read_text())) == identities


def test_models_that_a_core_holds(digits_qdq):
    plan = partition(digits_qdq).plan
    assert board_builds.cycles(plan, core("8x8")) == 8727
    assert board_builds.cycles(plan, replace(core("8x8"), weight_words=1024)) is None


def test_a_seed_that_misses_the_clock_is_not_the_end(monkeypatch, build):
    """Seeds are built one after the other; of one that misses its clock the others are not lost."""
    asked = []

    def bitstream(board, *, seeds, out_dir):
        asked.append(seeds)
        if seeds == 1:
            raise ToolError("missed")
        return type("Result", (), {"routes": ROUTES[:seeds], "seconds": build.seconds})

    monkeypatch.setattr(board_builds.build, "bitstream", bitstream)
    assert board_builds.built(BOARD, 3) == build
    assert asked == [1, 2, 3]
    assert board_builds.built(BOARD, 1) == "missed"


def test_seeds_of_the_same_design_are_added_and_those_of_another_replaced():
    every, first, others = (of(BOARD, BOARD.config, routes) for routes in (ROUTES, ROUTES[:1], ROUTES[1:]))
    assert joined(None, first) == first and joined(first, others) == every == joined(every, first)
    again = replace(others, fmax_hz=[1e8, 2e8])
    assert joined(every, again).fmax_hz == [101e6, 1e8, 2e8]
    for changed in (replace(others, circuits="other"), replace(others, tools={"yosys": "other"})):
        assert joined(first, changed) == changed
    nothing = of(BOARD, BOARD.config, [])
    assert joined(first, nothing) == first and joined(nothing, first) == first
