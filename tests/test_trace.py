"""Traces and waves of a run: the same from cycle model and circuits, and readable by the tools that they are for."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
import pywellen
from amaranth.utils import ceil_log2
from typer.testing import CliRunner

from fpga_accel.cli import app
from fpga_accel.perfetto import UNITS
from fpga_accel.steps import compile_file
from rtl.spec import isa
from rtl.spec.config import core
from rtl.spec.plan import Plan


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def program_file(digits_qdq, tmp_path_factory):
    """The digits, for a small core with the window unit."""
    path = tmp_path_factory.mktemp("small") / "digits.fpga"
    compile_file(digits_qdq, path, replace(core("4x4"), window=16, lanes=2))
    return path


@pytest.fixture(scope="module")
def traced(program_file, digits_test, tmp_path_factory):
    """A folder with the traces of two images, from the cycle model and from the circuits, and the waves of the last."""
    folder = tmp_path_factory.mktemp("traced")
    images = ("--input", digits_test, "--limit", "2")
    ran = call("run", program_file, *images, "-o", folder / "y.npz", "--trace", folder / "predicted.json")
    assert ran.exit_code == 0, ran.output
    files = ("--trace", folder / "simulated.json", "--waves", folder / "waves.fst")
    compared = call("debug", program_file, *images, *files, "--json")
    assert compared.exit_code == 0, compared.output
    assert json.loads(compared.stdout)["equal"]
    return folder


def test_cycle_model_and_circuits_give_the_same_file(traced):
    assert (traced / "predicted.json").read_bytes() == (traced / "simulated.json").read_bytes()


def test_a_trace_has_every_instruction_once_and_a_unit_one_at_a_time(traced, program_file):
    (program,) = Plan.load_file(program_file).programs
    entries = json.loads((traced / "simulated.json").read_text())["traceEvents"]
    for process in (1, 2):
        events = [entry for entry in entries if entry["ph"] == "X" and entry["pid"] == process]
        counts = {unit: sum(event["cat"] == unit for event in events) for unit in UNITS}
        assert counts["LAYER"] == len(program.layers)
        assert counts["COMPUTE"] == program.compute.size // isa.words(isa.Compute)
        assert counts["DRAIN"] == program.drain.size // isa.words(isa.Drain)
        for unit in UNITS:
            spans = [(event["ts"], event["ts"] + event["dur"]) for event in events if event["cat"] == unit]
            assert spans == sorted(spans)
            assert all(begin < end for begin, end in spans)
            assert all(one[1] <= other[0] for one, other in pairwise(spans))
        layers = [event for event in events if event["cat"] == "LAYER"]
        assert [event["name"] for event in layers] == [layer.name for layer in program.layers]
        assert [event["dur"] for event in layers] == [layer.cycles for layer in program.layers]


def test_waves_have_names_as_text_and_values_as_the_circuits(traced, program_file):
    (program,) = Plan.load_file(program_file).programs
    waves = {variable.full_name: variable for variable in pywellen.Waveform(str(traced / "waves.fst")).all_vars()}
    end = 0
    for layer in program.layers:
        assert waves["names.layer"].signal.value_at(end) == layer.name
        end += layer.cycles
        assert waves["names.layer"].signal.value_at(end - 1) == layer.name
        assert [waves["core.mark"].signal.value_at(end + cycle) for cycle in (-1, 0, 1)] == [0, 1, 0]
    assert waves["core.address"].bitwidth == ceil_log2(program.config.act_words)
    first = next(cycle for cycle in range(end) if waves["core.load_taken"].signal.value_at(cycle))
    assert waves["core.load_fetched"].signal.value_at(first) == program.load[0]
    for line in (traced / "waves.sucl").read_text().splitlines()[:-1]:
        assert line.removeprefix("variable_add ") in waves
    shown = (traced / "waves.gtkw").read_text().splitlines()
    assert shown[0] == '[dumpfile] "waves.fst"'
    assert {line.partition("[")[0] for line in shown[2:] if not line.startswith("@")} <= waves.keys()


def test_traces_are_of_the_cycle_model_or_the_circuits(program_file, digits_test, tmp_path):
    images = ("--input", digits_test, "--limit", "1", "-o", tmp_path / "y.npz")
    refused = call("run", program_file, *images, "--device", "numpy", "--trace", tmp_path / "t.json")
    assert refused.exit_code == 2
    assert "fpga-accel debug" in refused.output
    named = call("debug", program_file, "--input", digits_test, "--waves", tmp_path / "waves.vcd")
    assert named.exit_code == 2
    assert ".fst" in named.output
