"""The interpreter, which defines the instructions, against NumPy on programs that a page can explain."""

import dataclasses

import numpy as np
import pytest
from programs import compute, drain, program, random_program

from rtl.spec import number
from rtl.spec.config import core
from rtl.spec.isa import Op
from rtl.spec.layout import from_words, to_words
from sim.interpreter import InterpreterDevice

CONFIG = dataclasses.replace(core("4x3"), act_words=128, acc_words=32, channel_words=8, weight_words=64, tables=4)
HALF = CONFIG.act_words // 2


def run(what, before, order="late"):
    """Return the upper half of activation memory, (lines, rows), after a run on the lower half."""
    device = InterpreterDevice(what.config, order)
    for address, words in what.memory_image():
        device.write(address, words)
    source, result = (what.placements[name] for name in ("before", "after"))
    device.write(source.address(what.config), to_words(before.T[:, None], what.config))
    device.start()
    words = device.read(result.address(what.config), result.words(what.config))
    return from_words(words, result.shape, what.config)[:, 0].T


def lines(seed, config=CONFIG):
    return np.random.default_rng(seed).integers(-128, 128, (config.act_words // 2, config.rows)).astype(np.int8)


@pytest.mark.parametrize("za, zb", [(3, -5), (-128, -128), (127, 127)])
def test_elementwise_product(za, zb):
    """Rows of one pixel."""
    before, multiplier = lines(1), np.float32(0.01)
    one = program(
        CONFIG,
        computes=[compute(Op.PRODUCT, pixels_y=19, pixel_y_stride=1, pad=za, base=0, factor=20, factor_a=-zb)],
        drains=[drain(wait=1, pixels=19, groups=3, base=HALF, zero_point=7)],
        channels=([0] * 4, [multiplier] * 4),
    )
    product = (before[:20].astype(np.int64) - za) * (before[20:40].astype(np.int64) - zb)
    expected = number.requantize(product, np.full(4, multiplier), 7, -128, 127)
    assert (run(one, before)[:20] == expected).all()


@pytest.mark.parametrize("pixels", [1, 2, 3, 9])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_matrix_product(steps, pixels):
    """Steps of one row of pixels: ``after[m, lane] = sum(before[m, k, lane] * factors[k, lane] for k)``."""
    before, multiplier, za, zb = lines(steps), np.float32(0.003), -9, 77
    fields = dict(blocks=steps - 1, block_stride=1, pixels_x=pixels - 1, pixel_x_stride=steps)
    one = program(
        CONFIG,
        computes=[compute(Op.PRODUCT, pad=za, factor=50, factor_a=-zb, **fields)],
        drains=[drain(wait=1, pixels=pixels - 1, groups=3, base=HALF)],
        channels=([0] * 4, [multiplier] * 4),
    )
    words = before[: pixels * steps].reshape(pixels, steps, -1).astype(np.int64) - za
    total = np.einsum("mkl,kl->ml", words, before[50 : 50 + steps].astype(np.int64) - zb)
    assert (run(one, before)[:pixels] == number.requantize(total, np.full(4, multiplier), 0, -128, 127)).all()


def copy(**fields):
    """Return the instructions that copy 12 words with the given way of writing."""
    computes = [compute(Op.SCALE, pixels_x=11, pixel_x_stride=1, factor_a=1)]
    return dict(computes=computes, drains=[drain(wait=1, pixels=11, groups=3, base=HALF, stride=0) | fields])


@pytest.mark.parametrize(
    "fields, places",
    [
        (dict(columns=3, pixel_stride=2, row_stride=16), lambda n: n // 4 * 16 + n % 4 * 2),
        (dict(columns=4, pixel_stride=1, row_stride=7), lambda n: n // 5 * 7 + n % 5),
        (dict(columns=0, row_stride=3), lambda n: 3 * n),
        (dict(base=HALF + 11, pixel_stride=65535), lambda n: 11 - n),
    ],
)
def test_strided_writes(fields, places):
    before, expected = lines(1), np.zeros((HALF, 4), np.int8)
    for n in range(12):
        expected[places(n)] = before[n]
    assert (run(program(CONFIG, **copy(**fields)), before) == expected).all()


@pytest.mark.parametrize("table", range(5))
def test_tables(table):
    before, tables = lines(2), np.random.default_rng(3).integers(-128, 128, (4, 256))
    expected = before[:12] if table == 0 else tables[table - 1][before[:12].astype(int) + 128]
    assert (run(program(CONFIG, **copy(table=table), tables=tables), before)[:12] == expected).all()


@pytest.mark.parametrize("name, seed", [(name, seed) for name in ("4x3", "4x6", "8x8") for seed in range(5)])
def test_the_order_that_tokens_leave_open_does_not_matter(name, seed):
    config = dataclasses.replace(core(name), act_words=128)
    what, before = random_program(config, seed), lines(seed, config)
    after = run(what, before)
    assert (after == run(what, before, "early")).all()
    assert len(np.unique(after)) > 30


SCALE = dict(pixels_x=11, pixel_x_stride=1, factor_a=1)
PRODUCT = dict(pixels_y=11, pixel_y_stride=1)


@pytest.mark.parametrize(
    "computes, drains, message",
    [
        ([compute(Op.SCALE, **SCALE, base=117)], [], "COMPUTE instruction 0: activation address 128, expected .* 128"),
        ([compute(Op.SCALE, **SCALE, base=65535)], [], "COMPUTE instruction 0: activation address 65535"),
        ([compute(Op.SCALE), compute(Op.SCALE, pixels_x=32)], [], "COMPUTE instruction 1: accumulator 32"),
        ([compute(Op.PRODUCT, **PRODUCT, base=117)], [], "COMPUTE instruction 0: activation address 128"),
        ([compute(Op.PRODUCT, **PRODUCT, factor=117)], [], "COMPUTE instruction 0: activation address 128"),
        ([compute(Op.PRODUCT, factor_a=129)], [], r"COMPUTE instruction 0: factor_a 129, expected -127\.\.128"),
        ([compute(5)], [], "COMPUTE instruction 0: operation 5, expected less than 5"),
        ([compute(Op.DEPTHWISE), compute(Op.MATMUL)], [], "COMPUTE instruction 1: it needs a weight tile"),
        ([], [drain(base=117, pixels=11)], "DRAIN instruction 0: activation address 128"),
        ([], [drain(), drain(columns=3, row_stride=64, pixels=8)], "DRAIN instruction 1: activation address 128"),
        ([], [drain(base=0, pixels=1, pixel_stride=65535)], "DRAIN instruction 0: activation address 65535"),
        ([], [drain(first=2, groups=3, stride=128)], "DRAIN instruction 0: activation address 128"),
        ([], [drain(pixels=32)], "DRAIN instruction 0: accumulator 32"),
        ([], [drain(groups=4)], "DRAIN instruction 0: accumulator bank 4"),
        ([], [drain(first=4)], "DRAIN instruction 0: first group 4"),
        ([], [drain(channel=5, groups=3)], "DRAIN instruction 0: parameter line 8"),
        ([], [drain(table=5)], "DRAIN instruction 0: table 5, expected less than 5"),
    ],
)
def test_beyond_the_core(computes, drains, message):
    what = program(CONFIG, computes=computes or [compute(Op.SCALE)], drains=drains or [drain(wait=len(computes))])
    with pytest.raises(ValueError, match=message):
        run(what, lines(4))


def test_a_compact_core_keeps_maxima_of_int8_alone():
    config = dataclasses.replace(CONFIG, lanes=1, window=0, compact=1)
    computes = [compute(Op.SCALE, factor_a=100), compute(Op.MAXIMUM, clear=0)]
    before = np.full_like(lines(5), 2)
    with pytest.raises(ValueError, match="COMPUTE instruction 1: MAXIMUM of accumulators that do not hold int8"):
        run(program(config, computes=computes, drains=[drain(wait=2)]), before)
    computes[0]["factor_a"] = 63
    run(program(config, computes=computes, drains=[drain(wait=2)]), before)


def test_weights_beyond_the_memory():
    loads = [dict(last=0, vector=0, tiles=0, address=61)]
    what = program(CONFIG, loads=loads, computes=[compute(Op.MATMUL)], drains=[drain(wait=1)])
    with pytest.raises(ValueError, match="COMPUTE instruction 0: weight address 64, expected less than 64"):
        run(what, lines(5))


def test_words_outside_the_image_have_no_address():
    """An address beyond the memory does not matter where the padding is read."""
    computes = [compute(Op.SCALE, **SCALE, base=120, width=7, pixel_x=1, pad=9)]
    before = lines(6)
    after = run(program(CONFIG, computes=computes, drains=[drain(wait=1, pixels=11, groups=3, base=HALF)]), before)
    assert (after[8:12] == 9).all()


WINDOW = dataclasses.replace(core("4x3"), act_words=512, acc_words=32, channel_words=32, weight_words=64, window=16)


@pytest.mark.parametrize("kernel", [(3, 3), (1, 3), (2, 1)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 3)])
def test_window(kernel, strides):
    """A depthwise convolution of an image of 5 x 6 words, padded by one all around."""
    random = np.random.default_rng(kernel[0] + strides[0])
    before, pad = lines(2, WINDOW), -7
    weight = random.integers(-128, 128, (*kernel, 4))
    taps = np.zeros((4, 9), np.int8)
    for y in range(kernel[0]):
        for x in range(kernel[1]):
            taps[:, 3 * (kernel[0] - 1 - y) + kernel[1] - 1 - x] = weight[y, x]
    padded = np.pad(before[:30].reshape(5, 6, 4), ((1, 1), (1, 1), (0, 0)), constant_values=pad).astype(np.int64)
    height, width = ((size - k) // stride + 1 for size, k, stride in zip((7, 8), kernel, strides, strict=True))
    expected = np.array(
        [
            [
                (padded[y * strides[0] :, x * strides[1] :][: kernel[0], : kernel[1]] * weight).sum(axis=(0, 1))
                for x in range(width)
            ]
            for y in range(height)
        ]
    ).reshape(-1, 4)
    fields = dict(window=1, read=65536 - 7, read_row=6, read_pixel=1, rows=6, columns_in=7, y=-1, x=-1, pad=pad)
    fields |= dict(height=4, width=5, skip_y=kernel[0] - 1, skip_x=kernel[1] - 1)
    fields |= dict(step_y=strides[0] - 1, step_x=strides[1] - 1, pixels=height * width - 1, groups=3)
    one = program(WINDOW, computes=[compute(Op.SCALE)], drains=[drain(base=256, **fields)], lanes=taps)
    assert (run(one, before)[: height * width] == number.requantize(expected, np.ones(4), 0, -128, 127)).all()


@pytest.mark.parametrize("p, q", [(300, -77), (32639, -32896), (1, 0)])
def test_sum(p, q):
    before, multiplier = lines(3, WINDOW), np.float32(0.001)
    taps = np.zeros((4, 9), np.int8)
    for place, factor in ((0, q), (1, p)):
        high = (factor + 128) >> 8
        taps[:, place], taps[:, place + 3] = factor - 256 * high, high
    fields = dict(window=1, sum=1, read=3, read_pixel=1, read_pair=40, columns_in=29, width=29, pixels=29, groups=3)
    one = program(
        WINDOW,
        computes=[compute(Op.SCALE)],
        drains=[drain(base=256, **fields)],
        channels=([0] * 4, [multiplier] * 4),
        lanes=taps,
    )
    expected = before[3:33].astype(np.int64) * p + before[43:73].astype(np.int64) * q
    assert (run(one, before)[:30] == number.requantize(expected, np.full(4, multiplier), 0, -128, 127)).all()


def test_late_bytes():
    """A window reads what was there before, unless it waits for the instruction that writes it."""
    before, taps = lines(4, WINDOW), np.zeros((4, 9), np.int8)
    taps[:, 0] = 1
    fields = dict(window=1, read_pixel=1, columns_in=9, width=9, pixels=9, groups=3)
    for after, expected in ((0, np.zeros((10, 4))), (1, before[:10])):
        drains = [drain(base=256, read=0, **fields), drain(base=300, read=256, after=after, **fields)]
        one = program(WINDOW, computes=[compute(Op.SCALE)], drains=drains, lanes=taps)
        assert (run(one, before)[44:54] == expected).all()
        assert (run(one, before, "early")[44:54] == before[:10]).all()
