"""The board of a fault campaign byte by byte: models of link and core, and a clock that runs as fast as it can."""

import random

from fault_line import LIMIT_S, Clock, Direction, ModelLine, Tally, next_fault
from fault_models import CONFIG, models

from fpga_accel.line import Line
from sim.core_model import CoreModel
from sim.link_model import LinkModel

WAITS = 3  # of the board, until a run has ended


class ModelBench:
    """Models of a board behind a line with faults, in the time of a `Clock`.

    At a power cycle the memories become what the bitstream has: nothing, or one of the models.

    Parameters
    ----------
    core : type, optional
        Instead of `CoreModel`.
    """

    answer_s = 1.0

    def __init__(self, rng: random.Random, tally: Tally, clock: Clock, core: type[CoreModel] = CoreModel) -> None:
        self._rng, self._tally, self._clock = rng, tally, clock
        self._core = core(CONFIG, waits=WAITS)
        self._link = LinkModel(self._core)
        self._to_board = Direction(rng, tally, low=b"")
        self._to_host = Direction(rng, tally, low=b"\0")
        self._line: ModelLine | None = None
        self.set_faults(0, 0)

    def connect(self, alive_for: int) -> Line:
        """Return the line to another host; what is under way stays so."""
        arrived = self._line.arrived if self._line else bytearray()
        self._line = ModelLine(self._clock, self._to_board, self._to_host, self._take, alive_for, arrived)
        return self._line

    def hurry(self) -> None:
        """Begin an operation."""
        if self._line:
            self._line.deadline = self._clock.now + LIMIT_S

    def set_faults(self, gap: int, reset_gap: int) -> None:
        """Change how often there are faults and resets."""
        self._to_board.set_gap(gap)
        self._to_host.set_gap(gap)
        self._reset_gap = reset_gap
        self._next = next_fault(self._rng, reset_gap)

    def power_cycle(self) -> None:
        """Lose what the board holds; it may come back with either model or none."""
        self._core.image = self._rng.choice([(), *(model.plan.programs[0].memory_image() for model in models())])
        self._core.power_cycle()
        self._link.reset()

    def _take(self, line: bytes) -> bytes:
        answers = b""
        while len(line) >= self._next:
            # What is answered before is on its way, or lost with the rest.
            answers += self._link.take(line[: self._next])[: self._rng.choice([None, 0, 5])]
            line = line[self._next :]
            self._next = next_fault(self._rng, self._reset_gap)
            if self._rng.random() < 0.5:
                self._tally.faults["power cycle"] += 1
                self.power_cycle()
            else:
                self._tally.faults["reset"] += 1
                self._core.reset()
                self._link.reset()
        self._next -= len(line)
        return answers + self._link.take(line)
