"""What nextpnr says of one place and route: clock speed, use of the part, the slowest path."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

# Yosys names a cell after the net it drives, then what it is, then how it got there.
_CELL = re.compile(
    r"_(?:TRELLIS_FF|LUT\d|PFUMX|L6MUX21|CCU2C?|DP16KD|MULT18X18D?|ALU|MUX2_LUT\d|SB_\w+?|DFF\w*|CC_\w+?|FD1P3\w+?|PDPSC16K)"
    r"(?:_.*|\$.*|)$"
)
_KINDS = {
    **{"TRELLIS_COMB": "LUT4", "TRELLIS_FF": "FF", "MULT18X18D": "DSP", "DP16KD": "BRAM"},
    **{"ICESTORM_LC": "LUT4", "ICESTORM_DSP": "DSP", "ICESTORM_RAM": "BRAM"},
    **{"LUT4": "LUT4", "DFF": "FF", "MULT18X18": "DSP", "BSRAM": "BRAM"},
    **{"CPE_LT": "LUT4", "CPE_FF": "FF", "RAM_HALF": "BRAM"},
    **{"OXIDE_COMB": "LUT4", "OXIDE_FF": "FF", "MULT18_CORE": "DSP", "OXIDE_EBR": "BRAM"},
}
_HALF_DSP = "MULT9X9"
"""Of Gowin: two are in the place of one multiplier."""
_WHOLE_CPES = ("CPE_ADDF", "CPE_ADDF2", "CPE_MULT", "CPE_MX4")
"""Of GateMate: each is in the place of two look-up tables."""
_HALF_BLOCKS = re.compile(r"^Info:\s+RAM_HALF:\s+(\d+)/", re.MULTILINE)
"""Of GateMate, in the log: the report counts two half blocks once that were put together."""
_TOO_EARLY = re.compile(r"^Info: (\d+) Hold/min time violations", re.MULTILINE)


@dataclass(frozen=True)
class Hop:
    """One step of a path: ``kind`` is clk-to-q, logic, routing or setup; ``name`` the signal, ``source`` its origin.

    The first one may be clk-skew: by how much later the clock is at the path's beginning than at its end.
    """

    kind: str
    name: str
    delay_ns: float
    source: str


@dataclass(frozen=True)
class CriticalPath:
    """The slowest path between two clock edges."""

    hops: tuple[Hop, ...]

    @property
    def delay_ns(self) -> float:
        return sum(hop.delay_ns for hop in self.hops)

    def __str__(self) -> str:
        logic = sum(hop.delay_ns for hop in self.hops if hop.kind != "routing")
        lines = [
            f"from {self.hops[0].name}",
            f"to   {self.hops[-1].name}",
            f"{self.delay_ns:.2f} ns: {logic:.2f} logic, {self.delay_ns - logic:.2f} routing",
        ]
        total = 0.0
        for kind, name, source, delay in _merged(self.hops):
            total += delay
            lines.append(f"  {total:6.2f} ns  {kind:8} {delay:5.2f}  {name}" + (f"  ({source})" if source else ""))
        return "\n".join(lines)


_MOST_MARGIN = 0.1
"""By how much more than the core's clock may be asked of place and route."""


@dataclass(frozen=True)
class Route:
    """One place and route.

    Members
    -------
    fmax_hz, constraint_hz : float
        Of the core's clock.
    met : bool
        Whether the core's clock is reached, which may be less than its constraint, all others meet theirs, and nothing
        is too early.
    too_early : int
        Ends of paths that change before the register there has taken what they were, at whatever clock.
    used : dict of str to (int, int)
        Used and present, by kind: LUT4, FF, DSP, BRAM.
    """

    seed: int
    seconds: float
    fmax_hz: float
    constraint_hz: float
    met: bool
    used: dict[str, tuple[int, int]]
    path: CriticalPath
    too_early: int = 0

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path).splitlines()}


def readable(name: str) -> str:
    """Return the signal that a cell of the netlist computes: its hierarchical name without what Yosys appended."""
    return _CELL.sub("", name).removeprefix("top.")


