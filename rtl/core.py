"""The inference core: memories, three units, registers, behind one bus."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from . import compact
from .compute import Compute
from .drain import Drain
from .fetch import Fetch
from .loader import Loader
from .memories import Image, build, check_latency, memories
from .memory import HostMemory
from .registers import Registers
from .sequencer import Sequencer
from .spec import isa
from .spec.config import Config
from .spec.layout import memory_lines
from .spec.registers import REGION_SHIFT, Bus, Region


class Core(wiring.Component):
    """An inference core of the size of ``config``.

    The host fills the memories over ``bus`` while the core is idle, starts a run by writing a new number to RUN, and
    waits until STATUS is 0. Memories answer only while the core is idle; accesses in between are lost, reads give
    undefined data. But writes to activations are always done, in a cycle in which the core does not write itself. A run
    begins some cycles after the write; CYCLES counts from there to the end of the last unit.
    In a compact core address and data of a write stand still in the cycle after it.
    In a core with parity UPSET is there when a run that was upset is over.
    What the host would write by ``image``, (word address, words), is there from the start on.
    """

    def __init__(self, config: Config, *, clock_hz: int, build_identity: int, follows: bool = False, image: Image = ()):
        self._config = config
        self._image = image
        self._clock_hz = clock_hz
        self._build_identity = build_identity
        self._follows = follows
        super().__init__({"bus": In(Bus(parity=bool(config.parity))), "busy": Out(1)})

    def elaborate(self, platform):
        m = Module()
        config = self._config

        # Units and memories.
        lanes = config.lanes
        sizes = memories(config)
        lines = memory_lines(config, self._image) if self._image else {}
        host = {name: build(size, lines.get(region)) for name, (region, size) in sizes.items()}
        m.submodules.act = act = host["act"]
        m.submodules.weight = weight = host["weight"]
        m.submodules.channel = channel = host["channel"]
        tables = [host[f"table_{lane}"] for lane in range(lanes)]
        for lane, table in enumerate(tables):
            m.submodules[f"table_{lane}"] = table
        m.submodules.loader = loader = Loader(config)
        m.submodules.sequencer = sequencer = Sequencer(config)
        m.submodules.compute = compute = compact.Compute(config) if config.compact else Compute(config)
        m.submodules.drain = drain = compact.Drain(config) if config.compact else Drain(config)
        programs = {}
        fetches = {}
        for name, layout, unit in (
            ("load", isa.Load, loader),
            ("compute", isa.Compute, sequencer),
            ("drain", isa.Drain, drain),
        ):
            programs[name] = program = host[f"{name}_program"]
            fetches[name] = fetch = (compact.Fetch if config.compact else Fetch)(config, layout)
            m.submodules[f"{name}_program"] = program
            m.submodules[f"{name}_fetch"] = fetch
            m.d.comb += program.i_read_address.eq(fetch.o_address)
            if config.compact:
                m.d.comb += fetch.i_half.eq(program.o_read)
            else:
                m.d.comb += fetch.i_word.eq(program.o_read[0])
            wiring.connect(m, fetch.o, unit.i)

        # LOAD and COMPUTE.
        m.d.comb += weight.i_read_address.eq(loader.o_address)
        m.d.comb += act.i_read_address.eq(sequencer.o_address)
        m.d.comb += loader.take.eq(sequencer.take)
        m.d.comb += sequencer.tile_ready.eq(loader.ready)
        m.d.comb += compute.i_beat.eq(sequencer.o_beat)
        if config.compact:
            m.d.comb += compute.i_first_step.eq(sequencer.o_first_step)
            m.d.comb += compute.i_now.eq(fetches["compute"].o.payload)
        m.d.comb += compute.i_load.eq(loader.o_load)
        m.d.comb += compute.i_vector_load.eq(loader.o_vector_load)
        for byte, read in zip(compute.i_weight, weight.o_read, strict=True):
            m.d.comb += byte.eq(read)
        for word, read in zip(compute.i_act, act.o_read, strict=True):
            m.d.comb += word.eq(read)

        # DRAIN.
        m.d.comb += compute.i_half.eq(drain.o_half)
        m.d.comb += compute.i_pixel.eq(drain.o_pixel)
        m.d.comb += compute.i_group.eq(drain.o_group)
        for acc, value in zip(drain.i_acc, compute.o, strict=True):
            m.d.comb += acc.eq(value)
        if config.window:
            m.d.comb += act.i_second.eq(drain.o_read)
            m.d.comb += act.i_second_address.eq(drain.o_read_address)
            m.d.comb += act.i_second_group.eq(drain.o_read_group)
            for cell, value in zip(drain.i_act, act.o_second, strict=True):
                m.d.comb += cell.eq(value)
        m.d.comb += channel.i_read_address.eq(drain.o_line)
        for byte, value in zip(drain.i_line, channel.o_read, strict=True):
            m.d.comb += byte.eq(value)
        for table, address, word in zip(tables, drain.o_table_address, drain.i_table, strict=True):
            m.d.comb += table.i_read_address.eq(address)
            m.d.comb += word.eq(table.o_read[0])
        m.d.comb += act.i_write_address.eq(drain.o_address)
        m.d.comb += act.i_write_group.eq(drain.o_place)
        m.d.comb += act.i_write.eq(drain.o_write)
        for cell, value in zip(act.i_write_data, drain.o_data, strict=True):
            m.d.comb += cell.eq(value)

        # Tokens.
        start = Signal()
        computed = Signal(isa.TOKENS)
        drained = Signal(isa.TOKENS)
        for count, retire in ((computed, compute.retire), (drained, drain.retire)):
            with m.If(start):
                m.d.sync += count.eq(0)
            with m.Elif(retire):
                m.d.sync += count.eq(count + 1)
        m.d.comb += drain.i_computed.eq(computed)
        m.d.comb += drain.i_drained.eq(drained)
        m.d.comb += sequencer.i_retired.eq(computed)
        m.d.comb += sequencer.i_drained.eq(drained)
        for unit in (loader, sequencer, drain, *fetches.values()):
            m.d.comb += unit.start.eq(start)

        # Who owns what the host sees.
        owned = [
            (Region.ACT, act),
            (Region.WEIGHT, weight),
            (Region.CHANNEL, channel),
            (Region.LOAD, programs["load"]),
            (Region.COMPUTE, programs["compute"]),
            (Region.DRAIN, programs["drain"]),
            *((Region.TABLE, table) for table in tables),
        ]

        # The host: one register behind the bus, unless the core is compact.
        address, written, write = self.bus.addr, self.bus.w_data, self.bus.w_en
        if not config.compact:
            address = Signal.like(self.bus.addr)
            written = Signal(32)
            write = Signal()
            m.d.sync += address.eq(self.bus.addr)
            m.d.sync += written.eq(self.bus.w_data)
            m.d.sync += write.eq(self.bus.w_en)

        # A run begins when the last memory knows that it is the core's.
        m.submodules.registers = registers = Registers(
            config,
            clock_hz=self._clock_hz,
            build_identity=self._build_identity,
            follows=self._follows,
            start_delay=1 if config.compact else len(owned) + 1,
        )
        m.d.comb += registers.i_address.eq(address)
        m.d.comb += registers.i_data.eq(written)
        m.d.comb += registers.i_write.eq(write)
        m.d.comb += registers.i_mark.eq(drain.mark)
        m.d.comb += registers.i_finished.eq(loader.finished & sequencer.finished & drain.finished)
        m.d.comb += start.eq(registers.start)
        m.d.comb += self.busy.eq(registers.busy)
        m.d.comb += self.bus.busy.eq(registers.busy)
        m.d.comb += self.bus.free.eq(registers.free)
        m.d.comb += self.bus.w_wait.eq(act.o_wait)
        m.d.comb += self.bus.run.eq(registers.run)
        m.d.comb += self.bus.output.eq(registers.output)

        if config.parity:
            # A line with a wrong parity matters if LOAD has read it, or the host.
            reading = Signal(check_latency(config))
            m.d.sync += reading.eq(Cat(loader.o_read, reading))
            m.d.comb += registers.i_upset.eq(reading[-1] & weight.o_wrong)
            m.d.comb += self.bus.upset.eq(registers.upset)
            m.d.sync += self.bus.r_upset.eq(weight.o_wrong & (self.bus.addr[REGION_SHIFT:] == Region.WEIGHT))

        # From memory to memory: what the host wants, and what it gets; in a compact core all at the same time.
        def later(name, signal):
            if config.compact:
                return signal
            register = Signal.like(signal, name=name)
            m.d.sync += register.eq(signal)
            return register

        answer = registers.o
        busy = self.busy
        write &= registers.told
        for index, (place, cells) in enumerate(owned):
            mine = later(f"mine_{index}", address[REGION_SHIFT:] == place)
            address, written = later(f"address_{index}", address), later(f"written_{index}", written)
            write, busy = later(f"write_{index}", write), later(f"busy_{index}", busy)
            m.d.comb += cells.i_busy.eq(busy)
            m.d.comb += cells.i_host_address.eq(address)
            m.d.comb += cells.i_host_data.eq(written)
            m.d.comb += cells.i_host_write.eq(write & mine)
            if config.compact:
                # Of all answers at most one is not 0.
                answer |= Mux(mine, cells.o_host, 0)
            else:
                answer = later(f"answer_{index}", Mux(mine, cells.o_host, answer))

        if config.compact:
            latency = Registers.LATENCY
        else:
            # The register, the way there, the slowest memory, the way back, at the most; the registers are faster.
            slowest = max(HostMemory.host_latency(size["columns"], size["hop"]) for _, size in sizes.values())
            latency = 1 + len(owned) + slowest + len(owned)
        arriving = Signal(latency)
        m.d.sync += arriving.eq(Cat(self.bus.r_en, arriving))
        if config.compact:
            for program in programs.values():
                m.d.comb += program.i_host_late.eq(arriving[-2])
        m.d.comb += self.bus.r_valid.eq(arriving[-1])
        m.d.comb += self.bus.r_data.eq(answer)

        return m
