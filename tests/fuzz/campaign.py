"""Many seeds in several processes, counted; a seed that kills its process, or takes too long, is a failure as well."""

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from fuzz.chain import CORE, Outcome, run_chain
from fuzz.generate import OPERATORS, Recipe, build, random_recipe

RTL_SHARE = 20
"""One graph in so many also runs on the circuits."""
TIMEOUT = 120.0
Result = tuple[int, Recipe, Outcome, bool]
"""Seed, recipe, outcome, and whether the circuits ran it too."""
# Images, lines and vectors, with enough channels and pixels for operators that need some.
HEADERS = (
    [0, 0, 0, 0, 8, 11, 11],
    [0, 0, 0, 3, 8, 11],
    [0, 0, 0, 4, 8],
    [0, 0, 0, 0, 0, 0, 0],
    [3, 0, 0, 0, 7, 7, 7],
)


@dataclass
class Summary:
    """What a campaign found."""

    graphs: int = 0
    compared: int = 0
    rtl: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    partly: Counter[str] = field(default_factory=Counter)
    operators: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, Recipe, Outcome]] = field(default_factory=list)

    def add(self, seed: int, recipe: Recipe, outcome: Outcome, rtl: bool) -> None:
        """Count one graph."""
        self.graphs += 1
        self.kinds[outcome.kind] += 1
        self.compared += outcome.compared
        if outcome.kind in ("refused", "large"):
            self.refused[outcome.reason] += 1
        elif outcome.kind == "noted":
            self.noted[outcome.reason] += 1
        else:
            if outcome.kind == "partly":
                self.partly[outcome.reason] += 1
            self.rtl += rtl
            self.operators.update(str(block[0]) for block in recipe[1:])
        if outcome.failed:
            self.failures.append((seed, recipe, outcome))


def available() -> list[str]:
    """Return the operators of which the simplest graph is not refused: those that are drawn often.

    An Abs behind them gives the core something to compute where they only move elements.
    """
    found = []
    for name in OPERATORS:
        for header in HEADERS:
            try:
                outcome = run_chain(*build([list(header), [name], ["Abs"]]))
            except LookupError:
                continue
            if outcome.kind != "refused":
                found.append(name)
                break
    return found


def run_recipe(recipe: Recipe, device: Any = None) -> Outcome:
    """Run the graph of a recipe; one without operators is refused."""
    try:
        model, feed = build(recipe)
    except LookupError as error:
        return Outcome("refused", str(error))
    return run_chain(model, feed, device=device)


def run_seeds(seeds: Sequence[int], operators: Sequence[str], rtl: bool, processes: int) -> Iterator[Result]:
    """Yield seed, recipe, outcome and whether the circuits ran it too, as they come."""
    pending = list(reversed(seeds))
    workers = [_Worker(operators, rtl) for _ in range(processes)]
    try:
        while pending or any(worker.seed is not None for worker in workers):
            for worker in workers:
                if worker.seed is None and pending:
                    worker.give(pending.pop())
            wait([worker.pipe for worker in workers if worker.seed is not None], timeout=1)
            for worker in workers:
                result = worker.result()
                if result is not None:
                    yield result
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    """A process that runs one seed after the other."""

    def __init__(self, operators: Sequence[str], rtl: bool):
        self._start: Callable[[], None] = lambda: self._open(operators, rtl)
        self._operators = operators
        self._start()

    def _open(self, operators: Sequence[str], rtl: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, list(operators), rtl), daemon=True)
        self._process.start()
        theirs.close()
        self.seed: int | None = None
        self._since = 0.0

    def give(self, seed: int) -> None:
        self.seed, self._since = seed, time.monotonic()
        self.pipe.send(seed)

    def result(self) -> Result | None:
        """Return the result of the seed at hand, if it is there."""
        if self.seed is None:
            return None
        seed = self.seed
        if self.pipe.poll():
            try:
                recipe, outcome, rtl = self.pipe.recv()
            except (EOFError, ConnectionResetError):
                return self._lost(seed, f"the process died with exit code {self._exit_code()}")
            self.seed = None
            return seed, recipe, outcome, rtl
        if time.monotonic() - self._since > TIMEOUT:
            return self._lost(seed, f"took longer than {TIMEOUT:.0f} s")
        return None

    def _exit_code(self) -> int | None:
        self._process.join(5)
        return self._process.exitcode

    def _lost(self, seed: int, reason: str) -> Result:
        self.stop()
        self._start()
        return seed, random_recipe(seed, self._operators), Outcome("crashed", reason, message=reason), False

    def stop(self) -> None:
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _serve(pipe: Connection, operators: list[str], rtl: bool) -> None:
    from contextlib import ExitStack

    from fpga_accel.open_device import open_device

    with ExitStack() as stack:
        device: Any = None
        while True:
            try:
                seed = pipe.recv()
            except EOFError:
                return
            sampled = rtl and seed % RTL_SHARE == 0
            if sampled and device is None:
                device = stack.enter_context(open_device("sim", CORE))
            recipe = random_recipe(seed, operators)
            pipe.send((recipe, run_recipe(recipe, device if sampled else None), sampled))
