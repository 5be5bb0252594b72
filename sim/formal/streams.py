"""Claims about instructions and tokens: nothing is lost, doubled, or begun too early."""

from typing import Any

from amaranth.hdl import Mux, Signal, Value

from rtl.countdown import Countdown
from rtl.drain_groups import DrainGroups
from rtl.fetch import Fetch
from rtl.loader import Loader
from rtl.registers import Registers
from rtl.sequencer import Sequencer
from rtl.spec import isa, timing
from rtl.spec.config import Config
from rtl.spec.registers import REGION_SHIFT, RUN_BITS, Region, Register

from .harness import Claim, Harness

SMALL = Config(
    rows=2,
    columns=2,
    lanes=1,
    act_words=16,
    weight_words=16,
    weight_rows=1,
    acc_words=4,
    channel_words=8,
    program_words=16,
    tables=2,
    window=0,
    compact=0,
)


def _fetched(harness: Harness, fetch: Any, latency: int) -> None:
    """Surround a fetch by a memory that has its own address in each word, and by a unit that takes when it likes."""
    m = harness.m
    unit = harness.unit(fetch)
    m.d.comb += unit.start.eq(harness.first)
    ready = harness.free(unit.o.ready, "ready")
    address = harness.past(unit.o_address, latency, "address")
    # Nothing is marked as the last instruction: that bit is 0.
    m.d.comb += unit.i_word.eq(address << 4)

    # The stream keeps what it offers until it is taken.
    offered = harness.past(unit.o.valid & ~ready, 1, "offered")
    payload = unit.o.payload.as_value()
    harness.check(unit.o.valid, offered)
    harness.check(payload == harness.past(payload, 1, "payload"), offered)

    # Each instruction once, in order.
    count = Signal(4)
    with m.If(unit.o.valid & ready):
        m.d.sync += count.eq(count + 1)
    harness.check(payload[4:8] == count[:4], unit.o.valid & (count < 15))


def fetch_in_order(harness: Harness) -> None:
    _fetched(harness, Fetch(SMALL, isa.Load), timing.memory(SMALL))


def countdown(harness: Harness) -> None:
    m, shape = harness.m, 3
    unit = harness.unit(Countdown(shape))
    count = harness.free(unit.i_count, "count")
    load, step = harness.free(unit.load, "load"), harness.free(unit.step, "step")
    left, running = Signal(shape), Signal()
    with m.If(load):
        m.d.sync += [left.eq(count), running.eq(1)]
    with m.Elif(step & running):
        m.d.sync += left.eq(left - 1)
        m.d.sync += running.eq(left != 0)
    harness.check(unit.last == (left == 0), running)


def loader_tiles(harness: Harness) -> None:
    """One instruction of any tiles; ``take`` comes whenever a tile is ready, or not."""
    m, config = harness.m, SMALL
    unit = harness.unit(Loader(config))
    tiles, vector = harness.constant(2, "tiles"), harness.constant(1, "vector")
    first = harness.constant(len(unit.o_address), "first")
    given = Signal()
    m.d.comb += unit.i.valid.eq(~harness.first & ~given)
    m.d.comb += unit.i.payload.tiles.eq(tiles)
    m.d.comb += unit.i.payload.vector.eq(vector)
    m.d.comb += unit.i.payload.address.eq(first)
    m.d.comb += unit.i.payload.last.eq(1)
    with m.If(unit.i.valid & unit.i.ready):
        m.d.sync += given.eq(1)
    wanted = harness.anything(1, "wanted")
    m.d.comb += unit.take.eq(wanted & unit.ready)

    # Tiles that are ready or taken, against those that began: none twice, none lost.
    began, taken = Signal(4), Signal(4)
    begins = unit.o_load | unit.o_vector_load
    size = Mux(vector, 1, config.tile_words)
    with m.If(begins):
        m.d.sync += began.eq(began + 1)
    with m.If(unit.take):
        m.d.sync += taken.eq(taken + 1)
    harness.check(unit.o_address == (first + began * size)[: len(first)], begins)
    harness.check(unit.o_vector_load == vector, begins)
    # The next tile begins only when the one before is taken, and each is taken once.
    harness.check(taken == began, begins)
    harness.check(taken < began + begins, unit.take)
    harness.check(began + begins <= tiles + 1)
    harness.check(began + begins == tiles + 1, unit.finished)


