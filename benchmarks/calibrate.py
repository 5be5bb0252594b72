"""Estimates of `boards.fit` beside what the tools make of cores, and the look-up tables that fit best.

    python benchmarks/calibrate.py [--board NAME] [--estimates]

Each core of the list is synthesized and packed, but not placed, which is kept in ``build/calibrate`` and written to
``benchmarks/packed.json``; ``--estimates`` compares with that file only. The last lines are the costs of a linear
model by least squares of relative errors, as `boards.fit.LutCosts` has them.
"""

import argparse
import json
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np

import boards
from boards import Board, fit
from boards.board import LutCosts
from fpga_accel import sources, stages, timing, tools
from fpga_accel.console import print_text, table
from fpga_accel.files import replacing, replacing_folder
from rtl.spec.config import Config
from rtl.top import Top

FILE = Path(__file__).with_name("packed.json")
WORK = Path("build/calibrate")
SIZES = (
    {"rows": 4, "columns": 4, "lanes": 2, "window": 0, "tables": 4},
    {"rows": 8, "columns": 8, "lanes": 2, "window": 0, "tables": 4},
    {"rows": 8, "columns": 8, "lanes": 8, "window": 0, "tables": 4},
    {"rows": 8, "columns": 8, "lanes": 8, "window": 64, "tables": 4},
    {"rows": 8, "columns": 16, "lanes": 4, "window": 0, "tables": 4},
    {"rows": 16, "columns": 8, "lanes": 8, "window": 64, "tables": 4},
    {"rows": 4, "columns": 8, "lanes": 4, "window": 64, "tables": 4},
    {"rows": 16, "columns": 16, "lanes": 16, "window": 64, "tables": 4},
)
"""Cores to measure: what is not given is the board's."""


def packed(board: Board, config: Config) -> dict[str, int]:
    """Return what a core takes of the part when it is packed, by kind."""
    folder = WORK / f"{board.name}-{sources.digest(board, config)[:16]}"
    if not (folder / "report.json").exists():
        WORK.mkdir(parents=True, exist_ok=True)
        top = Top(config, line=board.line, clock_hz=board.clock_hz, build_identity=0)
        with replacing_folder(folder) as work:
            (_, route, *_), _ = stages.synthesize(board, config, top, work, lambda *_: None)
            # Without placement there is no configuration that could be written.
            at = route.index("--textcfg")
            command = [*route[:at], *route[at + 2 :], "--pack-only", "--report", "report.json"]
            tools.run(command, work, work / "pack.log", lambda: None)
    used = timing.used(json.loads((folder / "report.json").read_text()))
    return {kind: count for kind, (count, _) in used.items()}


def least_squares(configs: list[Config], luts: list[int]) -> LutCosts:
    """Return the costs of no sign but plus that make the relative errors of the estimates smallest."""
    names = [field.name for field in fields(LutCosts)]
    left = list(names)
    while True:
        counts = np.array([[fit.lut_counts(config)[name] for name in left] for config in configs], float)
        found, *_ = np.linalg.lstsq(counts / np.array(luts)[:, None], np.ones(len(luts)), rcond=None)
        if found.min() >= 0:
            return LutCosts(**dict.fromkeys(names, 0.0) | dict(zip(left, map(float, found), strict=True)))
        left.pop(int(found.argmin()))


def main() -> int:
    """Measure, compare, fit; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--board", default="ulx3s-85f")
    parser.add_argument("--estimates", action="store_true", help="with what was measured before")
    arguments = parser.parse_args()
    board = boards.get(arguments.board)
    measured = json.loads(FILE.read_text()) if arguments.estimates else []
    for sizes in [] if arguments.estimates else SIZES:
        config = replace(board.config, **sizes)
        print(f"core {config.name} ...", file=sys.stderr, flush=True)
        measured.append({"sizes": asdict(config), "used": packed(board, config)})
    if not arguments.estimates:
        with replacing(FILE) as temporary:
            temporary.write_text(json.dumps(measured, indent=1) + "\n")
    rows = []
    configs = [Config(**each["sizes"]) for each in measured]
    for config, each in zip(configs, measured, strict=True):
        used, needed = each["used"], fit.need(config, board.part)
        rows.append(
            (
                config.name,
                config.lanes,
                *(used["DSP"], needed.multipliers, used["BRAM"], needed.block_rams, used["LUT4"], needed.luts),
                f"{needed.luts / used['LUT4'] - 1:+.1%}",
            )
        )
    titles = ("core", "lanes", "DSP", "est.", "BRAM", "est.", "LUT4", "est.", "error")
    print_text([table(f"Packed for {board.part.name}, and estimated", titles, rows)])
    print(least_squares(configs, [each["used"]["LUT4"] for each in measured]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
