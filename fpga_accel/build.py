"""Bitstreams: synthesis, place and route, packing, with the results kept by content."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.hdl import Elaboratable

import boards
import boards.fit
from boards import Board
from boards.board import LINKS
from rtl.spec.config import Config
from rtl.spec.errors import ToolError
from rtl.spec.plan import Plan

from . import bake, sources, stages, timing, tools
from .files import replacing_folder
from .stages import Note

_STATE = "build.json"


@dataclass(frozen=True)
class BuildResult:
    """A bitstream that meets its clock.

    Members
    -------
    bitstream, folder : Path
        The file for the board, and where it lies with the reports and logs.
    routes : tuple of timing.Route
        One for each seed, in order.
    best : timing.Route
        The fastest: the one in the bitstream.
    seconds : dict of str to float
        Wall time by stage, from when each was run.
    cached : bool
        Nothing had to be run.
    """

    board: str
    core: str
    build_identity: int
    bitstream: Path
    folder: Path
    clock_hz: int
    routes: tuple[timing.Route, ...]
    best: timing.Route
    seconds: dict[str, float]
    cached: bool

    def lines(self) -> list[str]:
        """Return the result as it is told to users."""
        total = sum(self.seconds.values())
        times = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in self.seconds.items())
        return [
            *timing.summary(list(self.routes)),
            f"clock {self.clock_hz / 1e6:g} MHz met: up to {self.best.fmax_hz / 1e6:.1f} MHz",
            *(f"{kind}: {used} of {there} ({used / there:.0%})" for kind, (used, there) in self.best.used.items()),
            f"{'kept from before; it took' if self.cached else 'took'} {total:.0f} s: {times}",
            f"bitstream: {self.bitstream}",
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-able values."""
        return {
            **{key: value for key, value in vars(self).items() if key not in ("routes", "best", "bitstream", "folder")},
            "bitstream": str(self.bitstream),
            "folder": str(self.folder),
            "seed": self.best.seed,
            "fmax_hz": self.best.fmax_hz,
            "used": self.best.used,
            "routes": [route.to_json() for route in self.routes],
        }


def bitstream(
    board: str | Board,
    plan: Plan | None = None,
    *,
    seeds: int = 1,
    out_dir: Path = Path("build"),
    progress: Note = lambda *_: None,
) -> BuildResult:
    """Build the bitstream of a board's core, or of the core that ``plan`` was compiled for, if that is another.

    All models of a core have one bitstream: with another program of the same core nothing is built. Results go to
    ``out_dir/<board>-<core>/``, with ``-spi`` behind it for that link; they are taken from there if sources, tools and
    seeds are the same.

    Parameters
    ----------
    board : str or Board
        Name as in :func:`boards.names`.
    plan : Plan or None
    seeds : int
        Place and route with seeds 1 to ``seeds``; the fastest becomes the bitstream.
    progress : callable
        Called about once a second as ``progress(stage)`` or ``progress(stage, done, total)``.

    Raises
    ------
    BadInput
        If there is no such board.
    DoesNotFit
        If the core is larger than the board's part.
    ToolError
        If a tool is missing or fails, or a clock misses its constraint. Logs and reports are left in the folder, and
        no bitstream.
    """
    board = boards.get(board) if isinstance(board, str) else board
    config = board.config if plan is None else plan.config
    boards.fit.check(config, board.part)
    identity = sources.build_identity(board, config)

    def top() -> Elaboratable:
        from rtl.top import Top

        return Top(config, line=board.line, clock_hz=board.clock_hz, build_identity=identity)

    return build(
        board,
        config,
        top,
        source=sources.digest(board, config),
        identity=identity,
        seeds=seeds,
        out_dir=out_dir,
        progress=progress,
    )


def built(board: Board, plan: Plan | None, out_dir: Path) -> Path:
    """Return the bitstream that :func:`bitstream` has built.

    Raises
    ------
    ToolError
        If it has not, or of other sources or with other tools; names the command that does.
    """
    folder, state = _built(board, board.config if plan is None else plan.config, out_dir)
    return folder / str(state["bitstream"])


def found(board: Board, out_dir: Path) -> BuildResult | None:
    """Return the build of a board's own core that is in ``out_dir``; None if there is none of these sources."""
    state = _state(_folder(board, board.config, out_dir), _key(board, sources.digest(board, board.config)))
    if not state.get("bitstream"):
        return None
    identity = sources.build_identity(board, board.config)
    return _result(board, board.config, identity, _folder(board, board.config, out_dir), state, cached=True)


