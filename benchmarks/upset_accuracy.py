"""What upsets at a bit error rate do to the answers of a classifier, on a core with parity and on one without."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from upset_circuits import CELL_BITS, Flip

from fpga_accel import Session
from fpga_accel.core_runner import Upsets
from fpga_accel.evaluate import accuracy
from onnx_frontend.partition import compile_plan, partition
from rtl.spec.config import Config
from rtl.spec.plan import Plan
from sim.interpreter import InterpreterDevice

DATA_BITS = 8
Feed = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Row:
    """What was measured of a model: accuracies in percent, and what the protected session noticed.

    ``intervals`` of so many samples had fresh upsets each, ``bits`` of them on the protected core in all; ``wrong`` is
    how many of its answers were other than without upsets. Without protection the memory is hit once, in each of
    several trials.
    """

    model: str
    samples: int
    weights: int
    intervals: int
    bits: int
    clean: float
    protected: float
    unprotected: float
    worst: float
    wrong: int
    upsets: Upsets


def random_flips(rng: np.random.Generator, lines: int, config: Config, rate: float) -> list[Flip]:
    """Return the bits of weights that flip, each with this probability."""
    bits = CELL_BITS if config.parity else DATA_BITS
    hit = np.argwhere(rng.random((lines, config.weight_bytes, bits)) < rate)
    return [(int(line), int(byte), int(bit)) for line, byte, bit in hit]


def intervals(feed: Feed, size: int) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield samples, so many at a time."""
    for start in range(0, len(next(iter(feed.values()))), size):
        yield {name: array[start : start + size] for name, array in feed.items()}


def answers(plan: Plan, device: InterpreterDevice, feed: Feed) -> NDArray[Any]:
    """Return the scores that a session gives."""
    with Session(plan, device) as session:
        scores: NDArray[Any] = session.run(None, feed)[0]
        return scores


def measure(
    name: str,
    model: onnx.ModelProto,
    config: Config,
    feed: Feed,
    labels: NDArray[np.int64],
    *,
    rate: float,
    interval: int,
    trials: int,
    seed: int,
) -> Row:
    """Measure a quantized model on a core of ``config`` without parity, and on the same with it."""
    rng = np.random.default_rng(seed)
    found = partition(model).plan
    plain, parity = (compile_plan(found, replace(config, parity=parity)) for parity in (0, 1))
    programs = plain.programs
    if len(programs) != 1:
        raise ValueError(f"{name}: {len(programs)} programs on the core, expected one")
    lines = len(programs[0].weights)

    clean = answers(plain, InterpreterDevice(plain.config), feed)
    bare = []
    for _ in range(trials):
        device = InterpreterDevice(plain.config)
        with Session(plain, device) as session:
            for flip in random_flips(rng, lines, plain.config, rate):
                device.parities.flip(*flip)
            bare.append(100 * accuracy(session.run(None, feed)[0], labels))

    device = InterpreterDevice(parity.config)
    parts, bits, count = [], 0, 0
    with Session(parity, device) as session:
        for some in intervals(feed, interval):
            flips = random_flips(rng, lines, parity.config, rate)
            for flip in flips:
                device.parities.flip(*flip)
            parts.append(session.run(None, some)[0])
            session.scrub()
            bits += len(flips)
            count += 1
        upsets = session.upsets
    scores = np.concatenate(parts)
    return Row(
        model=name,
        samples=len(labels),
        weights=lines * config.weight_bytes,
        intervals=count,
        bits=bits,
        clean=100 * accuracy(clean, labels),
        protected=100 * accuracy(scores, labels),
        unprotected=float(np.mean(bare)),
        worst=min(bare),
        wrong=int((scores != clean).reshape(len(labels), -1).any(axis=1).sum()),
        upsets=upsets,
    )
