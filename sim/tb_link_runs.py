"""Testbench: runs behind the link alone, begun, repeated, held and overtaken."""

import cocotb
from cocotb.triggers import FallingEdge, Timer

from rtl.spec.link import MAX_WORDS, Op, encode
from rtl.spec.registers import RUNS

from .link_host import DIVISOR, SILENCE_NS, board


@cocotb.test()
async def runs(dut):
    """INPUTs and a RUN; each length of output; the number of the run goes round."""
    host = await board(dut)
    for number in range(1, RUNS + 3):
        host.any_run()
        for _ in range(host.rng.randrange(3)):
            await host.ask(host.of_a_run(Op.INPUT, number), gap=host.rng.choice([0, 2]))
        await host.ask(host.of_a_run(Op.RUN, number), gap=host.rng.choice([0, 2]))
    await host.idle()
    assert not dut.active.value


@cocotb.test()
async def requests_in_a_run(dut):
    """Others are served; INPUT and RUN of any other number than the next leave no trace; a RUN again starts nothing."""
    host = await board(dut)
    host.set_output(0x100123, 3)
    run = host.of_a_run(Op.RUN, 1)
    host.accesses.clear()
    await host.say(encode(run))
    await Timer(2 * SILENCE_NS, "ns")
    assert host.accesses == host.accesses_of(run) and not host.heard and dut.active.value
    for _ in range(3):
        await host.ask(host.request())
        for number in range(16):
            if number not in (1, 2):
                host.accesses.clear()
                await host.say(encode(host.of_a_run(host.rng.choice([Op.INPUT, Op.RUN]), number, 1)))
        await host.say(encode(host.of_a_run(Op.INPUT, 1)))
        await host.say(encode(run))
        await Timer(SILENCE_NS, "ns")
        assert not host.accesses and not host.heard
    host.expect(run)
    await host.over()
    assert await host.answer() == host.answer_to(run)
    # Once over, the answer may be had as often as one likes, and nothing else happens.
    for _ in range(3):
        host.accesses.clear()
        await host.say(encode(run))
        assert await host.answer() == host.answer_to(run)
        assert host.accesses == [("r", 0x100123 + n) for n in range(3)]
    await host.silence(encode(host.of_a_run(Op.INPUT, 1)))
    await host.silence(encode(host.of_a_run(Op.RUN, 0)))


@cocotb.test()
async def the_next_run_waits_for_the_answer_to_the_last(dut):
    """INPUT or RUN for the next run, behind a RUN that is going on: it is performed when that is over and answered."""
    host = await board(dut)
    number = 0
    for op in (Op.INPUT, Op.RUN) * 4:
        number += 1
        host.set_output(0x100000 + 0x100 * number, host.rng.choice([1, 4, MAX_WORDS]))
        run, ahead = host.of_a_run(Op.RUN, number), host.of_a_run(op, number + 1)
        read = [("r", host.output[0] + n) for n in range(host.output[1])]
        host.accesses.clear()
        host.expect(run, ahead)
        await host.say(encode(run) + bytes(60 * 20 // DIVISOR) + encode(ahead))
        await Timer(SILENCE_NS, "ns")
        assert host.accesses == host.accesses_of(run) and not host.heard
        host.accesses.clear()
        await host.over()
        assert await host.answer() == host.answer_to(run)
        if op is Op.RUN:
            await Timer(SILENCE_NS, "ns")
            assert host.accesses == read + host.accesses_of(ahead) and not host.heard
            number += 1
            await host.over()
            assert await host.answer() == host.answer_to(ahead)
            host.accesses = host.accesses[: -len(read)]
        else:
            assert await host.answer() == host.answer_to(ahead)
        assert host.accesses == read + host.accesses_of(ahead)


@cocotb.test()
async def a_run_without_end_is_no_end_of_the_link(dut):
    """What waits for it is dropped when another frame begins, and the frame after that is served."""
    host = await board(dut)
    host.set_output(0x100000, 2)
    run = host.of_a_run(Op.RUN, 1)
    await host.say(encode(run))
    for op in (Op.INPUT, Op.RUN):
        host.accesses.clear()
        await host.say(bytes(60 * 20 // DIVISOR) + encode(host.of_a_run(op, 2)))
        await Timer(SILENCE_NS, "ns")
        await host.say(encode(host.request(Op.READ, 1)))
        await Timer(SILENCE_NS, "ns")
        assert not host.heard and host.accesses in ([], host.accesses_of(run))
        await host.ask(host.request())
    host.expect(run)
    await host.over()
    assert await host.answer() == host.answer_to(run)
    await host.idle()
    assert not host.heard and not dut.active.value


@cocotb.test()
async def a_core_that_is_reset_refuses_runs(dut):
    host = await board(dut)
    host.set_output(0x100000, 2)
    host.run_cycles = 10
    await host.ask(host.of_a_run(Op.RUN, 1))
    host.set_output(0x100000, 0)
    dut.bus__run.value = 0
    for number in range(RUNS):
        run = host.of_a_run(Op.RUN, number, 2)
        host.accesses.clear()
        await host.say(encode(run))
        refused = await host.answer()
        assert (refused.op, refused.sequence, refused.address, refused.count) == (
            Op.REFUSED,
            run.sequence,
            run.address,
            run.count,
        )
        assert not host.accesses


@cocotb.test()
async def an_input_comes_when_the_run_needs_its_own_no_more(dut):
    """And each word of it when the core lets it: until then address and data stand still."""
    host = await board(dut)
    host.set_output(0x100000, 2)

    async def core_writes():
        while True:
            await dut.bus__w_en.rising_edge
            for _ in range(3):
                await FallingEdge(dut.clk)
            there = int(dut.bus__addr.value), int(dut.bus__w_data.value)
            dut.bus__w_wait.value = 1
            for _ in range(host.rng.choice([0, 1, 2, 30])):
                await FallingEdge(dut.clk)
                assert (int(dut.bus__addr.value), int(dut.bus__w_data.value)) == there and not dut.bus__w_en.value
            dut.bus__w_wait.value = 0

    cocotb.start_soon(core_writes())
    for number in range(1, 5):
        run, ahead = host.of_a_run(Op.RUN, number), host.of_a_run(Op.INPUT, number + 1)
        host.accesses.clear()
        host.expect(run, ahead)
        # The core may let the last words of a RUN wait long: time for them, too.
        await host.say(encode(run) + bytes(60 * 60 // DIVISOR))
        await host.say(encode(ahead))
        await Timer(SILENCE_NS, "ns")
        assert host.accesses == host.accesses_of(run) and not host.heard
        await FallingEdge(dut.clk)
        dut.bus__free.value = 1
        assert await host.answer() == host.answer_to(ahead)
        assert host.accesses == host.accesses_of(run) + host.accesses_of(ahead) and dut.bus__busy.value
        await host.over()
        assert await host.answer() == host.answer_to(run)
