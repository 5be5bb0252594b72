"""The requantizer against its integer definition: edges, ties at both roundings, random, mixed channels."""

import numpy as np
from simulate import simulate

from rtl import compact
from rtl.requantize import Requantizer
from rtl.spec import number


def double_ties():
    """Yield (multiplier, acc) whose first rounding is a tie that, were it not to even, would spoil a tie of the last.

    With ``n = (2m + 1) * 2**(k - 1)``, m even and n of 24 bits, ``(2n + 1) / 2`` rounds to n, and n / 2**k to m;
    rounding up at first would give m + 1. Once ``2n + 1`` is the accumulator, once the product of two odd factors.
    """
    for k in range(16, 24):
        for m in range(0, 128, 2):
            n = (2 * m + 1) << (k - 1)
            if not 1 << 23 <= n < 1 << 24:
                continue
            yield np.float32(2.0 ** -(k + 1)), 2 * n + 1
            for small in range(3, 400, 2):
                if (2 * n + 1) % small == 0 and (2 * n + 1) // small < 1 << 24:
                    for twos in (0, 1, 5):
                        yield np.float32((2 * n + 1) // small * 2.0 ** -(k + 1 + twos)), small << twos


def next_to_ties():
    """Yield multipliers of 24 significant bits at a tie of the last rounding, and beside it by few of the last bits."""
    for n in (0, 1, 2, 3, 6, 7, 14, 31, 62, 127):
        for bits in (0, 1, 2, 7, 64, 255):
            for side in (-1, 1):
                tie = np.float32(n + 0.5)
                yield (tie.view(np.int32) + np.int32(side * bits)).view(np.float32)


def groups(random):
    """Yield (bias, multiplier, zero_point, low, high, accumulators): one channel each."""
    edges = [0, 1, -1, 2**31 - 1, -(2**31), 2**24, 2**24 + 1, 2**24 + 3, -(2**24) - 1, 2**25 + 2, 2**25 + 6, 33554431]
    for multiplier in (1.0, 0.5, 0.25, 2.0**-24, 1.5 * 2.0**-9, 2.0**-39, 2.0**-60, 3.0, 2.0**10, 2.0**23, 1 / 3):
        yield 0, np.float32(multiplier), 0, -128, 127, edges + list(range(-40, 40))
    ties = list(double_ties())
    assert len(ties) > 100
    for multiplier, acc in ties:
        yield 0, multiplier, 0, -128, 127, [acc, -acc, *range(14)]
    for multiplier in next_to_ties():
        yield 0, np.float32(multiplier * np.float32(0.25)), 0, -128, 127, [4, -4, 2, -2, 1, -1]
    for zero_point, low, high in ((-128, -128, 127), (127, -128, 127), (5, 5, 100), (-3, -10, -10)):
        yield 17, np.float32(0.01), zero_point, low, high, [int(a) for a in random.integers(-40000, 40000, 60)]
    for _ in range(150):
        scale = np.float32(2.0 ** random.uniform(-30, 2))
        reach = min(2**31 - 2**20, int(400 / scale))
        bias = int(random.integers(-(2**19), 2**19))
        accs = random.integers(-reach, reach, 40)
        # Accumulators next to a tie of the last rounding.
        ties = np.clip(np.rint((random.integers(-128, 128, 20) + 0.5) / scale), -reach, reach)
        yield bias, scale, int(random.integers(-128, 128)), -128, 127, [int(a) for a in (*accs, *ties)]


def expected_groups(random):
    """Yield (channel, zero_point, low, high, pairs of an accumulator and what it becomes)."""
    for bias, multiplier, zero_point, low, high, accs in groups(random):
        mantissa, shift = number.split_multiplier(multiplier)
        channel = {"bias": bias, "mantissa": int(mantissa), "shift": int(shift)}
        accs = [acc for acc in accs if -(2**31) <= acc + bias < 2**31 and -(2**31) <= acc < 2**31]
        expected = number.requantize(np.array(accs, np.int64) + bias, multiplier, zero_point, low, high)
        yield channel, zero_point, low, high, list(zip(accs, expected.tolist(), strict=True))


def test_the_one_of_a_compact_core_equals_the_integer_definition():
    """Parameters change when nothing is under way."""
    dut = compact.Requantizer()
    cases = list(expected_groups(np.random.default_rng(11)))

    async def bench(ctx):
        for channel, zero_point, low, high, pairs in cases:
            ctx.set(dut.i_channel, channel)
            ctx.set(dut.i_zero_point, zero_point)
            ctx.set(dut.i_low, low)
            ctx.set(dut.i_high, high)
            for cycle in range(len(pairs) + dut.LATENCY):
                ctx.set(dut.i_acc, pairs[min(cycle, len(pairs) - 1)][0])
                if cycle >= dut.LATENCY:
                    acc, expected = pairs[cycle - dut.LATENCY]
                    assert ctx.get(dut.o) == expected, f"{channel}, accumulator {acc}"
                await ctx.tick()

    simulate(dut, bench)
    assert sum(len(pairs) for *_, pairs in cases) > 10_000


def test_equals_the_integer_definition():
    random = np.random.default_rng(11)
    dut = Requantizer(0)
    inputs = [
        (channel, zero_point, low, high, acc, value)
        for channel, zero_point, low, high, pairs in expected_groups(random)
        for acc, value in pairs
    ]

    # Every accumulator with parameters of its own.
    inputs = [inputs[index] for index in random.permutation(len(inputs))]

    async def bench(ctx):
        for cycle in range(len(inputs) + dut.LATENCY):
            channel, _, _, _, acc, _ = inputs[min(cycle, len(inputs) - 1)]
            ctx.set(dut.i_channel, channel)
            ctx.set(dut.i_acc, acc)
            _, zero_point, low, high, _, _ = inputs[max(cycle - dut.CLAMP, 0) % len(inputs)]
            ctx.set(dut.i_zero_point, zero_point)
            ctx.set(dut.i_low, low)
            ctx.set(dut.i_high, high)
            if cycle >= dut.LATENCY:
                expected = inputs[cycle - dut.LATENCY]
                assert ctx.get(dut.o) == expected[-1], expected
            await ctx.tick()

    simulate(dut, bench)
    assert len(inputs) > 10_000
