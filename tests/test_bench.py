"""The figures of the benchmark follow from cycles and clocks, and nothing is told that was not measured."""

import json
from dataclasses import asdict, replace

import bench
import bench_tables
import cores
import onnx
import pytest
import routed
import tiny
from accuracy import arrays
from bench_result import LayerResult, ModelResult

from fpga_accel import sources
from onnx_frontend.partition import compile_plan, partition
from rtl.spec.config import core
from rtl.spec.errors import BadInput

CORE = cores.get("16x16")
ROUTED = routed.Routed(
    board=CORE.board.name,
    part=CORE.board.part.name,
    speed="6",
    sizes=asdict(CORE.config),
    constraint_hz=60e6,
    circuits="circuits",
    tools={"yosys": "1"},
    seeds=[1, 2, 3],
    fmax_hz=[90e6, 100e6, 130e6],
    used={"LUT4": 1000, "FF": 2000, "DSP": 50, "BRAM": 10},
)
RESULT = ModelResult(
    name="net",
    core="16x16",
    trained=True,
    peak=256,
    layers=(
        LayerResult("first", "Conv", 80_000, 600, 600, {"array": 450, "drain": 150}),
        LayerResult("second", "Add", 0, 400, 400, {"drain": 400}),
    ),
    predicted=1000,
    simulated=1000,
    compared=20,
    different=0,
    load_s=2.0,
    run_s=1.0,
    too_large="",
    routed=ROUTED,
    current=True,
    records=((0.4, "Board"),),
    record_macs=1.5,
)


def test_figures():
    assert RESULT.latency_ms == 0.01
    assert RESULT.share == 80_000 / (1000 * 256)
    assert RESULT.macs_per_dsp == 1.6
    assert RESULT.wrong == []
    assert [layer.bound for layer in RESULT.layers] == ["array 75%", "drain 100%"]


def test_without_a_measurement_there_is_no_latency():
    result = replace(RESULT, routed=None, current=False)
    assert result.latency_ms is None and result.macs_per_dsp is None
    (row,) = bench_tables.summary_rows([result])
    cells = dict(zip(bench_tables.SUMMARY, row, strict=True))
    assert cells["fmax MHz"] == cells["latency ms"] == cells["MAC/DSP/cycle"] == "-"
    assert "was not placed and routed" in bench_tables.notes([result])[-1]


def test_other_circuits_are_told():
    result = replace(RESULT, current=False)
    assert "older circuits" in bench_tables.markdown([result])
    assert "older circuits" not in bench_tables.markdown([RESULT])


def test_circuits_are_what_the_tools_get():
    """Not the sources: they are the same once made again, and others for a core or a board that differs."""
    small = replace(CORE, config=core("4x3"))
    first = routed.circuits(small)
    sources.design.cache_clear()
    others = [
        replace(small, config=replace(small.config, tables=2)),
        replace(small, board=replace(small.board, clock_hz=50_000_000)),
    ]
    assert routed.circuits(small) == first
    assert len({first, *map(routed.circuits, others)}) == 3


@pytest.mark.parametrize(
    "change, said",
    [
        ({"different": 3}, "3 of 20 bytes differ"),
        ({"compared": 0}, "0 of 0 bytes differ"),
        ({"simulated": 1001}, "1001 cycles simulated, 1000 predicted"),
        ({"layers": (replace(RESULT.layers[0], simulated=599),)}, "net, first: 599 cycles simulated, 600 predicted"),
    ],
)
def test_what_is_wrong(change, said):
    assert said in "\n".join(replace(RESULT, **change).wrong)


def test_predictions_alone_are_never_wrong_and_say_so():
    result = replace(
        RESULT,
        simulated=None,
        compared=0,
        run_s=None,
        load_s=None,
        layers=tuple(replace(layer, simulated=None) for layer in RESULT.layers),
    )
    assert result.wrong == [] and result.cycles == 1000
    assert "predicted, not simulated" in bench_tables.markdown([result])


def test_markdown_is_a_table():
    lines = [line for line in bench_tables.markdown([RESULT]).splitlines() if line.startswith("|")]
    assert len(lines) == 3
    assert {line.count("|") for line in lines} == {len(bench_tables.SUMMARY) + 1}
    assert "100.0 (90-130)" in lines[-1]


def test_document():
    document = json.loads(json.dumps(RESULT.document()))
    assert document["latency_ms"] == 0.01 and document["layers"][0]["bounds"] == {"array": 450, "drain": 150}


def test_measurements_are_of_exactly_the_core(tmp_path):
    file = tmp_path / "routed.json"
    file.write_text("{}\n")
    routed.write("16x16", ROUTED, file)
    measured = routed.read(file)
    assert measured == {"16x16": ROUTED} and ROUTED.median_hz == 100e6
    assert routed.find(measured, CORE) == ROUTED
    assert routed.find(measured, replace(CORE, config=replace(CORE.config, tables=8))) is None
    assert routed.find(measured, replace(CORE, board=replace(CORE.board, name="other"))) is None
    assert routed.find(measured, replace(CORE, name="other")) is None


def test_the_committed_file_can_be_read():
    assert routed.read().keys() <= cores.CORES.keys()


def test_unknown_core():
    with pytest.raises(BadInput, match="no core named '9x9'; expected one of: 16x16,"):
        cores.get("9x9")


def test_predictions_of_a_seeded_model(tmp_path):
    task = next(task for task in tiny.TASKS if task.name == "autoencoder")
    result = bench.measure(task, cores.get(task.core), tmp_path, {}, rtl=False)
    assert (result.trained, result.simulated, result.latency_ms) == (False, None, None)
    assert result.macs == 264_192 and result.wrong == []
    assert [sum(layer.bounds.values()) for layer in result.layers] == [layer.predicted for layer in result.layers]


def test_simulation_of_a_small_model(digits_qdq, digits_test):
    model = onnx.load(digits_qdq)
    found = partition(model)
    plan = compile_plan(found.plan, core("4x3"))
    sample = {"image": arrays(digits_test)["image"][:1]}
    result = bench.simulate(model, found, plan, sample)
    assert result["simulated"] == plan.cycles
    assert result["layers"] == [layer.cycles for layer in plan.layers]
    assert result["compared"] == 20 and result["different"] == 0
