"""What a run of the benchmark found of one model, and the figures that follow from it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from routed import Routed


@dataclass(frozen=True)
class LayerResult:
    """One layer: cycles predicted and simulated (None if not simulated), and by bound."""

    name: str
    operator: str
    macs: int
    predicted: int
    simulated: int | None
    bounds: Mapping[str, int]

    @property
    def cycles(self) -> int:
        """The cycles: simulated ones, if there are any."""
        return self.predicted if self.simulated is None else self.simulated

    @property
    def bound(self) -> str:
        """What takes the most cycles, and what part of them."""
        name = max(self.bounds, key=lambda name: self.bounds[name])
        return f"{name} {self.bounds[name] / sum(self.bounds.values()):.0%}"


@dataclass(frozen=True)
class ModelResult:
    """One model on its core.

    Members
    -------
    trained : bool
        Or with seeded weights.
    peak : int
        MACs that the array can do in a cycle.
    too_large : str
        Why the core is larger than the part, or ''.
    routed : Routed or None
        What place and route said of the core.
    current : bool
        Whether it said so of the circuits of this checkout.
    compared, different : int
        Bytes of the core's results against ONNX Runtime and the reference; 0 compared if nothing was simulated.
    run_s, load_s : float or None
        Seconds of the inference on the simulated circuits, and of loading the program over the simulated link before.
    records : tuple of (float, str)
        In ms, and whose.
    """

    name: str
    core: str
    trained: bool
    peak: int
    layers: tuple[LayerResult, ...]
    predicted: int
    simulated: int | None
    compared: int
    different: int
    load_s: float | None
    run_s: float | None
    too_large: str
    routed: Routed | None
    current: bool
    records: tuple[tuple[float, str], ...]
    record_macs: float | None

    @property
    def cycles(self) -> int:
        """Of one inference: simulated ones, if there are any."""
        return self.predicted if self.simulated is None else self.simulated

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)

    @property
    def share(self) -> float:
        """MACs done over those that the array could have done."""
        return self.macs / (self.cycles * self.peak)

    @property
    def latency_ms(self) -> float | None:
        """At the median clock; None without a measurement."""
        return None if self.routed is None else 1e3 * self.cycles / self.routed.median_hz

    @property
    def macs_per_dsp(self) -> float | None:
        """MACs per cycle and DSP of the whole routed design; None without a measurement."""
        return None if self.routed is None else self.macs / (self.cycles * self.routed.used["DSP"])

    @property
    def wrong(self) -> list[str]:
        """What is not as it must be."""
        faults = []
        if self.simulated is not None:
            if self.different or not self.compared:
                faults.append(f"{self.name}: {self.different} of {self.compared} bytes differ")
            if self.simulated != self.predicted:
                faults.append(f"{self.name}: {self.simulated} cycles simulated, {self.predicted} predicted")
            faults += [
                f"{self.name}, {layer.name}: {layer.simulated} cycles simulated, {layer.predicted} predicted"
                for layer in self.layers
                if layer.simulated != layer.predicted
            ]
        return faults

    def document(self) -> dict[str, Any]:
        """The same as a document."""
        return {
            **asdict(self),
            "cycles": self.cycles,
            "macs": self.macs,
            "share_of_peak": self.share,
            "latency_ms": self.latency_ms,
            "macs_per_dsp_cycle": self.macs_per_dsp,
        }
