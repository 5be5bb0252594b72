"""Proof after routing: a model on the circuit that place and route left, against the reference."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Elaboratable

import boards
from boards import Board
from boards.board import Decoding
from onnx_frontend.partition import compile_plan
from rtl.line import Uart
from rtl.spec.config import Config
from rtl.spec.errors import BadInput
from rtl.spec.plan import Plan
from sim.board import CLOCK_HZ, DIVISOR

from . import build, sources, tools
from .build import BuildResult
from .device import SerialDevice
from .evaluate import Difference, compare
from .explore import evaluate
from .feed import Feed
from .progress import Note
from .routed_board import routed_board
from .session import Session

NETLIST, BITSTREAM = "the netlist after routing", "the bitstream, decoded"
"""What a circuit was read from."""
ANSWER_S = 60.0
"""How long an answer of the simulation may take, which is slow."""
_ENDS = {"f": (-1e6, 1e6), "i": (-128, 127), "u": (0, 255), "b": (0, 1)}
"""By kind of an input's type: values that are, or become, the ends of what an int8 tensor holds."""


@dataclass(frozen=True)
class Result:
    """What the simulated circuit answered.

    Members
    -------
    circuit : str
        `NETLIST` or `BITSTREAM`.
    cells : dict
        How many of each type it has.
    samples : int
    difference : evaluate.Difference
        Of all outputs from the reference.
    cycles_predicted, cycles_measured : int
        Of an inference.
    simulated : (int, float)
        Cycles in all, and the seconds they took.
    """

    build: BuildResult
    config: Config
    circuit: str
    cells: dict[str, int]
    samples: int
    difference: Difference
    cycles_predicted: int
    cycles_measured: int
    simulated: tuple[int, float]

    @property
    def exact(self) -> bool:
        """Whether every byte and the number of cycles are as expected."""
        compared, different = self.difference.compared, self.difference.different
        return compared > 0 and different == 0 and self.cycles_measured == self.cycles_predicted


def postroute(
    plan: Plan, board: Board, array: Config, feed: Feed, out_dir: Path, progress: Note, *, from_netlist: bool = False
) -> Result:
    """Place and route a core, and run a model on what came out.

    That is what the bits of the bitstream say, if the family has a decoding; otherwise the netlist after routing.

    Parameters
    ----------
    plan : Plan
        Not compiled yet.
    array : Config
        The core but for its memories, which are as small as the model allows.
    feed : Feed
        Samples.
    out_dir : Path
        For the build, which is kept as :func:`fpga_accel.build.build` does.
    from_netlist : bool
        Take the netlist in any case.

    Raises
    ------
    BadInput
        If there are no models of the board's family.
    DoesNotFit
        If the model needs more memory than the part has.
    ToolError
        If a tool fails, the clock is missed, a cell of the netlist has no model, or a bit no meaning.
    DeviceError
        If the simulated board does not answer.
    """
    restore = restoring(board)
    config = evaluate(plan, array, board).config
    compiled = compile_plan(plan, config)
    built = build_core(board, config, out_dir, progress)

    family = board.part.family
    if family.decoding and not from_netlist:
        circuit, work = BITSTREAM, built.folder / "decoded"
        work.mkdir(exist_ok=True)
        netlist = decoded(board, family.decoding, built, work, progress)
        cells = _count(netlist)
    else:
        circuit, work = NETLIST, built.folder / f"seed-{built.best.seed}"
        netlist = json.loads((work / family.routed_netlist).read_text())
        cells = _count(netlist)
        restore(netlist)
    with Session(compiled, "numpy") as session:
        expected = session.tensors(feed)
    with (
        routed_board(board, config, netlist, work, progress) as simulation,
        SerialDevice(simulation.port, answer_s=ANSWER_S) as device,
        Session(compiled, device, note=progress) as session,
    ):
        _, tensors = session.run_tensors(feed, every=False)
        return Result(
            build=built,
            config=config,
            circuit=circuit,
            cells=cells,
            samples=len(next(iter(feed.values()))),
            difference=compare(expected, tensors),
            cycles_predicted=compiled.cycles,
            cycles_measured=session.cycles() or 0,
            simulated=simulation.speed(),
        )


def restoring(board: Board) -> Callable[[dict[str, Any]], None]:
    """Return what makes a routed netlist of the board's family one that can be simulated.

    Raises
    ------
    BadInput
        If nothing does; names the families where something does.
    """
    family = board.part.family
    if family.restore is None:
        every = {boards.get(name).part.family.name: boards.get(name).part.family for name in boards.names()}
        able = ", ".join(sorted(name for name, other in every.items() if other.restore))
        raise BadInput(
            f"{board.name}: there are no models of what place and route writes of the family {family.name}, "
            f"only of: {able}; docs/postroute.md says what is missing"
        )
    return family.restore


def decoded(board: Board, decoding: Decoding, built: BuildResult, work: Path, progress: Note) -> dict[str, Any]:
    """Return the netlist of what a bitstream makes of the part; ``work`` is a folder in that of the build.

    Raises
    ------
    ToolError
        If a tool fails, or a bit has no meaning.
    """
    # The tools of PyPI see nothing outside the folder that they run in.
    text = work / "bits.txt"
    files = [str(path.relative_to(built.folder)) for path in (built.bitstream, text)]
    tools.run([decoding.tool, *files], built.folder, work / "bits.log", lambda: progress("bitstream to bits"))
    constraints = (built.folder / board.part.family.constraints[0]).read_text()
    return decoding.circuit(text.read_text(), constraints, board.part)


def _count(netlist: dict[str, Any]) -> dict[str, int]:
    cells = Counter(cell["type"] for cell in netlist["modules"]["top"]["cells"].values())
    return dict(cells.most_common())


def build_core(board: Board, config: Config, out_dir: Path, progress: Note) -> BuildResult:
    """Build a bitstream whose serial line has as few cycles a bit as a simulation wants; a board's has more."""
    identity = sources.build_identity(board, config)

    def top() -> Elaboratable:
        from rtl.top import Top

        return Top(config, line=Uart(DIVISOR), clock_hz=CLOCK_HZ, build_identity=identity)

    source = sources.digest(board, config, f"divisor {DIVISOR}, {CLOCK_HZ} Hz")
    return build.build(
        board, config, top, source=source, identity=identity, seeds=1, out_dir=out_dir, progress=progress
    )


def with_edges(feed: Feed) -> Feed:
    """Return samples with four more: the lowest values of int8 tensors, the highest, and two of both at random."""
    random = np.random.default_rng(0)
    result = {}
    for name, array in feed.items():
        low, high = _ENDS[array.dtype.kind]
        shape = array.shape[1:]
        more = [np.full((1, *shape), low), np.full((1, *shape), high), random.choice([low, high], (2, *shape))]
        result[name] = np.concatenate([array, *(end.astype(array.dtype) for end in more)])
    return result
