"""The program interpreter: the living definition of the instruction set, behind the device interface."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rtl.spec import isa, number, timing
from rtl.spec.config import Config
from rtl.spec.errors import Refused, Upset
from rtl.spec.layout import host_memories, weight_tile, words_to_lines
from rtl.spec.link import MAX_WORDS, digest
from rtl.spec.registers import MAGIC, PROFILE_MARKS, REGION_SHIFT, RUNS, VERSION, Region, Register, words_per_line

from .parity import Parities
from .watched import Computed, Drained, Watch

BUILD_IDENTITY = 0
_STREAMED = 1 << 22  # words at once: more than any program has, and less than fill the host's memory


@dataclass(frozen=True)
class _Decoded:
    loads: list[dict[str, int]]
    computes: list[dict[str, int]]
    drains: list[dict[str, int]]
    bias: NDArray[np.int64]
    multiplier: NDArray[np.float32]
    taps: NDArray[np.int8]
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
    order : "late", "early" or "slow"
        DRAIN instructions run, and their bytes arrive in memory, as late, or as early, as the tokens allow; with "slow"
        they run early and the bytes arrive late. A program whose tokens order everything that must be ordered computes
        the same bytes every way.
    watch : function, optional
        Is shown every instruction of a run, see `sim.watched`.

    Members
    -------
    parities : Parities
        Those of weight memory, in which bits may be flipped.

    Raises
    ------
    ValueError
        When a run starts whose programs do not end or wait for each other, or when an instruction goes beyond the
        core: an address, number of pixels or field for which the circuit promises nothing.
    """

    def __init__(
        self, config: Config, order: Literal["late", "early", "slow"] = "late", *, watch: Watch | None = None
    ) -> None:
        self.config = config
        self._watch = watch
        self._order = order
        sizes = {region: lines * words_per_line(width) for region, (lines, width) in host_memories(config).items()}
        sizes[Region.PROFILE] = PROFILE_MARKS
        self._memory = {region: np.zeros(size, np.uint32) for region, size in sizes.items()}
        registers = np.zeros(64, np.uint32)
        registers[Register.MAGIC] = MAGIC
        registers[Register.VERSION] = VERSION
        registers[Register.CORE_IDENTITY] = config.identity
        registers[Register.BUILD_IDENTITY] = BUILD_IDENTITY
        for register in Register:
            if hasattr(config, register.name.lower()):
                registers[register] = getattr(config, register.name.lower())
        self._memory[Region.REGISTERS] = registers
        self.parities = Parities(config, self._memory[Region.WEIGHT])
        self._decoded: _Decoded | None = None
        self._outputs: list[tuple[int, int]] = []

    def check(self, addr: int, count: int) -> NDArray[np.uint32]:
        """Return the digest of each `MAX_WORDS` of ``count`` words from word address ``addr`` on."""
        if not self.config.parity:
            raise Refused(f"the core {self.config.name} has no parity, and does not check its memories")
        parts = [(addr + first, min(MAX_WORDS, count - first)) for first in range(0, count, MAX_WORDS)]
        digests = [
            digest(self.read(*part).astype("<u4").tobytes(), upset=not self.parities.intact(*part)) for part in parts
        ]
        return np.frombuffer(b"".join(digests), "<u4").astype(np.uint32)

    def read(self, addr: int, count: int) -> NDArray[np.uint32]:
        """Return ``count`` words from word address ``addr`` on."""
        offset = addr & (1 << REGION_SHIFT) - 1
        return self._memory[Region(addr >> REGION_SHIFT)][offset : offset + count].copy()

    def write(self, addr: int, data: NDArray[np.uint32]) -> None:
        """Write words from word address ``addr`` on; a new value in RUN runs the program."""
        region, offset = Region(addr >> REGION_SHIFT), addr & (1 << REGION_SHIFT) - 1
        if region is not Region.REGISTERS:
            self._memory[region][offset : offset + len(data)] = data
            if region is Region.WEIGHT:
                self.parities.written(offset, len(data))
            if region is not Region.ACT:
                self._decoded = None
        elif offset == Register.RUN and self._memory[region][Register.RUN] != data[0]:
            self._memory[region][Register.RUN] = data[0]
            self._run()

    def start(self) -> None:
        """Run the program once."""
        run = int(self.read(Register.RUN, 1)[0])
        self.write(Register.RUN, np.array([(run + 1) % RUNS], np.uint32))

    def prepare(self, outputs: Sequence[tuple[int, int]], cycles: int = 0, free: tuple[int, int] = (0, 0)) -> None:
        """Say what is read after each run from now on: (address, count)."""
        self._outputs = list(outputs)

    def begin(
        self, inputs: Sequence[tuple[int, NDArray[np.uint32]]], timeout: float = 10.0
    ) -> list[NDArray[np.uint32]] | None:
        """Write inputs, (address, words), and run the program; None is a run that was upset."""
        for address, words in inputs:
            self.write(address, words)
        self.start()
        if self._memory[Region.REGISTERS][Register.UPSET]:
            return None
        return [self.read(address, count) for address, count in self._outputs]

    def finish(self, run: list[NDArray[np.uint32]] | None, timeout: float = 10.0) -> list[NDArray[np.uint32]]:
        """Return what was read after a run, which is over since `begin`."""
        if run is None:
            raise Upset("a weight that the run read has changed in memory")
        return run

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
            lines = words_to_lines(self._memory[Region.CHANNEL], self.config.parameter_bytes)
            bits = np.ascontiguousarray(lines[:, :8]).view("<u8")[:, 0]
            mantissa, shift = bits >> np.uint64(32) & np.uint64(0xFFFFFF), bits >> np.uint64(56) & np.uint64(63)
            self._decoded = _Decoded(
                loads=loads,
                computes=computes,
                drains=drains,
                bias=bits.astype(np.uint32).view(np.int32).astype(np.int64),
                multiplier=np.ldexp(mantissa.astype(np.float32), -shift.astype(np.int32)),
                taps=lines.view(np.int8),
                tables=words_to_lines(self._memory[Region.TABLE], isa.TABLE_BYTES).view(np.int8),
                timeline=timing.predict(self.config, loads, computes, drains),
            )
        return self._decoded

    def _run(self) -> None:
        config = self.config
        now = self._decode()
        loads, computes, drains, timeline = now.loads, now.computes, now.drains, now.timeline
        self._act = np.ascontiguousarray(words_to_lines(self._memory[Region.ACT], config.rows)).view(np.int8).copy()
        self._weights = np.ascontiguousarray(words_to_lines(self._memory[Region.WEIGHT], config.weight_bytes)).view(
            np.int8
        )
        self._acc = np.zeros((2, config.acc_words, config.banks), np.int64)
        self._tiles = [
            (load["vector"], load["address"] + tile * (1 if load["vector"] else config.tile_words))
            for load in loads
            for tile in range(load["tiles"] + 1)
        ]
        if config.parity:
            read = [address + n for vector, address in self._tiles for n in range(1 if vector else config.tile_words)]
            self._memory[Region.REGISTERS][Register.UPSET] = not self.parities.right(np.unique(read).astype(np.int64))

        self._arriving: deque[list[tuple[NDArray[np.int64], slice, NDArray[np.int8]]]] = deque()
        drained = 0
        for computed, compute in enumerate(computes):
            while drained < compute["wait"] or (
                self._order != "late" and drained < len(drains) and drains[drained]["wait"] <= computed
            ):
                if drains[drained]["wait"] > computed:
                    raise ValueError(
                        f"COMPUTE instruction {computed} and DRAIN instruction {drained} wait for each other"
                    )
                self._drain(drained, drains[drained])
                drained += 1
            self._arrive(drained - compute["wait"])
            self._compute(computed, compute)
        for late in range(drained, len(drains)):
            self._drain(late, drains[late])
        self._arrive(0)

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

    def _compute(self, index: int, now: dict[str, int]) -> None:
        """Execute one `isa.Compute` instruction, the one of this index."""
        config, name = self.config, f"COMPUTE instruction {index}"
        _below(name, "operation", now["op"], len(isa.Op))
        op = isa.Op(now["op"])
        loops = ("blocks", "taps_y", "taps_x", "pixels_y", "pixels_x")
        _below(name, "words", prod(now[loop] + 1 for loop in loops), _STREAMED)
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
        address = step.reshape(-1, 1) + pixel.reshape(1, -1)
        read = self._read(name, address, outside)
        words = np.where(outside[..., None], now["pad"], read)
        steps, pixels, _ = words.shape

        acc = self._acc[now["half"], :pixels]
        before = acc.copy() if self._watch else acc
        captured = None
        result = np.zeros_like(acc)
        lanes = result[:, : config.rows]
        if op is isa.Op.MATMUL:
            tiles = np.stack([self._tile(name, vector=0) for _ in range(steps)])[:, :, : config.columns]
            factor = tiles.astype(np.int64)
            # Exact: float64 holds integers below 2**53.
            flat = words.transpose(1, 0, 2).reshape(pixels, -1).astype(np.float64)
            value = (flat @ tiles.reshape(-1, config.columns).astype(np.float64)).astype(np.int64)
            result[:, : config.columns] = value
        elif op is isa.Op.DEPTHWISE:
            factor = np.stack([self._tile(name, vector=1)[:1, : config.rows] for _ in range(steps)]).astype(np.int64)
            lanes[:] = (words * factor).sum(axis=0)
        elif op is isa.Op.SCALE:
            factor = np.full((steps, 1, 1), now["factor_b"], np.int64)
            factor[0] = now["factor_a"]
            lanes[:] = (words * factor).sum(axis=0)
        elif op is isa.Op.MAXIMUM:
            factor = np.ones((1, 1, 1), np.int64)
            lanes[:] = words.max(axis=0)
        else:
            if not -127 <= now["factor_a"] <= 128:
                raise ValueError(f"{name}: factor_a {now['factor_a']}, expected -127..128")
            captures = steps * (now["pixels_y"] + 1)
            captured = self._read(name, now["factor"] + np.arange(captures), np.zeros(captures, np.bool_))
            factor = np.repeat(captured + now["factor_a"], now["pixels_x"] + 1, axis=0)
            factor = factor.reshape(words.shape)
            lanes[:] = ((words - now["pad"]) * factor).sum(axis=0)

        if now["clear"]:
            acc[:] = result
        elif op is isa.Op.MAXIMUM:
            if config.compact and not (acc[:, : config.rows] == acc[:, : config.rows].astype(np.int8)).all():
                raise ValueError(f"{name}: MAXIMUM of accumulators that do not hold int8")
            np.maximum(acc, result, out=acc)
        else:
            acc += result
        acc[:] = acc.astype(np.int32)
        if self._watch:
            self._watch(
                Computed(index, now, address % (1 << 16), outside, read, words, captured, factor, before, acc.copy())
            )

    def _tile(self, name: str, *, vector: int) -> NDArray[np.int8]:
        """Take the next weight tile, (rows, banks), or that of the vector lanes, (weight_rows, banks), in its row 0."""
        if not self._tiles or self._tiles[0][0] != vector:
            raise ValueError(f"{name}: it needs a weight tile that LOAD does not bring")
        address = self._tiles.pop(0)[1]
        end = address + (1 if vector else self.config.tile_words)
        _below(name, "weight address", end - 1, self.config.weight_words)
        return weight_tile(self._weights[address:end], self.config)

    def _arrive(self, left: int) -> None:
        """Write what DRAIN instructions have made, all but the last ``left`` of them."""
        while len(self._arriving) > left:
            for address, cells, value in self._arriving.popleft():
                self._act[address, cells] = value

    def _drain(self, index: int, now: dict[str, int]) -> None:
        """Execute one `isa.Drain` instruction, the one of this index; its bytes are on their way then."""
        config, decoded, name = self.config, self._decode(), f"DRAIN instruction {index}"
        if now["after"] > index:
            raise ValueError(f"{name}: it waits for {now['after']} DRAIN instructions")
        self._arrive(min(index - now["after"], timing.DRAINS_IN_FLIGHT - 1))
        lanes, pixels, count = config.lanes, now["pixels"] + 1, (now["groups"] + 1) * config.lanes
        for what, highest, size in (
            ("first group", now["first"], config.rows // lanes),
            ("parameter line", now["channel"] + count * (1 + now["window"]) - 1, config.channel_words),
            ("table", now["table"], config.tables + 1),
        ):
            _below(name, what, highest, size)
        if now["window"]:
            lines = now["channel"] + 2 * lanes * (np.arange(count) // lanes) + np.arange(count) % lanes
            acc = self._window(name, now, decoded.taps[lines + lanes])
        else:
            _below(name, "accumulator", pixels - 1, config.acc_words)
            _below(name, "accumulator bank", count - 1, config.banks)
            lines = now["channel"] + np.arange(count)
            acc = self._acc[now["half"], :pixels, :count]
        clamped = number.requantize(
            (acc + decoded.bias[lines]).astype(np.int32),
            decoded.multiplier[lines],
            now["zero_point"],
            now["low"],
            now["high"],
        )
        value = decoded.tables[now["table"] - 1][clamped.astype(np.int64) + 128] if now["table"] else clamped
        row, column = np.divmod(np.arange(pixels), now["columns"] + 1)
        places = now["base"] + row * now["row_stride"] + column * now["pixel_stride"]
        written = []
        for group in range(now["groups"] + 1):
            word, byte = divmod((now["first"] + group) * lanes, config.rows)
            address = (places + word * now["stride"]) % (1 << 16)
            _below(name, "activation address", int(address.max()), config.act_words)
            written.append((address, slice(byte, byte + lanes), value[:, group * lanes : (group + 1) * lanes]))
        self._arriving.append(written)
        if self._watch:
            address = np.stack([address for address, _, _ in written])
            self._watch(Drained(index, now, acc.copy(), lines, clamped, value, address))
        if self._order == "early":
            self._arrive(0)

    def _window(self, name: str, now: dict[str, int], taps: NDArray[np.int8]) -> NDArray[np.int64]:
        """Return what the window unit makes for all groups of a DRAIN, (pixels, channels); taps: (channels, 9)."""
        config, pair = self.config, 1 + now["sum"]
        rows, columns, lanes = now["rows"] + 1, now["columns_in"] + 1, config.lanes
        if not now["sum"]:
            _below(name, "position of a row in the window unit", columns - 1, config.window)
        elif taps[:, [2, 5, 6, 7, 8]].any():
            raise ValueError(f"{name}: a sum has the taps 0, 1, 3 and 4, and others are not 0")
        _below(name, "words", rows * columns * pair, _STREAMED // len(taps))
        y, x, t = np.meshgrid(np.arange(rows), np.arange(columns), np.arange(pair), indexing="ij")
        place_y, place_x = now["y"] + y, now["x"] + x
        outside = (place_y < 0) | (place_y > now["height"]) | (place_x < 0) | (place_x > now["width"])
        address = now["read"] + y * now["read_row"] + x * now["read_pixel"] + t * now["read_pair"]
        image = np.zeros((rows, columns, pair, len(taps)), np.int64)
        for group in range(len(taps) // lanes):
            word, byte = divmod((now["first"] + group) * lanes, config.rows)
            words = self._read(name, address + word * now["read_stride"], outside)[..., byte : byte + lanes]
            image[..., group * lanes : (group + 1) * lanes] = np.where(outside[..., None], now["pad"], words)

        factor = taps.astype(np.int64).T
        if now["sum"]:
            total = (factor[1] + 256 * factor[4]) * image[:, :, 0] + (factor[0] + 256 * factor[3]) * image[:, :, 1]
        else:
            # Positions beyond the edges of the stream belong to no output.
            padded = np.pad(image[:, :, 0], ((2, 0), (2, 0), (0, 0)))
            total = sum(
                factor[3 * i + j] * padded[2 - i : 2 - i + rows, 2 - j : 2 - j + columns]
                for i in range(3)
                for j in range(3)
            )
        outputs = total[now["skip_y"] :: now["step_y"] + 1, now["skip_x"] :: now["step_x"] + 1]
        if outputs.shape[0] * outputs.shape[1] != now["pixels"] + 1:
            raise ValueError(f"{name}: {now['pixels'] + 1} pixels, the window unit makes {outputs[..., 0].size}")
        result: NDArray[np.int64] = outputs.reshape(-1, len(taps))
        return result
