"""Programs written instruction by instruction, for tests of what the compiler has no use for, or not yet."""

import numpy as np

from rtl.spec import graph, isa, number, timing
from rtl.spec.layout import Placement
from rtl.spec.program import Layer, Program


def compute(op, **fields):
    """Return the fields of an `isa.Compute` that clears half 0; what is not given is 0, but the image has no end."""
    names = dict.fromkeys(isa.from_words(isa.Compute, np.zeros(isa.words(isa.Compute), np.uint32)), 0)
    return names | {"op": op, "clear": 1, "height": 2047, "width": 2047} | fields


def drain(**fields):
    """Return the fields of an `isa.Drain` that writes neighbouring words; what is not given is 0."""
    names = dict.fromkeys(isa.from_words(isa.Drain, np.zeros(isa.words(isa.Drain), np.uint32)), 0)
    return names | {"mark": 1, "columns": 1023, "pixel_stride": 1, "low": -128, "high": 127} | fields


def program(config, *, loads=(), computes, drains, weights=None, channels=None, tables=None, lanes=None):
    """Return a program that reads the tensor ``before``, the lower half of activation memory, and writes ``after``.

    ``weights``: int8 (lines, banks); ``channels``: lists of bias and multiplier, without which bytes stay what they
    are; ``tables``: int8 (n, 256); ``lanes``: int8 (rows, 9), the taps of the window unit for each channel of a word, which
    then follow the parameters of each group of lanes.
    """
    loads = list(loads) or [dict(last=0, vector=1, tiles=0, address=0)]
    bias, multiplier = channels if channels else ([0] * config.banks, [1.0] * config.banks)
    mantissa, shift = number.split_multiplier(np.array(multiplier, np.float32))
    lines = config.act_words // 2
    shape = (config.rows, 1, lines)
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
        weights=np.array(np.zeros((1, config.banks)) if weights is None else weights, np.int8).view(np.uint8),
        channels=_parameters(config, isa.channel_lines(np.array(bias), mantissa, shift, config.parameter_bytes), lanes),
        tables=np.array(np.zeros((0, 256)) if tables is None else tables, np.int8).view(np.uint8),
        placements={"before": Placement(0, shape), "after": Placement(lines, shape)},
        kept=("before", "after"),
        layers=tuple(
            Layer(f"drain {index}", "", 0, int(cycles)) for index, cycles in enumerate(np.diff([0, *timeline.marks]))
        ),
        cycles=timeline.total,
        notes=(),
    )


def _parameters(config, lines, lanes):
    if lanes is None:
        return lines
    taps = lanes.view(np.uint8)
    groups = [slice(first, first + config.lanes) for first in range(0, config.rows, config.lanes)]
    return np.concatenate([part for group in groups for part in (lines[group], taps[group])])


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
    weights = [np.zeros((1, config.banks))]
    strides = [-3, -1, 0, 1, 2, 5]
    free = [0, 0]
    for _ in range(groups):
        half = int(random.integers(2))
        pixels = [int(random.choice([1, 1, 1, 2])), int(random.choice([1, 2, 3, 5]))]
        for clear in [1, 0, 0][: int(random.integers(1, 4))]:
            op = isa.Op(random.choice([0, 1, 2, 3, 4, 4, 4]))
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
            wait = max(free[half], len(drains) if chained else 0)
            computes.append(compute(op, half=half, clear=clear, wait=wait, base=base, factor=factor, **fields))
            tiles = counts["blocks"] * counts["taps_y"]
            if op in (isa.Op.MATMUL, isa.Op.DEPTHWISE):
                vector = int(op is isa.Op.DEPTHWISE)
                loads.append(dict(last=0, vector=vector, tiles=tiles - 1, address=sum(map(len, weights))))
                lines = tiles * (1 if vector else config.rows)
                weights.append(random.integers(-127, 128, (lines, config.banks)))

        groups_of_lanes = int(random.integers(1, config.banks // config.lanes + 1))
        first = int(random.integers(config.rows // config.lanes))
        count = pixels[0] * pixels[1]
        columns = int(random.choice([1, 2, 3, count]))
        loops = {
            "stride": (-(-(first + groups_of_lanes) * config.lanes // config.rows), strides),
            "pixel_stride": (min(columns, count), strides),
            "row_stride": (-(-count // columns), strides),
        }
        base, steps = _place(random, loops, middle, config.act_words - 1)
        low, high = sorted(int(bound) for bound in random.integers(-128, 128, 2))
        drains.append(
            drain(
                wait=len(computes),
                half=half,
                pixels=count - 1,
                groups=groups_of_lanes - 1,
                first=first,
                base=base,
                columns=columns - 1,
                channel=int(random.integers((config.channel_words - config.banks) // config.lanes)) * config.lanes,
                zero_point=int(random.integers(-60, 60)),
                low=int(random.choice([-128, -128, low])),
                high=int(random.choice([127, 127, high])),
                table=int(random.integers(config.tables + 1)),
                **steps,
            )
        )
        free[half] = len(drains)
    bias = random.integers(-999, 999, config.channel_words)
    multiplier = 2.0 ** random.uniform(-15, -5, config.channel_words)
    return program(
        config,
        loads=loads,
        computes=computes,
        drains=drains,
        weights=np.concatenate(weights),
        channels=(bias, multiplier),
        tables=random.integers(-128, 128, (config.tables, 256)),
    )
