"""Bitstreams of all boards, and which models they hold: what ``make boards`` does.

    python benchmarks/board_builds.py [BOARD ...] [--seeds 1] [--jobs 2] [--models-only]

The models are compiled for the core of each board, then two boards are built at a time, one seed after the other.
Bitstreams are kept in ``build/boards`` by content, seed by seed, so that a command which was stopped goes on where it
was. What was found goes to ``boards/models.json`` and ``boards/routed.json``, from where ``fpga-accel boards`` takes
it. The exit code is 1 if a bitstream is missing, for example because no seed reaches the board's clock.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import tiny
from accuracy import arrays

import boards
from boards import Board
from fpga_accel import board_record, build
from fpga_accel.board_record import Build
from fpga_accel.routed import of
from onnx_frontend.partition import compile_plan, partition
from onnx_frontend.quantize import quantize_model
from onnx_frontend.recipe import Recipe
from rtl.spec.config import Config
from rtl.spec.errors import DoesNotFit, FpgaAccelError, ToolError
from rtl.spec.plan import Plan

WORK = Path("build/boards")
MODELS = Path(__file__).resolve().parent.parent / "models"


def plans() -> dict[str, Plan]:
    """Return the models that boards are asked for, by name: the digits, and MLPerf Tiny's with seeded weights."""
    models = {
        "digits": quantize_model(MODELS / "digits.onnx", arrays(MODELS / "digits_calibration.npz"), Recipe()).model
    }
    models |= {task.name: tiny.quantized(task, Path())[0] for task in tiny.TASKS}
    return {name: partition(model).plan for name, model in models.items()}


def cycles(plan: Plan, config: Config) -> int | None:
    """Return what one sample takes on a core; None if the core does not hold the model."""
    try:
        return compile_plan(plan, config).cycles
    except DoesNotFit:
        return None


def built(board: Board, seeds: int) -> Build | str:
    """Build for a board with seeds 1 to ``seeds``, each kept when it is done; return what came, or what went wrong."""
    found: Build | str = ""
    for seed in range(1, seeds + 1):
        try:
            result = build.bitstream(board, seeds=seed, out_dir=WORK)
            found = Build(of(board, board.config, result.routes), result.seconds)
        except ToolError as error:  # the next seed may reach the clock
            found = str(error)
        except FpgaAccelError as error:
            return str(error)
    return found


def main() -> int:
    """Build for the boards that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("boards", nargs="*", metavar="BOARD", help="all, if none is named")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="boards at a time")
    parser.add_argument("--models-only", action="store_true", help="build nothing")
    arguments = parser.parse_args()
    wanted = [boards.get(name) for name in arguments.boards or boards.names()]

    models = plans()
    for board in wanted:
        board_record.write_cycles(board, {name: cycles(plan, board.config) for name, plan in models.items()})

    failed = 0
    with ProcessPoolExecutor(arguments.jobs) as pool:
        work = {} if arguments.models_only else {pool.submit(built, board, arguments.seeds): board for board in wanted}
        for done in as_completed(work):
            board, found = work[done], done.result()
            if isinstance(found, Build):
                board_record.write_build(board, found)
                print(f"{board.name}: {found.routed.median_hz / 1e6:.1f} MHz", flush=True)
            else:
                print(f"{board.name}: {found}", file=sys.stderr, flush=True)
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
