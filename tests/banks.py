"""Which bank of activation memory instructions read, and whether tokens keep COMPUTE and the window unit apart."""

import itertools

import numpy as np

from rtl.spec import isa


def _inside(places, last):
    return (places >= 0) & (places <= last)


def _axis(now, axis):
    """Return place and address of each tap and pixel along one axis of a COMPUTE."""
    tap, pixel = np.arange(now[f"taps_{axis}"] + 1)[:, None], np.arange(now[f"pixels_{axis}"] + 1)
    place = now[axis] + tap * now[f"tap_{axis}"] + pixel * now[f"pixel_{axis}"]
    return place, tap * now[f"tap_{axis}_stride"] + pixel * now[f"pixel_{axis}_stride"]


def compute_reads(now):
    """Return the addresses that a COMPUTE reads inside of its image."""
    (y, rows), (x, columns) = (_axis(now, axis) for axis in "yx")
    inside = _inside(y, now["height"])[:, :, None, None] & _inside(x, now["width"])
    inside |= now["op"] == isa.Op.PRODUCT
    address = now["base"] + rows[:, :, None, None] + columns
    blocks = np.arange(now["blocks"] + 1) * now["block_stride"]
    reads = (address[inside][:, None] + blocks) % (1 << 16)
    steps = (now["blocks"] + 1) * (now["taps_y"] + 1) * (now["taps_x"] + 1) * (now["pixels_y"] + 1)
    captured = now["factor"] + np.arange(steps if now["op"] == isa.Op.PRODUCT else 0)
    return np.concatenate([reads.reshape(-1), captured % (1 << 16)])


def drain_reads(now, config):
    """Return the addresses that a DRAIN streams inside of its image: none from the accumulators."""
    if not now["window"]:
        return np.zeros(0, np.int64)
    y, x = np.arange(now["rows"] + 1)[:, None], np.arange(now["columns_in"] + 1)
    inside = _inside(now["y"] + y, now["height"]) & _inside(now["x"] + x, now["width"])
    words = (now["first"] + now["groups"]) * config.lanes // config.rows + 1
    behind = [
        now["read_pair"] * pair + now["read_stride"] * word for pair in range(1 + now["sum"]) for word in range(words)
    ]
    address = (now["read"] + y * now["read_row"] + x * now["read_pixel"])[inside]
    return (address[:, None] + np.array(behind)).reshape(-1) % (1 << 16)


def clashes(program):
    """Return the pairs of COMPUTE and DRAIN that may read the same bank at the same time."""
    config = program.config
    computes = program.instructions(isa.Compute, program.compute)
    drains = program.instructions(isa.Drain, program.drain)
    half = config.act_words // 2
    computes_banks = [set((compute_reads(now) // half).tolist()) for now in computes]
    drains_banks = [set((drain_reads(now, config) // half).tolist()) for now in drains]
    # A unit runs in order, so each of its instructions has waited for what those before it waited for.
    compute_waits = list(itertools.accumulate((now["wait"] for now in computes), max))
    drain_waits = list(itertools.accumulate((now["wait"] for now in drains), max))
    return [
        (compute, drain)
        for drain, streamed in enumerate(drains_banks)
        for compute, read in enumerate(computes_banks)
        if streamed & read and compute_waits[compute] <= drain and drain_waits[drain] <= compute
    ]
