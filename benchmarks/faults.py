"""A campaign of faults on the link: whatever happens to line, board and host, an answer is right or there is none.

Three parts: models of the board's end and of the core, with a clock of their own, for the bulk; the circuits of a whole
board behind a real pseudo-terminal; host processes that are killed. A channel flips, loses, doubles and inserts bytes,
cuts frames short, repeats and delays them, and is stuck at 0 or 1; boards are reset and lose their power; hosts die.
After each episode a new session on a whole line must work.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest import mock

from fault_circuits_bench import circuits
from fault_episodes import Outcome, episode
from fault_kills import kills
from fault_line import Clock
from fault_model_bench import ModelBench
from fault_plants import PLANTS
from rich.console import Console
from rich.table import Table

from fpga_accel import requests, runs

FRAMES = 100_000
CIRCUIT_FRAMES = 3_000
KILLS = 20


@contextmanager
def _driver(**instead: object) -> Iterator[None]:
    """Give the modules of the driver other modules."""
    with ExitStack() as stack:
        for module in (requests, runs):
            for name, other in instead.items():
                if hasattr(module, name):
                    stack.enter_context(mock.patch.object(module, name, other))
        yield


def on_models(frames: int, seed: int, plant: str = "") -> Outcome:
    """Run episodes on models until so many frames have gone over the line, in both directions."""
    seen = Outcome("models")
    rng = random.Random(seed)
    clock = Clock()
    planted = PLANTS[plant]
    with _driver(time=clock, random=rng), planted.patched():
        bench = ModelBench(rng, seen.tally, clock, planted.core)
        while seen.tally.frames < frames:
            episode(bench, rng, seen)
    return seen


def on_circuits(frames: int, seed: int) -> Outcome:
    """Run episodes on the circuits of a whole board until so many frames have gone over the line."""
    seen = Outcome("circuits")
    rng = random.Random(seed)
    with _driver(random=rng), circuits(rng, seen.tally) as bench:
        while seen.tally.frames < frames:
            episode(bench, rng, seen)
    return seen


def of_processes(count: int, seed: int) -> Outcome:
    """Kill so many host processes, and see what the next one finds."""
    seen = Outcome("processes")
    kills(count, random.Random(seed), seen)
    return seen


def document(parts: list[Outcome]) -> dict[str, Any]:
    """Return the result for programs."""
    return {
        "passed": not any(part.failed for part in parts),
        "frames": sum(part.tally.frames for part in parts),
        "parts": [
            {
                "name": part.name,
                "frames": part.tally.frames,
                "faults": dict(sorted(part.tally.faults.items())),
                "sessions": part.sessions,
                "hosts_killed": part.killed,
                "right": part.right,
                "typed_errors": dict(sorted(part.errors.items())),
                "untyped_errors": dict(part.untyped),
                "wrong": part.wrong,
                "hangs": part.hangs,
                "dead_sessions": part.dead,
                "seconds": round(part.seconds, 1),
            }
            for part in parts
        ],
    }


def table(parts: list[Outcome]) -> Table:
    """Return the result for people."""
    result = Table(title="Faults on the link", title_justify="left")
    result.add_column("")
    for part in parts:
        result.add_column(part.name, justify="right")

    def row(name: str, value: Callable[[Outcome], int]) -> None:
        result.add_row(name, *(f"{value(part):,}" for part in parts))

    def rows(name: str, value: Callable[[Outcome], Any]) -> None:
        for key in sorted({key for part in parts for key in value(part)}):
            row(f"{name}: {key}", partial(lambda key, part: value(part)[key], key))

    row("frames", lambda part: part.tally.frames)
    rows("fault", lambda part: part.tally.faults)
    row("hosts killed", lambda part: part.killed)
    row("sessions opened", lambda part: part.sessions)
    row("answers right", lambda part: part.right)
    rows("typed error", lambda part: part.errors)
    rows("error without a type", lambda part: part.untyped)
    row("wrong answers", lambda part: part.wrong)
    row("hangs", lambda part: part.hangs)
    row("sessions that did not work without a power cycle", lambda part: part.dead)
    row("seconds", lambda part: round(part.seconds))
    return result


def main() -> None:
    """Run the campaign; exit 1 if anything was seen that must not be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=FRAMES, help="on the models, both directions (%(default)s)")
    parser.add_argument("--circuit-frames", type=int, default=CIRCUIT_FRAMES, help="on the circuits (%(default)s)")
    parser.add_argument("--kills", type=int, default=KILLS, help="host processes that are killed (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plant", choices=[name for name in PLANTS if name], default="", help="a defect to be found")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    seed = arguments.seed
    parts = []
    for part in (
        lambda: on_models(arguments.frames, seed, arguments.plant),
        *([lambda: on_circuits(arguments.circuit_frames, seed)] if arguments.circuit_frames else []),
        *([lambda: of_processes(arguments.kills, seed)] if arguments.kills else []),
    ):
        begin = time.monotonic()
        parts.append(part())
        parts[-1].seconds = time.monotonic() - begin
    if arguments.json:
        print(json.dumps(document(parts), indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else 120).print(table(parts))
    sys.exit(any(part.failed for part in parts))


if __name__ == "__main__":
    main()
