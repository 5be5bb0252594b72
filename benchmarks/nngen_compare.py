"""The same network on NNgen's hardware and on the core, at the same number of multipliers: what ``make nngen`` prints.

    python benchmarks/nngen_compare.py [--seeds 3] [--no-route] [--json]

The network is NNgen's example: 32x32x3, Conv 64 3x3, MaxPool, Conv 64 3x3, FC 256, FC 10, all int8, with two by two
channels in parallel, which is 36 multipliers in a convolution. Two products of the core share a multiplier block: 8x8
with 4 lanes has 32 blocks in its array and one in each requantizer, 36, besides 8 in its vector lanes, which a
convolution with groups or a pool takes. For information there is 6x6, with as many products a cycle as NNgen. All run
in Verilator, and NNgen and 8x8 are placed and routed for the same ECP5 with the same tools and seeds; NNgen's without
pins, as its bus has more than the package.

FC 256 has 4.2 MB of weights. NNgen reads them from a simulated memory; the core has no memory outside, and cannot
address so many. So the convolutions run on both, and the whole network on NNgen alone. Of the core there is a
prediction for the fully connected layers, FC 256 in slices whose weights fit, without the time in which a host would
bring them.
"""

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import bench
import cores
import fmax
import networks
import nngen_machine
from cores import Core

from fpga_accel import timing, tools
from fpga_accel.console import print_text, table
from onnx_frontend.partition import compile_plan, partition
from onnx_frontend.quantize import quantize_model
from onnx_frontend.recipe import Recipe
from rtl.spec.errors import FpgaAccelError
from sim.verilog import environment

WORK = Path("build/nngen")
CORE = "8x8-two"
ONE_PRODUCT = "6x6"
PARALLEL = 2
MULTIPLIERS = 36
BAR = 3
"""NNgen's cycles are to be this many times those of the core."""
SLICES = 128
"""Parts of FC 256's inputs whose weights the core can address."""
SAMPLES = 8


@dataclass(frozen=True)
class Row:
    """One machine: cycles of the convolutions and of all, and what place and route says of it (None if not run)."""

    machine: str
    multipliers: int
    counted: str
    cycles: int
    cycles_whole: int
    whole_is: str
    fmax_hz: list[float] | None = None
    used: dict[str, int] | None = None


def ours(core: Core) -> Row:
    """Run the convolutions on the circuits, and predict the fully connected layers.

    Raises
    ------
    FpgaAccelError
        If a byte or a cycle is not as it must be.
    """
    model = networks.small_cnn(dense=False)
    quantized = quantize_model(model, networks.samples(model, SAMPLES), Recipe()).model
    found = partition(quantized)
    plan = compile_plan(found.plan, core.config)
    result = bench.simulate(quantized, found, plan, networks.samples(model, 1, seed=2))
    if result["different"] or not result["compared"] or result["simulated"] != plan.cycles:
        raise FpgaAccelError(
            f"core {core.name}: {result['different']} of {result['compared']} bytes differ; "
            f"{result['simulated']} cycles simulated, {plan.cycles} predicted"
        )
    dense = SLICES * cycles_of_dense(core, 64 * 16 * 16 // SLICES, 256) + cycles_of_dense(core, 256, 10)
    return Row(f"core {core.name}", *multipliers(core), plan.cycles, plan.cycles + dense, "predicted")


def cycles_of_dense(core: Core, features: int, out: int) -> int:
    """Return the cycles that are predicted for a fully connected layer by itself."""
    model = networks.dense(features, out)
    found = partition(quantize_model(model, networks.samples(model, SAMPLES), Recipe()).model)
    return compile_plan(found.plan, core.config).cycles


def multipliers(core: Core) -> tuple[int, str]:
    """Return what counts as multipliers of a core, and how."""
    config = core.config
    if core.name == ONE_PRODUCT:
        return config.rows * config.columns, f"products a cycle, in {config.multipliers + config.lanes} blocks in all"
    array = config.rows * config.pairs
    return array + config.lanes, f"{array} array + {config.lanes} requantizers, without {config.rows} of vector lanes"


def theirs() -> tuple[Row, Path]:
    """Run the convolutions and the network on NNgen's hardware; return that, and the Verilog of the network."""
    runs = [
        nngen_machine.simulate((WORK / name).absolute(), dense=dense, parallel=PARALLEL, environment=environment())
        for name, dense in (("convolutions", False), ("whole", True))
    ]
    convolutions, whole = runs
    return Row("NNgen", MULTIPLIERS, "one a product", convolutions.cycles, whole.cycles, "simulated"), whole.verilog


def routed(core: Core, design: Path, seeds: int, jobs: int) -> list[timing.Route]:
    """Place and route a design without pins, on the part of a core, with seeds 1 to ``seeds``."""
    folder = design.parent
    clock_mhz = core.board.clock_hz / 1e6
    # Both ports of its memories write: Yosys makes them of a million registers unless collisions may have any result.
    script = f"read_verilog {design.name}; synth_ecp5 -no-rw-check -top nngen -json top.json"
    tools.run(["yosys", "-q", "-p", script], folder, folder / "synthesis.log", lambda: None)

    def one(seed: int) -> timing.Route:
        report = folder / f"report-{seed}.json"
        options = ["--85k", "--speed", core.board.part.speed, "--out-of-context", "--router", "router2"]
        command = ["nextpnr-ecp5", "--quiet", *options, "--freq", f"{clock_mhz:g}", "--seed", str(seed)]
        command += ["--json", "top.json", "--report", report.name, "--timing-allow-fail"]
        seconds = tools.run(command, folder, folder / f"route-{seed}.log", lambda: None)
        return timing.parse(report, seed=seed, seconds=seconds, clock_hz=core.board.clock_hz)

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, range(1, seeds + 1)))


