"""The LOAD unit against its schedule: the cycle and the address of every weight word, for takes at random times."""

import dataclasses

import numpy as np
import pytest
from simulate import simulate

from rtl.loader import Loader
from rtl.spec.config import core


def instructions(random, config, count):
    """Yield fields of `isa.Load`, the last one marked; some run over the end of the weight memory."""
    for index in range(count):
        yield {
            "last": int(index == count - 1),
            "vector": int(random.integers(2)),
            "tiles": int(random.choice([0, 1, random.integers(6)])),
            "address": int(random.choice([0, config.weight_words - 1, random.integers(config.weight_words)])),
        }


@pytest.mark.parametrize("eagerness", [1.0, 0.4, 0.1])
@pytest.mark.parametrize(
    ("name", "weight_rows"), [("4x3", 1), ("3x4", 1), ("2x1", 1), ("4x3", 2), ("6x4", 2), ("2x1", 2)]
)
def test_equals_its_schedule(name, weight_rows, eagerness):
    config = dataclasses.replace(core(name), weight_rows=weight_rows)
    dut = Loader(config)
    random = np.random.default_rng(config.rows)

    async def run(ctx, count):
        """Start a program; compare every cycle until all its tiles are taken."""
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        waiting = list(instructions(random, config, count))
        addresses, loads = {}, {}
        # The instruction under way; its tiles to come; the cycle from which one may be begun; when one is ready.
        now, tiles, address, free, ready_at, finished_at = None, 0, 0, 0, None, None
        cycle = 0
        while waiting or tiles or ready_at is not None or cycle < free + 10:
            ready = ready_at is not None and cycle >= ready_at
            offered = bool(waiting) and random.random() < 0.7
            take = ready and random.random() < eagerness
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.i.payload, waiting[0] if offered else {"tiles": 3, "address": 77, "last": 1})
            ctx.set(dut.take, take)

            assert ctx.get(dut.ready) == ready, f"cycle {cycle}"
            assert ctx.get(dut.finished) == (finished_at is not None and cycle >= finished_at), f"cycle {cycle}"
            assert (ctx.get(dut.o_load), ctx.get(dut.o_vector_load)) == loads.get(cycle, (0, 0)), f"cycle {cycle}"
            if cycle in addresses:
                assert ctx.get(dut.o_address) == addresses[cycle], f"cycle {cycle}"
            idle = tiles == 0 and cycle >= free
            assert ctx.get(dut.i.ready) == idle, f"cycle {cycle}"

            # Whether a tile is begun is decided before this cycle's take and instruction.
            if tiles and cycle >= free and ready_at is None:
                words = 1 if now["vector"] else config.tile_words
                loads[cycle + 1] = (1 - now["vector"], now["vector"])
                for word in range(words):
                    addresses[cycle + 1 + word] = address % config.weight_words
                    address += 1
                ready_at = free = cycle + words
                tiles -= 1
                if not tiles and now["last"]:
                    finished_at = free
            if take:
                ready_at = None
            if offered and idle:
                now = waiting.pop(0)
                tiles, address, free = now["tiles"] + 1, now["address"], cycle + 1
            await ctx.tick()
            cycle += 1
        ctx.set(dut.take, 0)
        assert finished_at is not None

    async def bench(ctx):
        for count in (1, 12, 20):
            await run(ctx, count)

    simulate(dut, bench)


def test_start_forgets_the_tile_of_the_run_before():
    """A tile that nothing took is not there any more after the next start."""
    dut = Loader(core("3x4"))

    async def bench(ctx):
        ctx.set(dut.i.payload, {"tiles": 5, "address": 9})
        ctx.set(dut.i.valid, 1)
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        await ctx.tick().repeat(20)
        assert ctx.get(dut.ready) and not ctx.get(dut.i.ready)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        for _ in range(10):
            assert not ctx.get(dut.ready) and ctx.get(dut.i.ready) and not ctx.get(dut.o_load)
            await ctx.tick()

    simulate(dut, bench)
