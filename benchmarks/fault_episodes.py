"""Episodes of a fault campaign: a host at work on a line with faults, and whether it was told the truth."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from fault_line import NEVER, Hang, Killed, Tally
from fault_models import SAMPLES, Model, models

from fpga_accel.device import SerialDevice
from fpga_accel.line import Line
from fpga_accel.session import Session
from rtl.spec.errors import FpgaAccelError

GAPS = (0, 2_000, 1_000, 500, 300)
"""Mean bytes between two faults of a direction; 0 for none."""
RESETS = (0, 0, 20_000, 4_000, 800)
"""Mean bytes between two resets of the board; 0 for none."""
KILLED = (0, 0, 8_000, 1_000)
"""Mean bytes that a host lives; 0 for one that is not killed."""
STUBBORN = 6  # errors after which a host gives a session up


@dataclass
class Outcome:
    """What a part of a campaign has seen.

    Members
    -------
    right, wrong : int
        Answers.
    errors : Counter
        Failures that have a type, by its name.
    untyped : Counter
        Those that have none.
    hangs : int
        Operations that took longer than they may.
    dead : int
        New sessions on a whole line that did not work without a power cycle.
    killed, sessions : int
        Hosts that died, and sessions that were opened.
    """

    name: str
    right: int = 0
    wrong: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    untyped: Counter[str] = field(default_factory=Counter)
    hangs: int = 0
    dead: int = 0
    killed: int = 0
    sessions: int = 0
    tally: Tally = field(default_factory=Tally)
    seconds: float = 0

    @property
    def failed(self) -> bool:
        """Whether something was seen that must not be."""
        return bool(self.wrong or self.hangs or self.dead or self.untyped)


class Bench(Protocol):
    """A board on a line with faults.

    Members
    -------
    answer_s : float
        For `SerialDevice`.
    """

    answer_s: float

    def connect(self, alive_for: int) -> Line:
        """Return the line to a host that lives for so many bytes."""

    def hurry(self) -> None:
        """Begin an operation: it hangs if it takes longer than it may."""

    def set_faults(self, gap: int, reset_gap: int) -> None:
        """Change how often there are faults and resets; 0 for never."""

    def power_cycle(self) -> None:
        """Take the board's power away and give it back."""


def episode(bench: Bench, rng: random.Random, seen: Outcome) -> None:
    """Let a host work under faults until it gives up or is done, then a new one on a whole line."""
    bench.set_faults(rng.choice(GAPS), rng.choice(RESETS))
    lives = rng.choice(KILLED)
    _host(bench, rng, seen, 1 + int(rng.expovariate(1 / lives)) if lives else NEVER, rng.randrange(1, 12))
    bench.set_faults(0, 0)
    before = seen.right
    _host(bench, rng, seen, NEVER, 1)
    if seen.right == before:
        seen.dead += 1
        bench.power_cycle()


def _host(bench: Bench, rng: random.Random, seen: Outcome, alive_for: int, batches: int) -> None:
    """Open a session and run batches in it."""
    model = rng.choice(models())
    failures = 0
    try:
        line = bench.connect(alive_for)
        opened: list[Session] = []

        def begin() -> None:
            opened.append(Session(model.plan, SerialDevice(line, answer_s=bench.answer_s)))

        if not _tried(bench, seen, begin):
            return
        seen.sessions += 1
        for _ in range(batches):
            failures += not _tried(bench, seen, lambda: _batch(opened[0], model, rng, seen))
            if failures == STUBBORN:
                return
    except Killed:
        seen.killed += 1
    except Hang:
        seen.hangs += 1


def _batch(session: Session, model: Model, rng: random.Random, seen: Outcome) -> None:
    chosen = [rng.randrange(SAMPLES) for _ in range(rng.choice([1, 1, 2, 3]))]
    (y,) = session.run(None, {"x": model.x[chosen]})
    for found, expected in zip(y, model.y[chosen], strict=True):
        if np.array_equal(found, expected):
            seen.right += 1
        else:
            seen.wrong += 1


def _tried(bench: Bench, seen: Outcome, work: Callable[[], None]) -> bool:
    """Do something and note how it fails; return whether it did not."""
    bench.hurry()
    try:
        work()
    except FpgaAccelError as error:
        seen.errors[type(error).__name__] += 1
        return False
    except Exception as error:  # one that is not of the driver's types: it is counted, and the campaign fails
        seen.untyped[f"{type(error).__name__}: {error}"] += 1
        return False
    return True
