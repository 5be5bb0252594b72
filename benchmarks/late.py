"""Which paths of an ECP5 netlist are late wherever it is placed: an estimate of a minute, from Yosys's netlist alone.

    python benchmarks/late.py NETLIST [--above NS] [--lines 40]

``NETLIST`` is the ``top.json`` of a build, for example in ``build/fmax``. Cells with a fixed site stand still, and all
others go where the sum of the squares of all wires is least: on top of each other, but no nearer to what stands still
than they can be in a placement. A wire takes what nextpnr (ecp5, `predictDelay`, speed grade 6) expects of its length,
a cell about what it takes. That is no clock: of a path that is late here the circuits are to blame, not the seed.

Printed are the number of late ends, then the worst path between each two kinds of registers, numbers in names left
out: how many there are, the delay, both ends, and the places of the cells on the way.
"""

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CLOCK_TO_Q = {"TRELLIS_FF": 0.5, "DP16KD": 1.0, "MULT18X18D": 1.0}
_THROUGH = {"LUT4": 0.24, "PFUMX": 0.2, "L6MUX21": 0.2, "TRELLIS_DPR16X4": 0.24, "CCU2C": 0.45}
_CARRY_NS = 0.07
_ENDS = (*_CLOCK_TO_Q, "TRELLIS_DPR16X4")
_CLOCKS = ("CLK", "WCK")
_MOST_PAIRS = 4
"""Up to so many cells on a wire, each two are drawn together; of more, each to their middle."""
_ROUNDS = 500
_MIDDLE = (60.0, 35.0)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Route:
    """A path: its delay in ns, from register to register, and the cells on the way, both included."""

    delay: float
    start: str
    end: str
    cells: tuple[str, ...]


class Netlist:
    """The one module of a netlist, as Yosys writes it in JSON."""

    def __init__(self, netlist: dict[str, Any]):
        module = max(netlist["modules"].values(), key=lambda module: len(module["cells"]))
        self.cells: dict[str, Any] = module["cells"]
        self.number = {name: number for number, name in enumerate(self.cells)}
        self.driver: dict[int, str] = {}
        self.users: dict[int, set[str]] = defaultdict(set)
        for name, cell in self.cells.items():
            for pin, bits in cell["connections"].items():
                for bit in bits:
                    if not isinstance(bit, int) or pin.startswith(_CLOCKS):
                        continue
                    if cell["port_directions"][pin] == "output":
                        self.driver[bit] = name
                    else:
                        self.users[bit].add(name)
        self.names: dict[int, str] = {}
        for name, net in module["netnames"].items():
            for bit in net["bits"]:
                if bit not in self.names or len(name) < len(self.names[bit]):
                    self.names[bit] = name

    def inputs(self, name: str) -> Iterator[tuple[str, int]]:
        """Yield the driven inputs of a cell, but clocks."""
        cell = self.cells[name]
        for pin, bits in cell["connections"].items():
            if cell["port_directions"][pin] == "input" and not pin.startswith(_CLOCKS):
                yield from ((pin, bit) for bit in bits if bit in self.driver)


def places(netlist: Netlist) -> Floats:
    """Return column and row of each cell, by `Netlist.number`."""
    fixed = {
        netlist.number[name]: (float(site[1]), float(site[2]))
        for name, cell in netlist.cells.items()
        if (site := re.match(r"X(\d+)/Y(\d+)/", cell.get("attributes", {}).get("BEL", "")))
    }
    edges: list[tuple[int, int, float]] = []
    count = len(netlist.cells)
    for bit, users in netlist.users.items():
        ends = sorted({netlist.number[name] for name in (*users, netlist.driver.get(bit, next(iter(users))))})
        if len(ends) <= _MOST_PAIRS:
            edges += [(a, b, 1 / (len(ends) - 1)) for a in ends for b in ends if a != b]
        else:
            edges += [pair for end in ends for pair in ((end, count, 1.0), (count, end, 1.0))]
            count += 1
    sources, targets, weights = (np.array(column) for column in zip(*edges, strict=True))
    moves = np.ones(count)
    moves[list(fixed)] = 0
    # What nothing fixed draws stays in the middle.
    own = np.bincount(sources, weights, count) + 1e-4

    def pull(x: Floats) -> Floats:
        return moves * (own * x - np.bincount(sources, weights * x[targets], count))

    found = []
    for axis, middle in enumerate(_MIDDLE):
        # Conjugate gradients, each cell scaled by what draws it.
        x = np.full(count, middle)
        x[list(fixed)] = [site[axis] for site in fixed.values()]
        left = moves * 1e-4 * middle - pull(x)
        way = left / own
        size = left @ way
        for _ in range(_ROUNDS):
            if size < 1e-6:
                break
            pulled = pull(way)
            step = size / (way @ pulled)
            x += step * way
            left -= step * pulled
            size, before = left @ (left / own), size
            way = left / own + size / before * way
        found.append(x[: len(netlist.cells)])
    return np.stack(found, axis=1)


