"""Testbench: the link of a core with parity alone: CHECK, and runs that were upset."""

import cocotb
from cocotb.triggers import Timer

from rtl.spec.link import Frame, Op, encode
from rtl.spec.registers import RUNS

from .link_host import DIVISOR, SILENCE_NS, board


@cocotb.test()
async def every_count(dut):
    """CHECKs of each length, and reads and writes between them; the digest is that of the words of this one alone."""
    host = await board(dut, latency=(1, 40))
    for count in (1, 2, 3, 31, 63, 64):
        await host.ask(host.request(Op.CHECK, count), gap=host.rng.choice([0, 3]))
        await host.ask(host.request())
    assert not dut.error.value


@cocotb.test()
async def a_wrong_parity_in_any_word(dut):
    """The complement is answered, and only to those who ask for that word; a READ gives it as it is."""
    host = await board(dut)
    for count in (1, 2, 5):
        for place in range(count):
            asked = host.request(Op.CHECK, count)
            host.spoiled = {asked.address + place}
            await host.ask(asked)
            await host.ask(Frame(Op.READ, 3, asked.address, count))
            host.spoiled = {asked.address - 1, asked.address + count}
            await host.ask(asked)


@cocotb.test()
async def runs_that_were_upset(dut):
    """Their answers bring nothing, however often they are asked for; other requests are served as ever."""
    host = await board(dut)
    for number in range(1, RUNS + 3):
        host.upset = host.rng.random() < 0.5
        host.any_run()
        run = host.of_a_run(Op.RUN, number)
        await host.ask(host.of_a_run(Op.INPUT, number))
        await host.ask(run)
        await host.ask(host.request(host.rng.choice([Op.READ, Op.WRITE, Op.CHECK])))
        await host.say(encode(run))
        host.expect(run)
        assert await host.answer() == host.answer_to(run)
    await host.idle()
    assert not dut.active.value


@cocotb.test()
async def a_check_behind_a_run(dut):
    """The answer to a RUN that is over while a CHECK comes in is of the one, the digest of the other."""
    host = await board(dut)
    host.set_output(0x100000, 5)
    for number in range(1, RUNS):
        host.upset = bool(number % 2)
        host.run_cycles = None
        run, check = host.of_a_run(Op.RUN, number, 1), host.request(Op.CHECK, 9)
        host.spoiled = {check.address} if number % 4 < 2 else set()
        await host.say(encode(run))
        await Timer(SILENCE_NS, "ns")
        host.expect(run, check)
        cocotb.start_soon(host.say(encode(check)))
        await Timer(host.rng.randrange(13 * 12) * DIVISOR * 10, "ns")
        await host.over()
        found = [await host.answer(), await host.answer()]
        assert sorted(found, key=lambda frame: frame.op) == [host.answer_to(run), host.answer_to(check)]
        await host.idle()
