"""The program interpreter: the living definition of the instruction set, behind the device interface."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rtl.spec import isa, number, timing
from rtl.spec.config import Config
from rtl.spec.layout import words_to_lines
from rtl.spec.registers import MAGIC, PROFILE_MARKS, REGION_SHIFT, VERSION, Region, Register, words_per_line

BUILD_IDENTITY = 0


@dataclass(frozen=True)
class _Decoded:
    loads: list[dict[str, int]]
    computes: list[dict[str, int]]
    drains: list[dict[str, int]]
    bias: NDArray[np.int64]
    multiplier: NDArray[np.float32]
    tables: NDArray[np.int8]
    timeline: timing.Timeline


def _below(instruction: str, what: str, highest: int, size: int) -> None:
    """Refuse an instruction that goes beyond a memory or a unit of the core."""
    if highest >= size:
        raise ValueError(f"{instruction}: {what} {highest}, expected less than {size}")


class InterpreterDevice:
    """A core of the size of ``config``, instruction by instruction.

    Parameters
    ----------
    config : Config
    order : "late" or "early"
        DRAIN instructions run as late, or as early, as the tokens allow. A program whose tokens order everything
        that must be ordered computes the same bytes either way.

    Raises
    ------
    ValueError
        When a run starts whose programs do not end or wait for each other, or when an instruction goes beyond the
        core: an address, number of pixels or field for which the circuit promises nothing.
    """

    def __init__(self, config: Config, order: Literal["late", "early"] = "late") -> None:
        self.config = config
        self._order = order
        lines = {
            Region.ACT: config.act_words * words_per_line(config.rows),
            Region.WEIGHT: config.weight_words * words_per_line(config.banks),
            Region.CHANNEL: config.channel_words * isa.words(isa.Channel),
            Region.LOAD: config.program_words,
            Region.COMPUTE: config.program_words,
            Region.DRAIN: config.program_words,
            Region.PROFILE: PROFILE_MARKS,
            Region.TABLE: config.tables * words_per_line(isa.TABLE_BYTES),
        }
        self._memory = {region: np.zeros(size, np.uint32) for region, size in lines.items()}
        registers = np.zeros(64, np.uint32)
        registers[Register.MAGIC] = MAGIC
        registers[Register.VERSION] = VERSION
        registers[Register.CORE_IDENTITY] = config.identity
        registers[Register.BUILD_IDENTITY] = BUILD_IDENTITY
        for register in Register:
            if hasattr(config, register.name.lower()):
                registers[register] = getattr(config, register.name.lower())
        self._memory[Region.REGISTERS] = registers
        self._decoded: _Decoded | None = None

    def read(self, addr: int, count: int) -> NDArray[np.uint32]:
        """Return ``count`` words from word address ``addr`` on."""
        offset = addr & (1 << REGION_SHIFT) - 1
        return self._memory[Region(addr >> REGION_SHIFT)][offset : offset + count].copy()

    def write(self, addr: int, data: NDArray[np.uint32]) -> None:
        """Write words from word address ``addr`` on; a new value in RUN runs the program."""
        region, offset = Region(addr >> REGION_SHIFT), addr & (1 << REGION_SHIFT) - 1
        if region is not Region.REGISTERS:
            self._memory[region][offset : offset + len(data)] = data
            if region is not Region.ACT:
                self._decoded = None
        elif offset == Register.RUN and self._memory[region][Register.RUN] != data[0]:
            self._memory[region][Register.RUN] = data[0]
            self._run()

    def start(self) -> None:
        """Run the program once."""
        run = int(self.read(Register.RUN, 1)[0])
        self.write(Register.RUN, np.array([run % 0xFFFFFFFF + 1], np.uint32))

    def wait(self, timeout: float = 10.0) -> None:
        """Return at once: the run is over when `start` returns."""

    def close(self) -> None:
        """Nothing to give back."""

    def __enter__(self) -> "InterpreterDevice":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _program(self, region: Region, layout: type) -> list[dict[str, int]]:
        instructions = []
        words = isa.words(layout)
        for line in self._memory[region][: self.config.program_words // words * words].reshape(-1, words):
            instructions.append(isa.from_words(layout, line))
            if instructions[-1]["last"]:
                return instructions
        raise ValueError(f"{region.name} program: expected an instruction marked last, found none")

    def _decode(self) -> "_Decoded":
        """Return programs, channel parameters and tables as numbers; kept until the host writes to them."""
        if self._decoded is None:
            loads = self._program(Region.LOAD, isa.Load)
            computes = self._program(Region.COMPUTE, isa.Compute)
            drains = self._program(Region.DRAIN, isa.Drain)
            used = max(drain["channel"] + (drain["groups"] + 1) * self.config.lanes for drain in drains)
            words = self._memory[Region.CHANNEL].reshape(-1, isa.words(isa.Channel))[:used]
            channels = [isa.from_words(isa.Channel, line) for line in words]
            self._decoded = _Decoded(
                loads=loads,
                computes=computes,
                drains=drains,
                bias=np.array([channel["bias"] for channel in channels], np.int64),
                multiplier=np.array(
                    [np.ldexp(float(channel["mantissa"]), -channel["shift"]) for channel in channels], np.float32
                ),
                tables=words_to_lines(self._memory[Region.TABLE], isa.TABLE_BYTES).view(np.int8),
                timeline=timing.predict(self.config, loads, computes, drains),
            )
        return self._decoded

    def _run(self) -> None:
        config = self.config
        now = self._decode()
        loads, computes, drains, timeline = now.loads, now.computes, now.drains, now.timeline
        self._act = np.ascontiguousarray(words_to_lines(self._memory[Region.ACT], config.rows)).view(np.int8).copy()
        self._weights = np.ascontiguousarray(words_to_lines(self._memory[Region.WEIGHT], config.banks)).view(np.int8)
        self._acc = np.zeros((2, config.acc_words, config.banks), np.int64)
        self._tiles = [
            (load["vector"], load["address"] + tile * (1 if load["vector"] else config.rows))
            for load in loads
            for tile in range(load["tiles"] + 1)
        ]

        drained = 0
        for computed, compute in enumerate(computes):
            while drained < compute["wait"] or (
                self._order == "early" and drained < len(drains) and drains[drained]["wait"] <= computed
            ):
                if drains[drained]["wait"] > computed:
                    raise ValueError(
                        f"COMPUTE instruction {computed} and DRAIN instruction {drained} wait for each other"
                    )
                self._drain(f"DRAIN instruction {drained}", drains[drained])
                drained += 1
            self._compute(f"COMPUTE instruction {computed}", compute)
        for late in range(drained, len(drains)):
            self._drain(f"DRAIN instruction {late}", drains[late])

        words = self._memory[Region.ACT].view(np.uint8).reshape(config.act_words, -1)
        words[:, : config.rows] = self._act.view(np.uint8)
        registers = self._memory[Region.REGISTERS]
        registers[Register.CYCLES] = timeline.total
        registers[Register.MARKS] = min(len(timeline.marks), PROFILE_MARKS)
        self._memory[Region.PROFILE][: min(len(timeline.marks), PROFILE_MARKS)] = timeline.marks[:PROFILE_MARKS]

    def _read(self, name: str, address: NDArray[np.int64], outside: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the words of activation memory at addresses modulo 2**16; those outside the image do not matter."""
        address = address % (1 << 16)
        _below(name, "activation address", int(address[~outside].max(initial=0)), self.config.act_words)
        return self._act[address % self.config.act_words].astype(np.int64)

    def _compute(self, name: str, now: dict[str, int]) -> None:
        """Execute one `isa.Compute` instruction."""
        config = self.config
        _below(name, "operation", now["op"], len(isa.Op))
        op = isa.Op(now["op"])
        block, tap_y, tap_x = np.meshgrid(
            *(np.arange(now[loop] + 1) for loop in ("blocks", "taps_y", "taps_x")), indexing="ij"
        )
        pixel_y, pixel_x = np.meshgrid(*(np.arange(now[loop] + 1) for loop in ("pixels_y", "pixels_x")), indexing="ij")
        _below(name, "accumulator", pixel_y.size - 1, config.acc_words)
        step = now["base"] + block * now["block_stride"] + tap_y * now["tap_y_stride"] + tap_x * now["tap_x_stride"]
        pixel = pixel_y * now["pixel_y_stride"] + pixel_x * now["pixel_x_stride"]
        y = now["y"] + (tap_y * now["tap_y"]).reshape(-1, 1) + (pixel_y * now["pixel_y"]).reshape(1, -1)
        x = now["x"] + (tap_x * now["tap_x"]).reshape(-1, 1) + (pixel_x * now["pixel_x"]).reshape(1, -1)
        outside = (y < 0) | (y > now["height"]) | (x < 0) | (x > now["width"])
        outside &= op is not isa.Op.PRODUCT
        words = self._read(name, step.reshape(-1, 1) + pixel.reshape(1, -1), outside)
        words = np.where(outside[..., None], now["pad"], words)
        steps, pixels, _ = words.shape

        acc = self._acc[now["half"], :pixels]
        result = np.zeros_like(acc)
        lanes = result[:, : config.rows]
        if op is isa.Op.MATMUL:
            tiles = np.stack([self._tile(name, vector=0) for _ in range(steps)])[:, :, : config.columns]
            # Exact: float64 holds integers below 2**53.
            flat = words.transpose(1, 0, 2).reshape(pixels, -1).astype(np.float64)
            value = (flat @ tiles.reshape(-1, config.columns).astype(np.float64)).astype(np.int64)
            result[:, : config.columns] = value
        elif op is isa.Op.DEPTHWISE:
            factor = np.stack([self._tile(name, vector=1)[0, : config.rows] for _ in range(steps)]).astype(np.int64)
            lanes[:] = (words * factor[:, None, :]).sum(axis=0)
        elif op is isa.Op.SCALE:
            factor = np.full((steps, 1, 1), now["factor_b"], np.int64)
            factor[0] = now["factor_a"]
            lanes[:] = (words * factor).sum(axis=0)
        elif op is isa.Op.MAXIMUM:
            lanes[:] = words.max(axis=0)
        else:
            if not -127 <= now["factor_a"] <= 128:
                raise ValueError(f"{name}: factor_a {now['factor_a']}, expected -127..128")
            captures = steps * (now["pixels_y"] + 1)
            captured = self._read(name, now["factor"] + np.arange(captures), np.zeros(captures, np.bool_))
            factor = np.repeat(captured + now["factor_a"], now["pixels_x"] + 1, axis=0)
            lanes[:] = ((words - now["pad"]) * factor.reshape(words.shape)).sum(axis=0)

        if now["clear"]:
            acc[:] = result
        elif op is isa.Op.MAXIMUM:
            np.maximum(acc, result, out=acc)
        else:
            acc += result
        acc[:] = acc.astype(np.int32)

    def _tile(self, name: str, *, vector: int) -> NDArray[np.int8]:
        """Take the next weight tile, (rows or 1, banks)."""
        if not self._tiles or self._tiles[0][0] != vector:
            raise ValueError(f"{name}: it needs a weight tile that LOAD does not bring")
        address = self._tiles.pop(0)[1]
        end = address + (1 if vector else self.config.rows)
        _below(name, "weight address", end - 1, self.config.weight_words)
        return self._weights[address:end]

    def _drain(self, name: str, now: dict[str, int]) -> None:
        """Execute one `isa.Drain` instruction."""
        config, decoded = self.config, self._decode()
        lanes, pixels, count = config.lanes, now["pixels"] + 1, (now["groups"] + 1) * config.lanes
        for what, highest, size in (
            ("accumulator", pixels - 1, config.acc_words),
            ("accumulator bank", count - 1, config.banks),
            ("first group", now["first"], config.rows // lanes),
            ("channel", now["channel"] + count - 1, config.channel_words),
            ("table", now["table"], config.tables + 1),
        ):
            _below(name, what, highest, size)
        if now["channel"] % lanes:
            raise ValueError(f"{name}: channel {now['channel']}, expected a multiple of {lanes}")
        channels = slice(now["channel"], now["channel"] + count)
        acc = self._acc[now["half"], :pixels, :count] + decoded.bias[channels]
        value = number.requantize(
            acc.astype(np.int32), decoded.multiplier[channels], now["zero_point"], now["low"], now["high"]
        )
        if now["table"]:
            value = decoded.tables[now["table"] - 1][value.astype(np.int64) + 128]
        row, column = np.divmod(np.arange(pixels), now["columns"] + 1)
        places = now["base"] + row * now["row_stride"] + column * now["pixel_stride"]
        for group in range(now["groups"] + 1):
            word, byte = divmod((now["first"] + group) * lanes, config.rows)
            address = (places + word * now["stride"]) % (1 << 16)
            _below(name, "activation address", int(address.max()), config.act_words)
            self._act[address, byte : byte + lanes] = value[:, group * lanes : (group + 1) * lanes]