def paths(netlist: Netlist, where: Floats) -> list[Route]:
    """Return the slowest path to each input of a register, the slowest first."""

    def wire(bit: int, user: str) -> float:
        far = np.abs(where[netlist.number[netlist.driver[bit]]] - where[netlist.number[user]])
        near = np.minimum(far, 5)
        return float(0.12 * (6 + (far - near).sum() + 2 * near.sum()))

    arrivals: dict[int, tuple[float, int | None]] = {}

    def arrival(bit: int) -> float:
        """Return when a bit is there, minus infinity for what comes from no register; note where it comes from."""
        if bit not in arrivals:
            name = netlist.driver[bit]
            kind = netlist.cells[name]["type"]
            arrivals[bit] = -np.inf, None
            if kind in _CLOCK_TO_Q:
                arrivals[bit] = _CLOCK_TO_Q[kind], None
            elif kind in _THROUGH:
                for pin, source in netlist.inputs(name):
                    if kind == "TRELLIS_DPR16X4" and not pin.startswith("RAD"):
                        continue
                    time = arrival(source)
                    if pin == "CIN":
                        time += _CARRY_NS
                    elif kind in ("PFUMX", "L6MUX21") and pin not in ("C0", "SD"):
                        time += _THROUGH[kind]
                    else:
                        time += wire(source, name) + _THROUGH[kind]
                    arrivals[bit] = max(arrivals[bit], (time, source), key=lambda found: found[0])
        return arrivals[bit][0]

    found: list[Route] = []
    for name, cell in netlist.cells.items():
        kind = cell["type"]
        for pin, bit in netlist.inputs(name) if kind in _ENDS else ():
            if kind == "TRELLIS_DPR16X4" and pin.startswith("RAD"):
                continue
            time = arrival(bit)
            if np.isinf(time):
                continue
            # A look-up table is next to its register.
            if pin != "DI" or netlist.cells[netlist.driver[bit]]["type"] in _CLOCK_TO_Q:
                time += wire(bit, name)
            start, way = bit, [netlist.driver[bit], name]
            while (source := arrivals[start][1]) is not None:
                start = source
                way.insert(0, netlist.driver[start])
            found.append(Route(time, netlist.names.get(start, way[0]), f"{name}.{pin}", tuple(way)))
    return sorted(found, key=lambda path: -path.delay)


def _kind(name: str) -> str:
    return re.sub(r"\d+", "#", re.sub(r"_(LUT4|CCU2C|TRELLIS|PFUMX).*", "", name))


def main() -> int:
    """Print what is late in the netlist that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("netlist", type=Path)
    parser.add_argument("--above", type=float, default=6.0, metavar="NS", help="what is late; default 6")
    parser.add_argument("--lines", type=int, default=40)
    arguments = parser.parse_args()
    sys.setrecursionlimit(100_000)
    netlist = Netlist(json.loads(arguments.netlist.read_text()))
    where = places(netlist)
    found = paths(netlist, where)
    late = [path for path in found if path.delay > arguments.above]
    print(f"{len(late)} of {len(found)} ends above {arguments.above:g} ns")
    groups: dict[tuple[str, str], list[Route]] = defaultdict(list)
    for path in late:
        groups[_kind(path.start), _kind(path.end)].append(path)
    for group in list(groups.values())[: arguments.lines]:
        worst = group[0]
        way = " ".join("{:.0f},{:.0f}".format(*where[netlist.number[name]]) for name in worst.cells)
        print(f"{len(group):5} {worst.delay:6.2f}  {worst.start} -> {worst.end}  at {way}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
