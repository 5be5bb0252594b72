"""The sum of a window's products against NumPy: extremes in all operands, and all products of two bytes."""

import numpy as np
from simulate import simulate

from rtl.spec.isa import TAPS_OF_WINDOW
from rtl.tap_sum import HIGH, LATE, TapSum

EXTREMES = np.array([-128, 127])
BYTES = np.arange(-128, 128)


def operands(random):
    """Return a and b, (cycles, terms), and whether the high terms count 256 times."""
    same = np.stack(np.meshgrid(EXTREMES, EXTREMES, [0, 1]), -1).reshape(-1, 3)
    pairs = np.stack(np.meshgrid(BYTES, BYTES), -1).reshape(-1, 2)
    cycles = np.arange(len(pairs))
    a, b = random.integers(-128, 128, (2, len(pairs), TAPS_OF_WINDOW))
    a[cycles, cycles % TAPS_OF_WINDOW], b[cycles, cycles % TAPS_OF_WINDOW] = pairs.T
    ones = np.ones((1, TAPS_OF_WINDOW), int)
    a_corners, b_corners = random.choice([-128, 127, -1, 0, 1], (2, 2000, TAPS_OF_WINDOW))
    a = np.concatenate([same[:, :1] * ones, a_corners, a])
    b = np.concatenate([same[:, 1:2] * ones, b_corners, b])
    return a, b, np.concatenate([same[:, 2], random.integers(0, 2, len(a) - len(same))])


def expected(a, b, high):
    """Return the sums, (cycles,)."""
    weight = np.where(np.isin(np.arange(TAPS_OF_WINDOW), HIGH), 256, 1)
    return (a * b * np.where(high[:, None], weight, 1)).sum(axis=1)


def test_exact():
    chosen = operands(np.random.default_rng(2))
    # Simulated in Python: every 4th; `test_ecp5_tap_sum` takes all.
    a, b, high = (np.concatenate([values[:2008], values[2008::4]]) for values in chosen)
    total = expected(a, b, high)
    dut = TapSum()

    async def bench(ctx):
        for cycle in range(len(a) + dut.LATENCY):
            for ports, values in ((dut.a, a), (dut.b, b)):
                for term, port in enumerate(ports):
                    ctx.set(port, int(values[min(max(cycle - (term in LATE), 0), len(a) - 1), term]))
            if dut.HIGH_DELAY <= cycle < len(a) + dut.HIGH_DELAY:
                ctx.set(dut.i_high, int(high[cycle - dut.HIGH_DELAY]))
            if cycle >= dut.LATENCY:
                assert ctx.get(dut.o) == total[cycle - dut.LATENCY], f"cycle {cycle}"
            await ctx.tick()

    simulate(dut, bench)
