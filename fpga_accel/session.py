"""Inference sessions, shaped like ONNX Runtime's: ``Session("model.fpga", device="sim").run(None, {"x": x})``."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl.spec.errors import BadInput
from rtl.spec.graph import Graph, Port
from rtl.spec.plan import Array, HostSegment, Plan, Segment
from rtl.spec.program import Program
from sim import reference
from sim.closing import Closing

from .core_runner import CoreRunner, Tensors, Upsets, shared_runner
from .device import Device
from .feed import ArrayInfo, check_feed
from .files import readable
from .host_runner import HostRunner
from .open_device import check_device_name, open_device
from .progress import Note

Values = dict[str, NDArray[Any]]
Callback = Callable[[list[NDArray[np.generic]] | None, BaseException | None], None]


@dataclass(frozen=True)
class LayerProfile:
    """Cycles of a layer: predicted by the compiler, and measured in the last run (None if nothing was measured)."""

    name: str
    operator: str
    macs: int
    predicted: int
    measured: int | None

    def utilization(self, macs_per_cycle: int) -> float:
        """Multiply-accumulates done over those that the array could have done in the time.

        Above 1 if the layer began while the one before it was still on its way to memory.
        """
        return self.macs / (max(self.predicted if self.measured is None else self.measured, 1) * macs_per_cycle)


class Session(Closing):
    """A compiled model on a device, ready to run.

    It may be used from several threads, one of which runs at a time, as do sessions that share a device.

    Parameters
    ----------
    plan : path or Plan
        What ``fpga-accel compile`` wrote. With the device ``numpy`` a plan need not be compiled.
    device : str or Device
        ``numpy``, ``program``, ``sim``, ``serial:PORT``, or an open device, which the session then does not close, and
        may share with others: their models stay in the core's memories while there is room. It runs the segments of the
        core; those of the host run in ONNX Runtime on every device.
    raw : bool
        Take and give the integers of the core where the model has floats that the host would quantize: int8, or uint8
        for tensors that ONNX has as such. `get_inputs` and `get_outputs` tell.
    note : function, optional
        Called as ``note(what, done, total)`` while samples run.
    options
        For the device; see :func:`~fpga_accel.open_device.open_device`.

    Raises
    ------
    BadInput
        If the plan cannot be read or there is no device of that name.
    DeviceError
        If the device does not open, or has another core than the plan was compiled for.
    """

    def __init__(
        self,
        plan: str | Path | Plan,
        device: str | Device = "program",
        *,
        raw: bool = False,
        note: Note | None = None,
        **options: Any,
    ):
        self.plan = plan if isinstance(plan, Plan) else Plan.load_file(readable(Path(plan)))
        if raw:
            self.plan = raw_plan(self.plan)
        self._lock = RLock()
        self._worker: ThreadPoolExecutor | None = None
        self._host = {segment.name: HostRunner(segment) for segment in self.plan.host}
        self._note = note
        self._stack = ExitStack()
        self._runner: CoreRunner | None = None
        if isinstance(device, str):
            check_device_name(device)
        if device == "numpy":
            return
        with ExitStack() as stack:
            # The interpreter only predicts its cycles.
            measures = device != "program"
            if isinstance(device, str):
                if device == "sim":
                    options = {"note": note, **options}
                device = stack.enter_context(open_device(device, self.plan.config, **options))
            self._runner = shared_runner(device, self.plan.config, measures)
            self._lock = self._runner.lock
            self._upsets_before = self._runner.upsets
            with self._lock:
                self._runner.load(self.plan.programs[0], note)
            self._stack = stack.pop_all()

    def close(self) -> None:
        """End what `run_async` was given, and close the device, if the session opened it."""
        if self._worker:
            self._worker.shutdown()
            self._worker = None
        self._stack.close()

    def get_inputs(self) -> list[ArrayInfo]:
        """Name, shape and type of each input, in the model's order."""
        return [ArrayInfo.of_array(array) for array in self.plan.inputs]

    def get_outputs(self) -> list[ArrayInfo]:
        """Name, shape and type of each output, in the model's order."""
        return [ArrayInfo.of_array(array) for array in self.plan.outputs]

    def run(
        self,
        output_names: Sequence[str] | None,
        feed: Mapping[str, object],
        *,
        out: Mapping[str, NDArray[Any]] | None = None,
    ) -> list[NDArray[np.generic]]:
        """Return the outputs named (all of them for None) for a batch of any size.

        Inputs and outputs have the types of the ONNX model: floats are quantized and dequantized on the host, which
        also runs the host segments. An output that has an array in ``out``, by its name, is written there, and that
        array returned.

        Raises
        ------
        BadInput
            If an input is missing or not as it must be, an output is unknown, or an array of ``out`` has another shape
            or type than the output.
        DeviceError
            If the device stops answering.
        """
        names = self._names(output_names)
        values, _ = self.run_tensors(feed, every=False)
        return [_into(out or {}, name, values[name]) for name in names]

    def run_async(
        self,
        output_names: Sequence[str] | None,
        feed: Mapping[str, object],
        callback: Callback | None = None,
    ) -> "Future[list[NDArray[np.generic]]]":
        """Begin what `run` does and return at once: what is begun first is done first.

        The future has the outputs, or the exception; ``callback`` is called with (outputs, None) or (None, exception)
        when it has, in any thread, but not if the future was cancelled.
        """

        with self._lock:
            self._worker = self._worker or ThreadPoolExecutor(1, "session")
            future = self._worker.submit(self.run, output_names, feed)
        if callback:
            future.add_done_callback(lambda done: _tell(callback, done))
        return future

    def stream(
        self, feeds: Iterable[Mapping[str, object]], output_names: Sequence[str] | None = None, *, ahead: int = 2
    ) -> Iterator[list[NDArray[np.generic]]]:
        """Yield the outputs for each of many feeds, in order, while up to ``ahead`` more are under way.

        If one segment of the model runs on the core, the input of a sample goes there while the one before is computed.
        """
        names = self._names(output_names)
        begun: deque[Callable[[], list[NDArray[np.generic]]]] = deque()
        try:
            for feed in feeds:
                begun.append(self._begin(names, feed))
                if len(begun) > ahead:
                    yield begun.popleft()()
        except BadInput:
            # What was begun before is as good as ever.
            while begun:
                yield begun.popleft()()
            raise
        while begun:
            yield begun.popleft()()

    def tensors(self, feed: Mapping[str, object]) -> Tensors:
        """Return every tensor of the core that is still there after a run, as int8 (batch, *shape), for comparison.

        A program that was compiled with ``keep_tensors`` keeps all of them.
        """
        return self.run_tensors(feed)[1]

    def run_tensors(self, feed: Mapping[str, object], *, every: bool = True) -> tuple[Values, Tensors]:
        """Return all outputs by name, and the tensors of the core: every one that is still there, or what it gives."""
        arrays = check_feed(self.get_inputs(), feed)
        samples = len(next(iter(arrays.values()), [0]))
        step = self.plan.batch if self.plan.host and self.plan.batch else samples
        if samples % step:
            raise BadInput(f"the model takes {step} samples at a time, {samples} is no multiple of that")
        parts = []
        with self._lock:
            for start in range(0, samples, step):
                some = {name: array[start : start + step] for name, array in arrays.items()}
                parts.append(self._run(some, every, start, samples))
        values, tensors = ([part[index] for part in parts] for index in range(2))
        return _joined(values), _joined(tensors)

    def profile(self) -> list[LayerProfile]:
        """Return the cycles of each layer: predicted, and of the last sample that ran on this device."""
        result = []
        for program in self.plan.programs:
            with self._lock:
                measured = self._runner.layer_cycles(program) if self._runner else None
            for index, layer in enumerate(program.layers):
                cycles = None if measured is None else measured[index]
                result.append(LayerProfile(layer.name, layer.operator, layer.macs, layer.cycles, cycles))
        return result

    def cycles(self) -> int | None:
        """Return the length of the last run in cycles; None if nothing ran or the device has no clock."""
        with self._lock:
            lengths = [self._runner.cycles(program) if self._runner else None for program in self.plan.programs]
        return None if None in lengths else sum(length for length in lengths if length is not None)

    def scrub(self) -> int:
        """Compare the core's memories with what was loaded, load again what has changed, and return of how many pieces.

        A core with parity does so when a program is loaded, too, and when a run was upset; it sends digests only. Of
        others everything is read. Nothing else is under way meanwhile, so it is for the time between runs.

        Raises
        ------
        Upset
            If memory does not hold what is loaded again.
        """
        with self._lock:
            return self._runner.scrub(self.plan.programs[0]) if self._runner else 0

    @property
    def upsets(self) -> Upsets:
        """What has changed in the core's memories since the session began, was noticed, and is repaired."""
        return self._runner.upsets - self._upsets_before if self._runner else Upsets()

    def _run(self, arrays: Values, every: bool, first: int, total: int) -> tuple[Values, Tensors]:
        """Run the segments in order; ``values`` has what the model was given and what its segments gave."""
        values: Values = dict(arrays)
        tensors: Tensors = {}
        for segment in self.plan.segments:
            if isinstance(segment, HostSegment):
                values |= self._host[segment.name].run(values)
                continue
            graph = segment.graph
            wanted = list(dict.fromkeys(port.tensor for port in graph.outputs))
            if self._runner is None:
                made = reference.run(graph, {name: values[name] for name in segment.inputs})
            else:
                assert isinstance(segment.work, Program)
                kept = segment.work.kept if every else wanted
                inputs = reference.quantize_inputs(graph, {name: values[name] for name in segment.inputs})
                made = self._runner.run(segment.work, inputs, kept, self._counted(first, total))
            values |= reference.outputs(graph, made)
            tensors |= made if every else {name: made[name] for name in wanted}
        return {array.name: values[array.name] for array in self.plan.outputs}, tensors

    def _names(self, output_names: Sequence[str] | None) -> list[str]:
        """Return the outputs that are asked for."""
        known = [array.name for array in self.plan.outputs]
        unknown = [name for name in output_names or () if name not in known]
        if unknown:
            raise BadInput(f"no output named '{unknown[0]}'; the model has: {', '.join(known)}")
        return list(output_names or known)

    def _begin(self, names: list[str], feed: Mapping[str, object]) -> Callable[[], list[NDArray[np.generic]]]:
        """Begin what `run` does; return what waits for its end."""
        arrays = check_feed(self.get_inputs(), feed)
        samples = len(next(iter(arrays.values()), [0]))
        cores = [index for index, segment in enumerate(self.plan.segments) if not isinstance(segment, HostSegment)]
        whole = not self.plan.host or self.plan.batch in (None, samples)
        runner = self._runner
        if runner is None or len(cores) != 1 or not whole:
            return self.run_async(names, feed).result
        before, (segment, *after) = self.plan.segments[: cores[0]], self.plan.segments[cores[0] :]
        assert not isinstance(segment, HostSegment) and isinstance(segment.work, Program)
        graph, program = segment.graph, segment.work
        with self._lock:
            values = self._on_host(before, dict(arrays))
            inputs = reference.quantize_inputs(graph, {name: values[name] for name in segment.inputs})
            begun = [
                runner.begin(program, {name: q[index] for name, q in inputs.items()}, program.outputs)
                for index in range(samples)
            ]

        def finish() -> list[NDArray[np.generic]]:
            with self._lock:
                found = [runner.finish(each) for each in begun]
                self._counted(0, samples)(samples)
                made = {name: np.stack([each[name] for each in found]) for name in program.outputs}
                results = self._on_host(after, values | reference.outputs(graph, made))
            return [results[name] for name in names]

        return finish

    def _on_host(self, segments: Sequence[Segment], values: Values) -> Values:
        """Return the values and what host segments make of them."""
        for segment in segments:
            values = values | self._host[segment.name].run(values)
        return values

    def _counted(self, first: int, total: int) -> Callable[[int], None]:
        """Return what tells of each sample that is done."""
        return lambda done: self._note("sample", first + done, total) if self._note else None


