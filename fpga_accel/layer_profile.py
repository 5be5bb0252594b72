"""The cycles of a model that ran, layer by layer: a table for people, a document for programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from rtl.spec.config import Config

from .console import count, table
from .session import LayerProfile, Session


@dataclass(frozen=True)
class Profile:
    """The layers of a model on a core, and the cycles of a whole inference; measured: None without a clock."""

    config: Config
    layers: Sequence[LayerProfile]
    predicted: int
    measured: int | None

    @classmethod
    def of(cls, session: Session) -> "Profile":
        """Return that of the last run of a session."""
        return cls(session.plan.config, session.profile(), session.plan.cycles, session.cycles())

    @property
    def late(self) -> list[LayerProfile]:
        """The layers that did not take the cycles that were predicted."""
        return [layer for layer in self.layers if layer.measured != layer.predicted]

    @property
    def as_predicted(self) -> bool:
        """Whether each layer and the whole took the cycles that were predicted."""
        return not self.late and self.measured == self.predicted

    def table(self, title: str = "", how: str = "measured") -> Table:
        """Return a row for each layer, and one for the whole; the cycles that were not predicted are ``how``."""
        peak = self.config.rows * self.config.columns
        whole = LayerProfile("total", "", sum(layer.macs for layer in self.layers), self.predicted, self.measured)
        rows = [
            (
                layer.name,
                layer.operator,
                count(layer.macs),
                count(layer.predicted),
                "-" if layer.measured is None else count(layer.measured),
                f"{layer.utilization(peak):.1%}",
            )
            for layer in (*self.layers, whole)
        ]
        columns = ("layer", "operator", "MACs", "cycles predicted", f"cycles {how}", "MAC utilization")
        return table(title or f"Cycles on core {self.config.name}", columns, rows)

    def document(self) -> dict[str, Any]:
        """Return the same as a document."""
        peak = self.config.rows * self.config.columns
        return {
            "core": self.config.name,
            "cycles_predicted": self.predicted,
            "cycles_measured": self.measured,
            "layers": [
                {
                    "name": layer.name,
                    "operator": layer.operator,
                    "macs": layer.macs,
                    "cycles_predicted": layer.predicted,
                    "cycles_measured": layer.measured,
                    "utilization": layer.utilization(peak),
                }
                for layer in self.layers
            ],
        }