def baked(board: Board, plan: Plan, name: str, out_dir: Path, progress: Note) -> Path:
    """Write a copy of that bitstream that has the plan's program in its memories, ``name`` in its own; return the file.

    Raises
    ------
    DoesNotFit
        If the plan cannot be baked.
    ToolError
        As :func:`built`; also if a tool fails.
    """
    bake.check(board, plan)
    folder, state = _built(board, plan.config, out_dir)
    seed = stages.best(stages.routes(board, folder, state, state["packed"])).seed
    target = folder / f"{folder.name}-{name}{Path(board.part.family.bitstream).suffix}"
    bake.bake(board, plan, folder, state["commands"], seed, target, progress)
    return target


def build(
    board: Board,
    config: Config,
    top: Callable[[], Elaboratable],
    *,
    source: str,
    identity: int,
    seeds: int,
    out_dir: Path,
    progress: Note,
) -> BuildResult:
    """Do the work of :func:`bitstream` for any top level of its ports; ``source`` is the hash of what it is made of."""
    folder = _folder(board, config, out_dir)
    bitstreams = f"*{Path(board.part.family.bitstream).suffix}"
    key = _key(board, source)
    out_dir.mkdir(parents=True, exist_ok=True)

    kept = _state(folder, key)
    wanted = list(range(1, seeds + 1))
    if kept.get("bitstream") and kept["packed"] == wanted:
        return _result(board, config, identity, folder, kept, cached=True)

    failure = None
    with replacing_folder(folder) as work:
        state: dict[str, Any] = {"key": key, "seconds": {}, "routes": {}}
        if kept:
            shutil.copytree(folder, work, dirs_exist_ok=True)
            state = {**kept, "bitstream": None}
            for old in work.glob(bitstreams):
                old.unlink()
        try:
            stages.run(board, config, top, folder.name, wanted, work, state, progress)
        except ToolError as error:
            failure = error
            for unfit in work.rglob(bitstreams):
                unfit.unlink()
        (work / _STATE).write_text(json.dumps(state, indent=1))
    if failure is not None:
        raise ToolError(f"{failure}\nlogs: {folder}") from failure
    return _result(board, config, identity, folder, state, cached=False)


def _built(board: Board, config: Config, out_dir: Path) -> tuple[Path, dict[str, Any]]:
    """Return where the bitstream of a core lies, and the state of its build."""
    folder = _folder(board, config, out_dir)
    state = _state(folder, _key(board, sources.digest(board, config)))
    if not state.get("bitstream"):
        raise ToolError(
            f"{board.name}: there is no bitstream of the core {config.name} in {folder}, or it is of other sources; "
            f"build it with 'fpga-accel bitstream --board {board.name}' and the same options"
        )
    return folder, state


def _folder(board: Board, config: Config, out_dir: Path) -> Path:
    """Return where a bitstream lies with its reports; the file has the folder's name."""
    link = "" if board.link == LINKS[0] else f"-{board.link}"
    return out_dir / f"{board.name}-{config.name}{link}"


def _key(board: Board, source: str) -> str:
    """Return what tells the result of one build from another's: what it is made of, and by which tools."""
    return " ".join([source, *(tools.version(tool) for tool in board.part.family.tools)])


def _result(
    board: Board, config: Config, identity: int, folder: Path, state: dict[str, Any], *, cached: bool
) -> BuildResult:
    routes = stages.routes(board, folder, state, state["packed"])
    return BuildResult(
        board=board.name,
        core=config.name,
        build_identity=identity,
        bitstream=folder / state["bitstream"],
        folder=folder,
        clock_hz=board.clock_hz,
        routes=tuple(routes),
        best=stages.best(routes),
        seconds=state["seconds"],
        cached=cached,
    )


def _state(folder: Path, key: str) -> dict[str, Any]:
    """Return what an earlier build of the same sources left in ``folder``, or nothing."""
    try:
        state: dict[str, Any] = json.loads((folder / _STATE).read_text())
    except (OSError, ValueError):
        return {}
    if state.get("key") != key or not state.get("commands"):
        return {}
    if state.get("bitstream") and not (folder / state["bitstream"]).exists():
        return {}
    return state
