"""The stages of a build, one tool after the other, from a top level to a packed bitstream."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import amaranth
from amaranth.hdl import Elaboratable

import boards
import rtl
from boards import Board
from boards.board import Family
from boards.top import BoardTop, prepare
from rtl.spec.config import Config
from rtl.spec.errors import ToolError

from . import stuck, timing, tools

Note = Callable[..., None]

_LOG = "top.tim"
_NEXTPNR_OPTIONS = ("--report", "report.json", "--timing-allow-fail")
_SOURCE_ROOTS = [Path(str(module.__file__)).parents[1] for module in (amaranth, boards, rtl)]


def run(
    board: Board,
    config: Config,
    top: Callable[[], Elaboratable],
    name: str,
    wanted: list[int],
    work: Path,
    state: dict[str, Any],
    progress: Note,
) -> None:
    """Run the stages that ``state`` does not have yet, in the folder ``work``, and note them in ``state``.

    Raises
    ------
    ToolError
        If a tool is missing or fails, or no seed meets the clock; then nothing is packed.
    """
    seconds = state["seconds"]
    if not state.get("commands"):
        commands, seconds["synthesis"] = synthesize(board, config, top(), work, progress)
        state["commands"] = commands
    _, place_and_route, *pack = state["commands"]

    for number, seed in enumerate(wanted, 1):
        if str(seed) not in state["routes"]:
            seconds[f"seed {seed}"] = route(
                board.part.family,
                place_and_route,
                seed,
                work,
                lambda number=number: progress("place and route, seed", number, len(wanted)),  # type: ignore[misc]
            )
            state["routes"][str(seed)] = seconds[f"seed {seed}"]

    done = routes(board, work, state, wanted)
    fastest = best(done)
    if not fastest.met:
        raise ToolError(_missed(board, done, fastest))
    place = work / f"seed-{fastest.seed}"
    seconds["packing"] = 0.0
    for command in pack:
        seconds["packing"] += tools.run(command, place, place / "pack.log", lambda: progress("packing"))
    bitstream = f"{name}{Path(board.part.family.bitstream).suffix}"
    (place / board.part.family.bitstream).rename(work / bitstream)
    state.update(bitstream=bitstream, packed=wanted)


def synthesize(
    board: Board, config: Config, top: Elaboratable, work: Path, progress: Note
) -> tuple[list[list[str]], float]:
    """Write the netlist of a top level to the folder ``work``; return the commands of all tools, and the seconds."""
    progress("elaboration")
    plan = prepare(board, config, BoardTop(board, top))
    for root in _SOURCE_ROOTS:
        # Where the checkout lies is nobody's business, and reports are easier to read without.
        plan.files["top.il"] = plan.files["top.il"].replace(f"{root}{os.sep}", "")
    plan.extract(work)
    commands: list[list[str]] = json.loads(plan.files["build_top.json"])["commands"]
    seconds = tools.run(commands[0], work, work / "synthesis.log", lambda: progress("synthesis"))
    family = board.part.family
    if family.finish:
        _change(work / family.netlist, family.finish)
    return commands, seconds


def _change(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    netlist = json.loads(file.read_text())
    change(netlist)
    file.write_text(json.dumps(netlist))


class _Stuck(Exception):
    def __init__(self, less: list[str]):
        super().__init__()
        self.less = less


def route(family: Family, command: list[str], seed: int, work: Path, tick: Callable[[], None]) -> float:
    """Place and route the netlist of ``work`` in its folder ``seed-N``, which is new; return the seconds.

    A search that turns in circles begins again with less to ask for (`stuck`): its clock is measured like any other.
    """
    place = work / f"seed-{seed}"
    log = place / _LOG

    def watch() -> None:
        tick()
        if log.exists() and (less := stuck.less(command, log.read_text(errors="replace"))):
            raise _Stuck(less)

    place.mkdir()
    for needed in (family.netlist, *family.constraints):
        shutil.copy(work / needed, place / needed)
    options = ["--seed", str(seed), "--write", family.routed_netlist, *_NEXTPNR_OPTIONS]
    start = time.monotonic()
    while True:
        try:
            tools.run([*command, *options], place, place / "route.log", watch)
            break
        except _Stuck as found:
            command = found.less
            log.unlink()
    if family.repair:
        _change(place / family.routed_netlist, family.repair)
    return time.monotonic() - start


def _missed(board: Board, done: list[timing.Route], fastest: timing.Route) -> str:
    table = "\n".join(timing.summary(done))
    reaches = f"the clock reaches {fastest.fmax_hz / 1e6:.1f} MHz and must reach {board.fastest_hz / 1e6:g} MHz"
    remedies = f"try more seeds (now {len(done)})"
    if fastest.too_early:
        reaches += ", and no path may end before the register there has taken what it was"
    else:
        remedies += ", or lower clock_hz in the board's file"
    return (
        f"{board.name}: {reaches}; no bitstream was written\n{table}\ncritical path\n{fastest.path}\nremedy: {remedies}"
    )


def best(done: list[timing.Route]) -> timing.Route:
    """Return the route for the bitstream: the fastest of those that meet every clock, if there are any."""
    return max(done, key=lambda route: (route.met, route.fmax_hz))


def routes(board: Board, folder: Path, state: dict[str, Any], wanted: list[int]) -> list[timing.Route]:
    """Read the reports of the seeds in ``wanted``."""
    try:
        return [
            timing.parse(
                folder / f"seed-{seed}" / "report.json",
                seed=seed,
                seconds=state["routes"][str(seed)],
                clock_hz=board.fastest_hz,
                log=(folder / f"seed-{seed}" / _LOG).read_text(errors="replace"),
            )
            for seed in wanted
        ]
    except ValueError as error:
        raise ToolError(f"{board.name}: {error}") from error