def sequencer_waits(harness: Harness) -> None:
    m, config = harness.m, SMALL
    unit = harness.unit(Sequencer(config))
    m.d.comb += unit.start.eq(harness.first)
    payload = harness.offer(unit.i)
    harness.assume(payload.last == 0)
    drained = harness.free(unit.i_drained, "drained")
    harness.assume(drained >= harness.past(drained, 1, "drained"))
    harness.free(unit.tile_ready, "tile_ready")
    # What retires was begun.
    begun = Signal(isa.TOKENS)
    with m.If(unit.i.valid & unit.i.ready):
        m.d.sync += begun.eq(begun + 1)
    retired = harness.free(unit.i_retired, "retired")
    harness.assume((retired >= harness.past(retired, 1, "retired")) & (retired <= begun))

    taken = unit.i.valid & unit.i.ready
    harness.check(drained >= payload.wait, taken)
    # From array to vector lanes, and back, only when nothing is under way.
    vector, any_yet = Signal(), Signal()
    with m.If(taken):
        m.d.sync += vector.eq(payload.op != isa.Op.MATMUL)
        m.d.sync += any_yet.eq(1)
    changes = any_yet & ((payload.op != isa.Op.MATMUL) != vector)
    harness.check(retired == begun, taken & changes)


def sequencer_beats(harness: Harness) -> None:
    """One instruction with small loops: a beat for each pixel of each step, at its address."""
    m, config = harness.m, SMALL
    unit = harness.unit(Sequencer(config))
    m.d.comb += unit.start.eq(harness.first)
    steps, width, height = (harness.constant(1, name) for name in ("steps", "width", "height"))
    # Any base; strides that tell the loops apart.
    base, step_stride, x_stride, y_stride = harness.constant(4, "base"), 5, 1, 2
    now = unit.i.payload
    given = Signal()
    m.d.comb += unit.i.valid.eq(~harness.first & ~given)
    m.d.comb += [now.op.eq(isa.Op.MATMUL), now.last.eq(1), now.clear.eq(1), now.height.eq(3), now.width.eq(3)]
    m.d.comb += [now.taps_x.eq(steps), now.pixels_x.eq(width), now.pixels_y.eq(height), now.base.eq(base)]
    m.d.comb += [now.tap_x_stride.eq(step_stride), now.pixel_x_stride.eq(x_stride), now.pixel_y_stride.eq(y_stride)]
    with m.If(unit.i.valid & unit.i.ready):
        m.d.sync += given.eq(1)
    # A tile that is there stays until it is taken.
    ready = harness.free(unit.tile_ready, "tile_ready")
    harness.assume(~harness.past(ready & ~unit.take, 1, "kept") | ready)

    step, y, x, done = Signal(2), Signal(), Signal(), Signal(4)
    beat = unit.o_beat
    with m.If(beat.valid):
        m.d.sync += done.eq(done + 1)
        m.d.sync += x.eq(x + 1)
        with m.If(x == width):
            m.d.sync += [x.eq(0), y.eq(y + 1)]
            with m.If(y == height):
                m.d.sync += [y.eq(0), step.eq(step + 1)]
    address = base + step * step_stride + y * y_stride + x * x_stride
    at_start = (x == 0) & (y == 0)
    at_end = (x == width) & (y == height)
    harness.check(unit.o_address == address[:4], beat.valid)
    harness.check(beat.pixel == y * (width + 1) + x, beat.valid)
    harness.check(beat.first == at_start, beat.valid)
    harness.check(beat.last == (at_end & (step == steps)), beat.valid)
    harness.check(beat.clear == (step == 0), beat.valid)
    harness.check(step <= steps, beat.valid)
    # A tile is taken for each step, when it is ready.
    harness.check(ready, unit.take)
    harness.check(harness.past(unit.take, 1, "take") == beat.first, beat.valid)


def drain_waits(harness: Harness) -> None:
    m, config = harness.m, SMALL
    unit = harness.unit(DrainGroups(config))
    m.d.comb += unit.start.eq(harness.first)
    harness.assume(harness.offer(unit.i).window == 0)
    harness.free(unit.free, "free")
    tokens = {}
    for name in ("computed", "drained"):
        tokens[name] = harness.free(getattr(unit, f"i_{name}"), name)
        harness.assume(tokens[name] >= harness.past(tokens[name], 1, name))
    # What retires has begun.
    begins = unit.begin & (unit.o.number == 0)
    under_way = Signal(4)
    retire = harness.free(unit.retire, "retire")
    harness.assume(~retire | (under_way != 0))
    m.d.sync += under_way.eq(under_way + begins - retire)
    harness.check(tokens["computed"] >= unit.o.now.wait, begins)
    harness.check(tokens["drained"] >= unit.o.now.after, begins)
    harness.check(under_way <= timing.DRAINS_IN_FLIGHT)
    harness.check(unit.o.number <= unit.o.now.groups, unit.begin)


