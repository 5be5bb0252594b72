"""Inference sessions, shaped like ONNX Runtime's: ``Session("model.fpga", device="sim").run(None, {"x": x})``."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl.spec.errors import BadInput
from rtl.spec.layout import from_words, to_words
from rtl.spec.program import Program
from rtl.spec.registers import Region, Register
from sim import reference

from .devices import Device
from .feed import ArrayInfo, check_feed
from .files import readable
from .identity import check_core, read_core_info
from .open_device import check_device_name, open_device
from .progress import Note

Tensors = dict[str, NDArray[np.int8]]


@dataclass(frozen=True)
class LayerProfile:
    """Cycles of a layer: predicted by the compiler, and measured in the last run (None if nothing was measured)."""

    name: str
    operator: str
    macs: int
    predicted: int
    measured: int | None

    def utilization(self, macs_per_cycle: int) -> float:
        """Multiply-accumulates done over those that the array could have done in the time."""
        return self.macs / (max(self.predicted if self.measured is None else self.measured, 1) * macs_per_cycle)


class Session:
    """A program on a device, ready to run.

    Parameters
    ----------
    program : path or Program
        What ``fpga-accel compile`` wrote.
    device : str or Device
        ``numpy``, ``program``, ``sim``, ``serial:PORT``, or an open device, which the session then does not close.
    note : function, optional
        Called as ``note(what, done, total)`` while samples run.
    options
        For the device; see :func:`~fpga_accel.open_device.open_device`.

    Raises
    ------
    BadInput
        If the program cannot be read or there is no device of that name.
    DeviceError
        If the device does not open, or has another core than the program was compiled for.
    """

    def __init__(
        self,
        program: str | Path | Program,
        device: str | Device = "program",
        *,
        note: Note | None = None,
        **options: Any,
    ):
        self.program = program if isinstance(program, Program) else Program.load_file(readable(Path(program)))
        self._graph = self.program.graph
        self._note = note
        self._stack = ExitStack()
        self._device: Device | None = None
        self._ran = False
        self._measures = True
        if isinstance(device, str):
            check_device_name(device)
        if device == "numpy":
            return
        with ExitStack() as stack:
            if isinstance(device, str):
                if device == "sim":
                    options = {"note": note, **options}
                # The interpreter only predicts its cycles.
                self._measures = device != "program"
                device = stack.enter_context(open_device(device, self.program.config, **options))
            check_core(read_core_info(device), self.program.config)
            for address, words in self.program.memory_image():
                device.write(address, words)
            self._stack = stack.pop_all()
        self._device = device

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def close(self) -> None:
        """Close the device, if the session opened it."""
        self._stack.close()

    def get_inputs(self) -> list[ArrayInfo]:
        """Name, shape and type of each input, in the model's order."""
        return [ArrayInfo.of_port(port) for port in self._graph.inputs]

    def get_outputs(self) -> list[ArrayInfo]:
        """Name, shape and type of each output, in the model's order."""
        return [ArrayInfo.of_port(port) for port in self._graph.outputs]

    def run(self, output_names: Sequence[str] | None, feed: Mapping[str, object]) -> list[NDArray[np.generic]]:
        """Return the outputs named (all of them for None) for a batch of any size.

        Inputs and outputs have the types of the ONNX model: floats are quantized and dequantized, and a Softmax or
        ArgMax at the end is computed, on the host.

        Raises
        ------
        BadInput
            If an input is missing or not as it must be, or an output is unknown.
        DeviceError
            If the device stops answering.
        """
        known = [port.name for port in self._graph.outputs]
        unknown = [name for name in output_names or () if name not in known]
        if unknown:
            raise BadInput(f"no output named '{unknown[0]}'; the model has: {', '.join(known)}")
        tensors = self._run(feed, [port.tensor for port in self._graph.outputs])
        results = reference.outputs(self._graph, tensors)
        return [results[name] for name in output_names or known]

    def tensors(self, feed: Mapping[str, object]) -> Tensors:
        """Return every tensor that is still there after a run, as int8 (batch, *shape), for comparison.

        A program that was compiled with ``keep_tensors`` keeps all of them.
        """
        return self._run(feed, list(self._graph.tensors if self._device is None else self.program.kept))

    def profile(self) -> list[LayerProfile]:
        """Return the cycles of each layer: predicted, and of the last sample that ran on this device."""
        layers = self.program.layers
        measured: list[int | None] = [None] * len(layers)
        if self._device is not None and self._ran and self._measures:
            marks = [int(mark) for mark in self._device.read(Region.PROFILE.base, len(layers))]
            measured = [end - start for start, end in zip([0, *marks], marks, strict=False)]
        return [
            LayerProfile(layer.name, layer.operator, layer.macs, layer.cycles, cycles)
            for layer, cycles in zip(layers, measured, strict=True)
        ]

    def cycles(self) -> int | None:
        """Return the length of the last run in cycles; None if nothing ran or the device has no clock."""
        if self._device is None or not (self._ran and self._measures):
            return None
        return int(self._device.read(Register.CYCLES, 1)[0])

    def _run(self, feed: Mapping[str, object], wanted: list[str]) -> Tensors:
        arrays = check_feed(self.get_inputs(), feed)
        if self._device is None:
            tensors = reference.run(self._graph, arrays)
            return {name: tensors[name] for name in wanted}
        quantized = reference.quantize_inputs(self._graph, arrays)
        batch = len(next(iter(quantized.values())))
        samples: list[Tensors] = []
        for index in range(batch):
            samples.append(self._run_one(self._device, {name: q[index] for name, q in quantized.items()}, wanted))
            if self._note:
                self._note("sample", index + 1, batch)
        return {name: np.stack([sample[name] for sample in samples]) for name in wanted}

    def _run_one(self, device: Device, inputs: Tensors, wanted: list[str]) -> Tensors:
        config, placements = self.program.config, self.program.placements
        for name, q in inputs.items():
            place = placements[name]
            device.write(place.address(config), to_words(q.reshape(place.shape), config))
        device.start()
        device.wait()
        self._ran = True
        outputs: Tensors = {}
        for name in wanted:
            place = placements[name]
            words = device.read(place.address(config), place.words(config))
            outputs[name] = from_words(words, place.shape, config).reshape(self._graph.tensors[name].shape)
        return outputs