def _joined(parts: list[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Return the arrays of several batches as those of one."""
    if len(parts) == 1:
        return parts[0]
    return {
        name: np.stack(arrays) if arrays[0].ndim == 0 else np.concatenate(arrays)
        for name, arrays in ((name, [part[name] for part in parts]) for name in parts[0])
    }


def _tell(callback: Callback, done: "Future[list[NDArray[np.generic]]]") -> None:
    if not done.cancelled():
        error = done.exception()
        callback(None if error else done.result(), error)


def _into(out: Mapping[str, NDArray[Any]], name: str, value: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return an output, in the array that is there for it, if there is one."""
    if name not in out:
        return value
    place = out[name]
    if (place.shape, place.dtype) != (value.shape, value.dtype):
        raise BadInput(
            f"out: array '{name}' has dtype {place.dtype} and shape {place.shape}, "
            f"the output {value.dtype} and {value.shape}"
        )
    np.copyto(place, value)
    return place


def raw_plan(plan: Plan) -> Plan:
    """Return a plan whose inputs and outputs are the integers of the core where the host would quantize floats.

    What the host computes stays as it is.
    """
    ends = {array.name for array in (*plan.inputs, *plan.outputs)}
    read_by_host = {name for segment in plan.host for name in segment.inputs}
    types: dict[str, str] = {}

    def integer(graph: Graph, port: Port) -> Port:
        if port.quantized or port.name not in ends or port.name in read_by_host:
            return port
        types[port.name] = "uint8" if graph.tensors[port.tensor].unsigned else "int8"
        return replace(port, dtype=types[port.name], quantized=True)

    def converted(graph: Graph) -> Graph:
        return replace(
            graph,
            inputs=tuple(integer(graph, port) for port in graph.inputs),
            outputs=tuple(integer(graph, port) for port in graph.outputs),
        )

    def of(segment: Segment) -> Segment:
        if isinstance(segment, HostSegment):
            return segment
        work = segment.work
        changed = replace(work, graph=converted(work.graph)) if isinstance(work, Program) else converted(work)
        return replace(segment, work=changed)

    segments = tuple(of(segment) for segment in plan.segments)

    def array(given: Array) -> Array:
        return replace(given, dtype=types.get(given.name, given.dtype))

    return replace(
        plan, segments=segments, inputs=tuple(map(array, plan.inputs)), outputs=tuple(map(array, plan.outputs))
    )