def placed(rows: list[Row], core: Core, design: Path, seeds: int, jobs: int) -> list[Row]:
    """Return NNgen's row and the core's with clocks and sizes; what cannot be had stays None, and stderr says why."""
    other, mine, *more = rows
    try:
        found, _ = fmax.measure(core, seeds, jobs)
        mine = replace(mine, fmax_hz=found.fmax_hz, used=found.used)
    except FpgaAccelError as error:
        print(f"core {core.name}: not placed and routed: {error}", file=sys.stderr)
    try:
        routes = routed(core, design, seeds, jobs)
        used = {kind: count for kind, (count, _) in routes[0].used.items()}
        other = replace(other, fmax_hz=[route.fmax_hz for route in routes], used=used)
    except FpgaAccelError as error:
        print(f"NNgen: not placed and routed: {error}", file=sys.stderr)
    return [other, mine, *more]


def cells(row: Row) -> tuple[str, ...]:
    """Return a row of the table; what was not run is a dash."""
    used = row.used or {}
    clock = f"{median(row.fmax_hz) / 1e6:.1f}" if row.fmax_hz else "-"
    return (
        row.machine,
        f"{row.multipliers} ({row.counted})",
        f"{row.cycles:,}",
        f"{row.cycles_whole:,} ({row.whole_is})",
        *(f"{used[kind]:,}" if kind in used else "-" for kind in ("LUT4", "FF", "DSP", "BRAM")),
        clock,
    )


def main() -> int:
    """Compare; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="seeds at a time")
    parser.add_argument("--no-route", action="store_true", help="cycles only")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    core = cores.get(CORE)
    try:
        other, design = theirs()
        rows = [other, ours(core), ours(cores.get(ONE_PRODUCT))]
        if not arguments.no_route:
            rows = placed(rows, core, design, arguments.seeds, arguments.jobs)
    except FpgaAccelError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return 0
    titles = ("machine", "multipliers", "convolutions", "all layers", "LUT4", "FF", "DSP", "BRAM", "MHz")
    print_text([table("Cycles of NNgen's example, 32x32x3", titles, map(cells, rows))])
    reached, whole = rows[1].cycles_whole, rows[0].cycles_whole
    verdict = "reached" if reached <= whole // BAR else "missed"
    print_text(
        [
            f"convolutions: {rows[1].cycles / rows[0].cycles:.2f} of NNgen's cycles",
            f"all layers: {reached / whole:.3f} of NNgen's; {reached:,}, wanted at most {whole // BAR:,}: {verdict}",
            "Fully connected layers are predicted, FC 256 in slices: its 4.2 MB are beyond a LOAD's addresses.",
        ]
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
