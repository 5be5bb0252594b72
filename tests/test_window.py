"""The window unit against NumPy, with the lanes' delays: groups back to back, gaps anywhere."""

from dataclasses import dataclass

import numpy as np
import pytest
from simulate import simulate

from rtl.spec.config import Config
from rtl.window import Window

DEPTH = 8
CORNERS = [-128, 127]


@dataclass(frozen=True)
class Group:
    """Words of a group as they come, (positions, lanes), and the taps of each lane, (lanes, 9)."""

    columns: int
    words: np.ndarray
    outside: np.ndarray
    pad: int
    taps: np.ndarray
    sum: bool

    def expected(self):
        """Return the results, (positions, lanes), and where they depend on no word beyond the edges."""
        factor = self.taps.astype(np.int64)
        words = np.where(self.outside[:, None], self.pad, self.words)
        if self.sum:
            factor = np.concatenate([factor[:, :3] + 256 * factor[:, 3:6], 0 * factor[:, 3:]], axis=1)
            image = words[None]
        else:
            image = words.reshape(-1, self.columns, words.shape[1])
        rows, columns, lanes = image.shape
        padded = np.pad(image, ((2, 0), (2, 0), (0, 0)))
        inside = np.pad(np.ones(image.shape, bool), ((2, 0), (2, 0), (0, 0)))
        total, known = np.zeros(image.shape, np.int64), np.ones(image.shape, bool)
        for tap in range(9):
            i, j = divmod(tap, 3)
            place = np.s_[2 - i : 2 - i + rows, 2 - j : 2 - j + columns]
            total += factor[:, tap] * padded[place]
            known &= inside[place] | (factor[:, tap] == 0)
        return total.reshape(-1, lanes), known.reshape(-1, lanes)


def random_group(random, lanes, columns, rows, in_sum, corners):
    count = rows * columns
    words = random.choice(CORNERS, (count, lanes)) if corners else random.integers(-128, 128, (count, lanes))
    taps = random.choice(CORNERS, (lanes, 9)) if corners else random.integers(-128, 128, (lanes, 9))
    # Kernels of fewer rows and columns: what they do not see must not matter.
    taps.reshape(-1, 3, 3)[:, random.integers(1, 4) :] = 0
    taps.reshape(-1, 3, 3)[:, :, random.integers(1, 4) :] = 0
    if in_sum:
        taps = random.choice(CORNERS, (lanes, 9)) if corners else random.integers(-128, 128, (lanes, 9))
        taps[:, [2, 5, 6, 7, 8]] = 0
    outside = random.random(count) < random.choice([0, 0.3])
    return Group(columns, words, outside, int(random.integers(-128, 128)), taps, bool(in_sum))


def results_of(lanes, groups, gaps, random):
    """Return the results, (positions of all groups, lanes); in a share ``gaps`` of the cycles nothing comes."""
    sizes = {
        "rows": 4,
        "columns": 4,
        "act_words": 16,
        "weight_words": 16,
        "weight_rows": 1,
        "acc_words": 16,
        "channel_words": 16,
    }
    dut = Window(Config(lanes=lanes, program_words=16, tables=2, window=DEPTH, compact=0, **sizes))
    positions = [(group, index) for group in groups for index in range(len(group.words))]
    stream = [None] * (lanes // 2)
    for position in positions:
        while random.random() < gaps:
            stream.append(None)
        stream.append(position)
    stream += [None] * (dut.LATENCY + lanes)
    results = np.full((len(positions), lanes), 99_999_999)
    numbers = np.cumsum([beat is not None for beat in stream]) - 1

    async def bench(ctx):
        for cycle, beat in enumerate(stream):
            # What comes without `valid` does not matter.
            noise = {"first": 1, "outside": 1, "pad": 77, "sum": int(random.integers(2)), "columns": 1}
            if beat:
                group, index = beat
                noise = {"valid": 1, "first": index == 0, "outside": int(group.outside[index]), "pad": group.pad}
                noise |= {"sum": group.sum, "columns": (group.columns - 1) if not group.sum else len(group.words)}
            ctx.set(dut.i_beat, noise)
            for lane in range(lanes):
                here = stream[cycle - lane // 2] if cycle >= lane // 2 else None
                act, taps = int(random.integers(-128, 128)), random.integers(-128, 128, 9)
                if here:
                    group, index = here
                    taps = group.taps[lane]
                    act = act if group.outside[index] else int(group.words[index, lane])
                ctx.set(dut.i_act[lane], act)
                ctx.set(dut.i_taps[lane], {"taps": [int(tap) for tap in taps]})
                came = cycle - dut.LATENCY - lane // 2
                if came >= 0 and stream[came]:
                    results[numbers[came], lane] = ctx.get(dut.o[lane])
            await ctx.tick()

    simulate(dut, bench)
    return results


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("gaps", [0, 0.4])
@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_groups_follow_each_other(lanes, gaps, corners):
    random = np.random.default_rng([lanes, corners])
    shapes = [(1, 7), (2, 5), (3, 4), (5, 4), (DEPTH, 5), (1, 1), (1, 1), (DEPTH, 1), (2, 3)]
    groups = [
        random_group(random, lanes, columns, rows, in_sum, corners)
        for _ in range(3)
        for columns, rows in random.permutation(shapes)
        for in_sum in random.permutation([0, 0, 1])
    ]
    results = results_of(lanes, groups, gaps, random)
    start = 0
    for number, group in enumerate(groups):
        expected, known = group.expected()
        got = results[start : start + len(expected)]
        start += len(expected)
        wrong = np.argwhere((got != expected) & known)
        assert not len(wrong), f"group {number} ({group.columns} columns): position, lane {wrong[0]}"
    assert start == len(results)


def test_a_window_is_full():
    """All nine taps and words at their extremes."""
    words = np.full((6 * DEPTH, 2), -128)
    for low in CORNERS:
        group = Group(DEPTH, words, np.zeros(len(words), bool), 0, np.full((2, 9), low), False)
        expected, known = group.expected()
        results = results_of(2, [group], 0, np.random.default_rng(1))
        assert known.sum() == 2 * 4 * (DEPTH - 2)
        assert (results[known] == expected[known]).all()
        assert (expected[known] == 9 * -128 * low).all()


def test_sum_of_the_largest_factors():
    """Factors of 16 bits, the low byte signed, times the extremes."""
    words = np.repeat([[-128], [127]], 4, axis=0)
    for low in CORNERS:
        for high in CORNERS:
            taps = np.array([[low, low, 0, high, high, 0, 0, 0, 0]])
            group = Group(2, words, np.zeros(len(words), bool), 0, taps, True)
            expected, known = group.expected()
            results = results_of(1, [group], 0, np.random.default_rng(1))
            assert (results[known] == expected[known]).all()
            assert expected[known].max() == (low + 256 * high) * 2 * (127 if low + 256 * high > 0 else -128)
