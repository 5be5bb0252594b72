"""Programs written instruction by instruction, for tests of what the compiler has no use for, or not yet."""

import numpy as np

from rtl.spec import graph, isa, number, timing
from rtl.spec.layout import Placement
from rtl.spec.program import Layer, Program

STRIDES = [-3, -1, 0, 1, 2, 5]


def compute(op, **fields):
    """Return the fields of an `isa.Compute` that clears half 0; what is not given is 0, but the image has no end."""
    names = dict.fromkeys(isa.from_words(isa.Compute, np.zeros(isa.words(isa.Compute), np.uint32)), 0)
    return names | {"op": op, "clear": 1, "height": 2047, "width": 2047} | fields


def drain(**fields):
    """Return the fields of an `isa.Drain` that writes neighbouring words; what is not given is 0."""
    names = dict.fromkeys(isa.from_words(isa.Drain, np.zeros(isa.words(isa.Drain), np.uint32)), 0)
    return names | {"mark": 1, "columns": 1023, "pixel_stride": 1, "low": -128, "high": 127} | fields


def program(config, *, loads=(), computes, drains, weights=None, channels=None, tables=None, lanes=None, lines=None):
    """Return a program that reads the tensor ``before``, the lower half of activation memory, and writes ``after``.

    ``weights``: int8 (lines, weight_bytes); ``channels``: lists of bias and multiplier, without which bytes stay what
    they are; ``tables``: int8 (n, 256); ``lanes``: int8 (rows, 9), the taps of the window unit for each channel of a
    word, which then follow the parameters of each group of lanes. ``lines``: parameter memory as it is, instead of
    both.
    """
    loads = list(loads) or [dict(last=0, vector=1, tiles=0, address=0)]
    bias, multiplier = channels if channels else ([0] * config.banks, [1.0] * config.banks)
    mantissa, shift = number.split_multiplier(np.array(multiplier, np.float32))
    if lines is None:
        lines = isa.channel_lines(np.array(bias), mantissa, shift, config.parameter_bytes)
        lines = lines if lanes is None else _with_taps(config, lines, lanes)
    half = config.act_words // 2
    shape = (config.rows, 1, half)
    unit = np.float32(1)
    program_words = []
    for layout, instructions in ((isa.Load, loads), (isa.Compute, computes), (isa.Drain, drains)):
        instructions[-1]["last"] = 1
        program_words.append(np.concatenate([isa.to_words(layout, **instruction) for instruction in instructions]))
    timeline = timing.predict(config, loads, computes, drains)
    return Program(
        config=config,
        graph=graph.Graph(
            "program",
            (graph.Port("image", "before", (-1, *shape), "int8", quantized=True),),
            (graph.Port("result", "after", (-1, *shape), "int8", quantized=True),),
            {name: graph.Tensor(name, shape, unit, 0) for name in ("before", "after")},
        ),
        load=program_words[0],
        compute=program_words[1],
        drain=program_words[2],
        weights=np.array(np.zeros((1, config.weight_bytes)) if weights is None else weights, np.int8).view(np.uint8),
        channels=lines,
        tables=np.array(np.zeros((0, 256)) if tables is None else tables, np.int8).view(np.uint8),
        placements={"before": Placement(0, shape), "after": Placement(half, shape)},
        packings={},
        kept=("before", "after"),
        layers=tuple(
            Layer(f"drain {index}", "", 0, int(cycles)) for index, cycles in enumerate(np.diff([0, *timeline.marks]))
        ),
        free=0,
        cycles=timeline.total,
        notes=(),
    )


def _with_taps(config, lines, lanes):
    taps = lanes.view(np.uint8)
    groups = [slice(first, first + config.lanes) for first in range(0, config.rows, config.lanes)]
    return np.concatenate([part for group in groups for part in (lines[group], taps[group])])


