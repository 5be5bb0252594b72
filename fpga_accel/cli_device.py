"""Commands on a device that has a core: load, profile."""

import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from rtl.spec.errors import BadInput, DeviceError

from .cli_run import BaudOption
from .console import Answer, DebugOption, JsonOption, answers, count
from .files import readable
from .open_device import check_device_name, device_options, open_device
from .progress import Progress

ProgramArgument = Annotated[Path, typer.Argument(metavar="M.fpga", help="A program of 'fpga-accel compile'.")]
ServedOption = Annotated[
    str,
    typer.Option("--device", metavar="serial:PORT", help="A board, or one that is served: serial:socket://HOST:PORT."),
]
MeasuringOption = Annotated[str, typer.Option("--device", metavar="DEVICE", help="sim or serial:PORT.")]


class Rate:
    """Tells of words that are written: how many, how fast, how long it still takes."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self._begin = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Say it, as a `Note`."""
        passed = time.monotonic() - self._begin
        if done and passed:
            left = passed * (total - done) / done
            what = f"{4 * done / passed / 1000:,.0f} kB/s, {left:.0f} s left, {what}"
        self._progress(what, done, total)


@answers
def load(
    program: ProgramArgument,
    device: ServedOption,
    baud: BaudOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Load a program into a board's memories and leave it there; a session then finds it."""
    from rtl.spec.plan import Plan

    from .core_runner import CoreRunner

    plan = Plan.load_file(readable(program, ".fpga"))
    if not device.startswith("serial:"):
        raise BadInput(f"device '{device}': expected serial:PORT, which keeps what is loaded")
    check_device_name(device)
    first = plan.programs[0]
    image = first.memory_image()
    size = sum(4 * words.size for _, words in image)
    with Progress(stages=2) as progress:
        progress.stage(f"open {device}")
        with open_device(device, None, **device_options(device, baud)) as opened:
            runner = CoreRunner(opened, plan.config, measures=False)
            progress.stage(f"load {count(size)} bytes")
            begin = time.monotonic()
            loaded = runner.load(first, Rate(progress))
            seconds = time.monotonic() - begin
    document: dict[str, Any] = {
        "device": device,
        "program": program,
        "stamp": image[-1][1].astype("<u4").tobytes().hex(),
        "loaded": loaded,
        "bytes": size if loaded else 0,
        "seconds": seconds,
    }
    text = f"{program} was there already: nothing was loaded"
    if loaded:
        text = f"{program}: {count(size)} bytes loaded in {seconds:.1f} s, {size / seconds / 1000:,.0f} kB/s"
    more = [f"the first of {len(plan.programs)} programs; a session loads them in turn"] if plan.programs[1:] else []
    return Answer(document, [text, *more])


@answers
def profile(
    program: ProgramArgument,
    device: MeasuringOption,
    baud: BaudOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Measure the cycles of each layer on a device, of one sample of zeros; exit code 4 if one is not as predicted."""
    from .layer_profile import Profile
    from .session import Session

    readable(program, ".fpga")
    check_device_name(device)
    if device in ("numpy", "program"):
        raise BadInput(f"device '{device}': has no clock; expected sim or serial:PORT")
    with Progress(stages=2) as progress:
        progress.stage(f"open {device}")
        with Session(program, device, note=progress, **device_options(device, baud)) as session:
            samples = session.plan.batch or 1
            feed = {
                info.name: np.zeros([size if isinstance(size, int) else samples for size in info.shape], info.dtype)
                for info in session.get_inputs()
            }
            progress.stage("run a sample")
            session.run(None, feed)
            found = Profile.of(session)
    text = "every layer takes the cycles that were predicted"
    if found.late:
        one = found.late[0]
        text = (
            f"{len(found.late)} layers differ; first '{one.name}': predicted {one.predicted}, measured {one.measured}"
        )
    elif not found.as_predicted:
        text = f"the layers are as predicted, but not the whole: predicted {found.predicted}, measured {found.measured}"
    return Answer(
        {"device": device, **found.document(), "as_predicted": found.as_predicted},
        [found.table(), text],
        0 if found.as_predicted else DeviceError.exit_code,
    )