def run_once(harness: Harness) -> None:
    """A run for each new value in RUN, and none while one is under way."""
    m = harness.m
    delay = 3
    unit = harness.unit(Registers(SMALL, clock_hz=1, build_identity=0, start_delay=delay))
    harness.free(unit.i_address, "address")
    value = harness.free(unit.i_data, "value")
    write = harness.free(unit.i_write, "write")
    harness.free(unit.i_mark, "mark")
    # Units finish some time after a run has begun.
    started = Signal()
    finished = harness.free(unit.i_finished, "finished")
    harness.assume(~finished | started)
    with m.If(unit.start):
        m.d.sync += started.eq(1)
    with m.Elif(finished):
        m.d.sync += started.eq(0)
    to_run = write & (unit.i_address == (int(Region.REGISTERS) << REGION_SHIFT | int(Register.RUN)))
    # What was last in RUN.
    run = Signal(RUN_BITS)
    asked, asked_for = harness.past(to_run, 1, "to_run"), harness.past(value[:RUN_BITS], 1, "value")
    begins = asked & ~unit.busy & (asked_for != run)
    with m.If(begins):
        m.d.sync += run.eq(asked_for)
    harness.check(unit.start == harness.past(begins, delay, "begins"))
    busy = Signal()
    with m.If(begins):
        m.d.sync += busy.eq(1)
    with m.Elif(finished):
        m.d.sync += busy.eq(0)
    harness.check(unit.busy == busy)
    harness.check(unit.run == run)


STREAMS = (
    Claim(
        "countdown",
        "the last turn of a loop is known in it, and only then, whatever is loaded when",
        24,
        countdown,
        (Countdown, lambda m, unit: _stuck(m, unit.last, unit.step & unit.load)),
    ),
    Claim(
        "fetch-in-order",
        "an instruction that is offered stands until it is taken; each comes once, in the order of addresses",
        40,
        fetch_in_order,
        (Fetch, lambda m, unit: _stuck(m, unit.o.valid, unit.o.ready)),
    ),
    Claim(
        "loader-tiles",
        "every tile of an instruction begins once, at its address, after the one before was taken; none is lost",
        24,
        loader_tiles,
        (Loader, lambda m, unit: _stuck(m, unit.ready, unit.take)),
    ),
    Claim(
        "sequencer-waits",
        "COMPUTE begins when DRAIN has retired what the instruction waits for, and changes between array and lanes "
        "when nothing is under way",
        16,
        sequencer_waits,
        (Sequencer, lambda m, unit: _forward(m, unit)),
    ),
    Claim(
        "sequencer-beats",
        "COMPUTE streams each pixel of each step once, at its address, and takes a tile for each step when it is there",
        22,
        sequencer_beats,
        (Sequencer, lambda m, unit: _stuck(m, unit.o_beat.clear, unit.o_beat.last)),
    ),
    Claim(
        "drain-waits",
        "DRAIN begins when its tokens are there, and never has more instructions under way than it may",
        20,
        drain_waits,
        (DrainGroups, lambda m, unit: _stuck(m, unit.o.number, unit.retire)),
    ),
    Claim(
        "run-once",
        "a run begins once for each new value in RUN, and for nothing else; none begins while one is under way",
        14,
        run_once,
        (Registers, lambda m, unit: _stuck(m, unit.busy, unit.i_mark)),
    ),
)


def _stuck(m: Any, signal: Any, when: Any) -> None:
    """Plant a fault: a register becomes 1 when it should not."""
    with m.If(when):
        m.d.sync += signal.eq(1)


def _forward(m: Any, unit: Any) -> None:
    """Plant a fault: an instruction is taken as soon as it is there."""
    with m.If(unit.i_drained[0]):
        m.d.comb += unit.i.ready.eq(unit.i.valid)


def heard_as_sent(harness: Harness, sender: Any, receiver: Any, valid: Value, byte: Value) -> None:
    """Check that a receiver gives the bytes that a sender took, in their order: any one of the first, and no error."""
    m = harness.m
    watched = harness.constant(2, "watched")
    sent, received = Signal(2), Signal(2)
    kept, known = Signal(8), Signal()
    with m.If(valid & sender.i.ready):
        m.d.sync += sent.eq(sent + 1)
        with m.If(sent == watched):
            m.d.sync += [kept.eq(byte), known.eq(1)]
    with m.If(receiver.o.valid):
        m.d.sync += received.eq(received + 1)
    harness.check(~receiver.error)
    harness.check(known & (receiver.o.payload == kept), receiver.o.valid & (received == watched))
