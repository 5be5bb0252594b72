"""The command devices: which ports there are, and what answers behind each."""

from dataclasses import asdict
from typing import Annotated

import typer

from .console import Answer, DebugOption, JsonOption, answers, table
from .progress import Progress


@answers
def devices(
    ports: Annotated[list[str] | None, typer.Argument(metavar="[PORT]...", help="Ports to ask; else all.")] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """List the serial ports, with the core, the bitstream and the program behind each."""
    from .ports import devices as find

    with Progress(stages=1) as progress:
        progress.stage("ask every port")
        found = find(ports or None)
    rows = [
        (
            each.port,
            each.description or "-",
            each.core.name if each.core else "-",
            f"{each.clock_hz / 1e6:g}" if each.core else "-",
            f"{each.build_identity:08x}" if each.core else "-",
            each.loaded[:8] or "-",
            each.problem or f"serial:{each.port}",
        )
        for each in found
    ]
    names = ("port", "what it is", "core", "clock MHz", "bitstream", "program", "use as")
    text = [table("Devices", names, rows)] if rows else ["no serial port is present"]
    return Answer({"devices": [asdict(each) for each in found]}, text)
