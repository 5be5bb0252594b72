"""Clock and size of named cores by place and route with several seeds: what ``make fmax`` does.

    python benchmarks/fmax.py [CORE ...] [--seeds 5] [--jobs 2]

Two seeds run at a time. Each that is done goes to ``benchmarks/routed.json``, from where ``make bench`` takes it, and
is not done again: a command which was stopped goes on where it was. Other circuits or tools begin anew.
"""

import argparse
import hashlib
import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cores
import routed
from cores import Core

import boards.fit
from fpga_accel import stages, timing
from fpga_accel.console import print_text, table
from fpga_accel.files import replacing_folder
from fpga_accel.routed import Routed, joined, of
from fpga_accel.sources import build_identity
from rtl.spec.errors import FpgaAccelError
from rtl.top import Top

WORK = Path("build/fmax")


def netlist(core: Core, folder: Path) -> list[list[str]]:
    """Return the commands of the tools; the netlist is in ``folder``, made if it is not there."""
    done = folder / "commands.json"
    if not done.exists():
        board, config = core.board, core.config
        top = Top(config, line=board.line, clock_hz=board.clock_hz, build_identity=build_identity(board, config))
        with replacing_folder(folder) as work:
            commands, _ = stages.synthesize(board, config, top, work, lambda *_: None)
            (work / done.name).write_text(json.dumps(commands))
    commands = json.loads(done.read_text())
    return commands


def seed_of(core: Core, folder: Path, command: list[str], seed: int) -> timing.Route:
    """Return the route of one seed."""
    place = folder / f"seed-{seed}"
    shutil.rmtree(place, ignore_errors=True)
    seconds = stages.route(core.board.part.family, command, seed, folder, lambda: None)
    route = timing.parse(place / "report.json", seed=seed, seconds=seconds, clock_hz=core.board.clock_hz)
    print(f"{core.name}, seed {seed}: {route.fmax_hz / 1e6:.1f} MHz", file=sys.stderr, flush=True)
    return route


def measure(core: Core, seeds: int, jobs: int) -> tuple[Routed, list[timing.Route]]:
    """Place and route a core with those of seeds 1 to ``seeds`` that its record has not, ``jobs`` at a time.

    Return the record, which has every seed as soon as it is done, and the routes.
    """
    boards.fit.check(core.config, core.board.part)
    result = joined(routed.find(routed.read(), core), of(core.board, core.config, []))
    missing = [seed for seed in range(1, seeds + 1) if seed not in result.seeds]
    if not missing:
        return result, []
    key = hashlib.sha256("\0".join([result.circuits, *result.tools.values()]).encode()).hexdigest()[:16]
    folder = WORK / f"{core.name}-{key}"
    WORK.mkdir(parents=True, exist_ok=True)
    print(f"{core.name}: synthesis", file=sys.stderr, flush=True)
    _, command, *_ = netlist(core, folder)
    routes = []
    with ThreadPoolExecutor(jobs) as pool:
        for route in pool.map(lambda seed: seed_of(core, folder, command, seed), missing):
            routes.append(route)
            result = joined(result, of(core.board, core.config, [route]))
            routed.write(core.name, result)
    return result, routes


def main() -> int:
    """Measure the cores that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cores", nargs="*", metavar="CORE", help=f"all that fit, or of: {', '.join(cores.CORES)}")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="seeds at a time")
    arguments = parser.parse_args()
    rows, failed = [], 0
    for name in arguments.cores or cores.CORES:
        try:
            core = cores.get(name)
            result, routes = measure(core, arguments.seeds, arguments.jobs)
        except FpgaAccelError as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed += bool(arguments.cores)
            continue
        speeds = [f"{speed / 1e6:.1f}" for speed in result.fmax_hz]
        if routes:
            slowest = min(routes, key=lambda route: route.fmax_hz)
            print_text([f"{name}, the slowest of these seeds, its path:", str(slowest.path)])
        spread = f"{min(result.fmax_hz) / 1e6:.1f} to {max(result.fmax_hz) / 1e6:.1f}"
        rows.append((name, f"{result.median_hz / 1e6:.1f}", spread, " ".join(speeds), *result.used.values()))
    if rows:
        kinds = tuple(result.used)
        print_text([table("Place and route", ("core", "median MHz", "spread", "seeds", *kinds), rows)])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
