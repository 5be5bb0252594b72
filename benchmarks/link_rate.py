"""What the link costs: share of the line that is payload, and bytes of an inference besides its tensors.

The driver talks to the circuits of a whole board in Verilator, its line bridged bit by bit. Times are cycles of the
board's clock, which stands still while nothing is on the line or in work: what the host needs to think is not in them.
"""

import argparse
from pathlib import Path

import numpy as np

from fpga_accel.core_runner import CoreRunner
from fpga_accel.device import SerialDevice
from fpga_accel.pace import BITS
from rtl.line import Uart
from rtl.spec.link import BAUDS
from rtl.spec.plan import Plan
from rtl.spec.registers import Region
from rtl.top import Top
from sim.board import SimulatedBoard

BAUD = BAUDS[0]
SAMPLES = 50


class Line:
    """Counts what passes while the block runs: cycles, bytes to the board, bytes from it."""

    def __init__(self, board: SimulatedBoard, device: SerialDevice):
        self._board, self._device = board, device
        self.cycles = self.sent = self.received = 0

    def _now(self) -> tuple[int, int, int]:
        return self._board.speed()[0], self._device.bytes_sent, self._device.bytes_received

    def __enter__(self) -> "Line":
        self._before = self._now()
        return self

    def __exit__(self, *error: object) -> None:
        self.cycles, self.sent, self.received = (b - a for a, b in zip(self._before, self._now(), strict=True))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path, help="what 'fpga-accel compile' wrote; its first segment must be the core's")
    parser.add_argument("--divisor", type=int, default=16, help=f"cycles a bit; 16 is 48 MHz at {BAUD} baud")
    arguments = parser.parse_args()
    divisor = arguments.divisor

    plan = Plan.load_file(arguments.plan)
    program, config = plan.programs[0], plan.config
    top = Top(config, line=Uart(divisor), clock_hz=divisor * BAUD, build_identity=0)
    with (
        SimulatedBoard(config, top=top, divisor=divisor) as board,
        SerialDevice(board.port, BAUD, answer_s=60.0) as device,
    ):
        rng = np.random.default_rng(1)
        words = rng.integers(0, 1 << 32, 4096 if config.act_words * config.rows >= 1 << 14 else 512, np.uint32)
        device.prepare([(Region.ACT.base, 1)])  # before that a board takes nothing
        with Line(board, device) as line:
            device.write(Region.ACT.base, words)
        print(f"write {words.nbytes} bytes: {words.nbytes * BITS * divisor / line.cycles:.1%} of the line is payload")
        with Line(board, device) as line:
            back = device.read(Region.ACT.base, words.size)
        print(f"read  {words.nbytes} bytes: {words.nbytes * BITS * divisor / line.cycles:.1%} of the line is payload")
        if not np.array_equal(back, words):
            raise SystemExit("what was read is not what was written")

        runner = CoreRunner(device, config, measures=False)
        runner.load(program)
        shapes = {port.tensor: program.graph.tensors[port.tensor].shape for port in program.graph.inputs}
        inputs = {name: rng.integers(-128, 128, (SAMPLES, *shape), np.int8) for name, shape in shapes.items()}
        wanted = list(dict.fromkeys(port.tensor for port in program.graph.outputs))
        runner.run(program, {name: q[:1] for name, q in inputs.items()}, wanted, lambda done: None)
        with Line(board, device) as line:
            runner.run(program, inputs, wanted, lambda done: None)
        taken = sum(4 * program.write(name, q[0])[1].size for name, q in inputs.items())
        given = sum(4 * program.span(name)[1] for name in wanted)
        sent, received, cycles = (each / SAMPLES for each in (line.sent, line.received, line.cycles))
        fixed = sent - taken + received - given
        print(
            f"an inference: {sent:.1f} bytes to the board, {taken} of them input; {received:.1f} from it, {given} of "
            f"them output; {fixed:.1f} besides"
        )
        times = {"the line": BITS * divisor * max(sent, received), "the core": program.cycles}
        slower = max(times, key=lambda name: times[name])
        print(
            f"  {cycles:.0f} cycles: the core {program.cycles}, the line {BITS * divisor * sent:.0f} in and "
            f"{BITS * divisor * received:.0f} out; {cycles / times[slower]:.3f} times that of {slower}, "
            f"{cycles / max(BITS * divisor * max(taken, given), program.cycles):.3f} times with payload alone"
        )
        print(f"  sent again: {device.resent}")


if __name__ == "__main__":
    main()