def parameter_lines(random, config):
    """Return parameter memory full of random lines.

    Those of the upper half are groups of `Channel` and taps, of which only those of a sum (of a 2x2 window) are not 0.
    """
    count, lanes = config.channel_words, config.lanes
    mantissa, shift = number.split_multiplier((2.0 ** random.uniform(-15, -5, count)).astype(np.float32))
    bias = random.choice([-(2**29), *random.integers(-5000, 5000, 20)], count)
    lines = isa.channel_lines(bias, mantissa, shift, config.parameter_bytes)
    if config.window:
        lines[:, 8] = random.integers(0, 256, count)
        sums = random.choice([0, 127, 128, 255, *random.integers(0, 256, 9)], (count // 4 // lanes, lanes, 9))
        sums[:, :, [2, 5, 6, 7, 8]] = 0
        lines[count // 2 :].reshape(-1, 2, lanes, 9)[:, 1] = sums
    return lines


def random_window(random, config, area):
    """Return fields of an `isa.Drain` whose windows read addresses of the area, first..last.

    Whether it skips fewer than two rows or columns tells whether it needs parameters of the upper half of
    `parameter_lines`.
    """
    pair = int(random.integers(1, 3))
    skip_y, skip_x = (int(random.integers(2 - pair, 3)) for _ in range(2))
    rows, columns = (skip + int(random.integers(1, 4)) for skip in (skip_y, skip_x))
    step_y, step_x = (int(random.integers(3)) for _ in range(2))
    outputs = -(-(rows - skip_y) // (step_y + 1)) * -(-(columns - skip_x) // (step_x + 1))
    loops = {
        "read_row": (rows, STRIDES),
        "read_pixel": (columns, STRIDES),
        "read_pair": (pair, STRIDES),
        "read_stride": (-(-config.banks // config.rows) + 1, STRIDES),
    }
    read, steps = _place(random, loops, *area)
    names = {"rows": rows - 1, "columns_in": columns - 1, "pixels": outputs - 1, "sum": pair - 1}
    skips = {"skip_y": skip_y, "skip_x": skip_x, "step_y": step_y, "step_x": step_x}
    image = {name: int(random.integers(-2, 3)) for name in ("y", "x")}
    image |= {name: int(random.choice([0, 1, 3, 2047])) for name in ("height", "width")}
    return {"window": 1, "read": read, "pad": int(random.integers(-128, 128))} | names | skips | image | steps


def _place(random, loops, first, last):
    """Return a base and a stride for each loop (name: (count, choices)), all modulo 2**16, that stay in first..last."""
    while True:
        strides = {name: int(random.choice(choices)) for name, (_, choices) in loops.items()}
        ends = [sorted((0, strides[name] * (count - 1))) for name, (count, _) in loops.items()]
        low, high = first - sum(end[0] for end in ends), last - sum(end[1] for end in ends)
        if low <= high:
            base = int(random.integers(low, high + 1))
            return base % (1 << 16), {name: stride % (1 << 16) for name, stride in strides.items()}


def random_program(config, seed, groups=20):
    """Return a program of random instructions: short steps of every operation, strides of every sign, all tables.

    Accumulators are filled by one to three instructions and drained by one; tokens are no stricter than they must be.
    """
    random = np.random.default_rng(seed)
    middle = config.act_words // 2
    loads, computes, drains = [], [], []
    weights = [np.zeros((1, config.weight_bytes))]
    strides = STRIDES
    free = [0, 0]
    # By bank of activation memory: how many COMPUTEs, and window DRAINs, may read it.
    computing, windows = [0, 0], [0, 0]
    for _ in range(groups):
        half = int(random.integers(2))
        pixels = [int(random.choice([1, 1, 1, 2])), int(random.choice([1, 2, 3, 5]))]
        for clear in [1, 0, 0][: int(random.integers(1, 4))]:
            op = isa.Op(random.choice([0, 1, 2, 3, 4, 4, 4]))
            if config.compact and op is isa.Op.MAXIMUM and not clear and computes[-1]["op"] != isa.Op.MAXIMUM:
                op = isa.Op.SCALE
            counts = {"blocks": int(random.choice([1, 1, 3])), "taps_y": int(random.integers(1, 3)), "taps_x": 1}
            counts |= dict(zip(("pixels_y", "pixels_x"), random.permutation(pixels).tolist(), strict=True))
            # What was drained is read after all that was drained before.
            chained = random.random() < 0.3
            area = (middle, config.act_words - 1) if chained else (0, middle - 1)
            loops = dict(zip(("block", "tap_y", "tap_x", "pixel_y", "pixel_x"), counts.values(), strict=True))
            base, steps = _place(random, {f"{name}_stride": (n, strides) for name, n in loops.items()}, *area)
            captures = counts["blocks"] * counts["taps_y"] * counts["pixels_y"]
            factor, _ = _place(random, {"factor": (captures, [1])}, *area)
            fields = {name: count - 1 for name, count in counts.items()} | steps
            fields |= {name: int(random.integers(0, 3)) for name in ("tap_y", "tap_x", "pixel_y", "pixel_x")}
            fields |= {"y": int(random.integers(-1, 2)), "x": int(random.integers(-1, 2)), "height": 2, "width": 2}
            product = op is isa.Op.PRODUCT
            fields |= {"factor_a": int(random.integers(-127, 129) if product else random.integers(-999, 999))}
            fields |= {"factor_b": int(random.integers(-999, 999)), "pad": int(random.integers(-128, 128))}
            wait = max(free[half], len(drains) if chained else 0, windows[chained])
            computing[chained] = len(computes) + 1
            computes.append(compute(op, half=half, clear=clear, wait=wait, base=base, factor=factor, **fields))
            tiles = counts["blocks"] * counts["taps_y"]
            if op in (isa.Op.MATMUL, isa.Op.DEPTHWISE):
                vector = int(op is isa.Op.DEPTHWISE)
                loads.append(dict(last=0, vector=vector, tiles=tiles - 1, address=sum(map(len, weights))))
                lines = tiles * (1 if vector else config.tile_words)
                weights.append(random.integers(-127, 128, (lines, config.weight_bytes)))

        count = pixels[0] * pixels[1]
        drains.append(_random_drain(random, config, count, wait=len(computes), half=half))
        free[half] = len(drains)
        for _ in range(int(random.integers(3)) if config.window else 0):
            chained = int(random.random() < 0.5)
            tokens = {"wait": computing[chained], "after": len(drains) if chained else 0}
            area = (middle, config.act_words - 1) if chained else (0, middle - 1)
            source = random_window(random, config, area)
            drains.append(_random_drain(random, config, source["pixels"] + 1, **source, **tokens))
            windows[chained] = len(drains)
    return program(
        config,
        loads=loads,
        computes=computes,
        drains=drains,
        weights=np.concatenate(weights),
        lines=parameter_lines(random, config),
        tables=random.integers(-128, 128, (config.tables, 256)),
    )


def _random_drain(random, config, count, **source):
    """Return a DRAIN of ``count`` pixels that writes into the upper half of activation memory."""
    groups = int(random.integers(1, config.banks // config.lanes + 1))
    first = int(random.integers(config.rows // config.lanes))
    columns = int(random.choice([1, 2, 3, count]))
    loops = {
        "stride": (-(-(first + groups) * config.lanes // config.rows), STRIDES),
        "pixel_stride": (min(columns, count), STRIDES),
        "row_stride": (-(-count // columns), STRIDES),
    }
    base, steps = _place(random, loops, config.act_words // 2, config.act_words - 1)
    low, high = sorted(int(bound) for bound in random.integers(-128, 128, 2))
    lines = (1 + source.get("window", 0)) * groups * config.lanes
    half = config.channel_words // 2
    channel = int(random.integers((half - lines) // config.lanes + 1)) * config.lanes
    if min(source.get("skip_y", 2), source.get("skip_x", 2)) < 2 or source.get("sum"):
        channel = half + int(random.integers((half - lines) // (2 * config.lanes) + 1)) * 2 * config.lanes
    return drain(
        **{"pixels": count - 1} | source | steps,
        groups=groups - 1,
        first=first,
        base=base,
        columns=columns - 1,
        channel=channel,
        zero_point=int(random.integers(-60, 60)),
        low=int(random.choice([-128, -128, low])),
        high=int(random.choice([127, 127, high])),
        table=int(random.integers(config.tables + 1)),
    )