def parse(report: Path, *, seed: int, seconds: float, clock_hz: float, log: str = "") -> Route:
    """Read a file that ``nextpnr --report`` wrote; of some parts ``log``, what nextpnr said, alone has the whole truth.

    Raises
    ------
    ValueError
        If no clock of the design is constrained to ``clock_hz``, or a little more.
    """
    document = json.loads(report.read_text())
    clocks = {name: (1e6 * clock["achieved"], 1e6 * clock["constraint"]) for name, clock in document["fmax"].items()}
    ours = [name for name, (_, constraint) in clocks.items() if -1e-3 < constraint / clock_hz - 1 < _MOST_MARGIN]
    if not ours:
        constraints = ", ".join(f"{name} {constraint / 1e6:g} MHz" for name, (_, constraint) in clocks.items())
        raise ValueError(f"expected a clock constrained to {clock_hz / 1e6:g} MHz, not {constraints or 'none'}")
    early = _TOO_EARLY.search(log)
    too_early = int(early[1]) if early else 0
    name = min(ours, key=lambda name: clocks[name][0])
    fmax, constraint = clocks[name]
    path = next(
        path["path"]
        for path in document["critical_paths"]
        if path["from"].split()[-1] == name and path["to"].split()[-1] == name
    )
    return Route(
        seed=seed,
        seconds=seconds,
        fmax_hz=fmax,
        constraint_hz=constraint,
        met=fmax >= clock_hz
        and all(clocks[other][0] >= clocks[other][1] for other in clocks if other not in ours)
        and not too_early,
        used=used(document, log),
        path=CriticalPath(tuple(_hop(hop) for hop in path)),
        too_early=too_early,
    )


def used(report: Mapping[str, Any], log: str = "") -> dict[str, tuple[int, int]]:
    """Return what a report of nextpnr, and its log, say of the part: used and present, by kind."""
    cells = report["utilization"]
    found = {label: (cells[kind]["used"], cells[kind]["available"]) for kind, label in _KINDS.items() if kind in cells}
    if _HALF_DSP in cells:
        multipliers, there = found["DSP"]
        found["DSP"] = (multipliers + (cells[_HALF_DSP]["used"] + 1) // 2, there)
    for kind in _WHOLE_CPES:
        if kind in cells:
            tables, there = found["LUT4"]
            found["LUT4"] = (tables + 2 * cells[kind]["used"], there)
    halves = _HALF_BLOCKS.search(log)
    if halves:
        found["BRAM"] = (int(halves[1]), found["BRAM"][1])
    return found


def summary(routes: list[Route]) -> list[str]:
    """Return the table of seeds, with median and spread if there are several."""
    lines = [
        f"seed {r.seed}: {r.fmax_hz / 1e6:.1f} MHz, {r.seconds:.0f} s"
        + (f", and {r.too_early} of its paths end too early at any clock" if r.too_early else "")
        for r in routes
    ]
    if len(routes) > 1:
        speeds = [r.fmax_hz / 1e6 for r in routes]
        lines.append(f"median {median(speeds):.1f} MHz, {min(speeds):.1f} to {max(speeds):.1f} MHz")
    return lines


def _hop(hop: dict[str, Any]) -> Hop:
    end = hop["to"] if hop["type"] in ("clk-to-q", "setup") else hop["from"]
    return Hop(
        kind=hop["type"],
        name=readable(hop.get("net") or end["cell"]),
        delay_ns=hop["delay"],
        source=_origin(hop.get("sources", [])),
    )


def _origin(sources: list[str]) -> str:
    """Return the place in a design's own files, not in a tool's or a library's."""
    own = [source for source in sources if source.split(":")[0].endswith(".py") and not source.startswith("amaranth/")]
    return own[0] if own else ""


def _merged(hops: tuple[Hop, ...]) -> list[tuple[str, str, str, float]]:
    """Add up the hops of a carry chain or a wide multiplexer, which all have one name."""
    merged: list[tuple[str, str, str, float]] = []
    for hop in hops:
        if merged and (merged[-1][0], merged[-1][1]) == (hop.kind, hop.name):
            kind, name, source, delay = merged.pop()
            merged.append((kind, name, source or hop.source, delay + hop.delay_ns))
        elif hop.delay_ns or hop.kind in ("clk-to-q", "setup"):
            merged.append((hop.kind, hop.name, hop.source, hop.delay_ns))
    return merged
