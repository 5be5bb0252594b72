"""Commands on hardware: boards, info, bitstream, flash."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtl.spec.errors import BadInput

from .cli_run import BaudOption
from .console import Answer, DebugOption, JsonOption, answers, table
from .files import readable
from .open_device import device_options, open_device
from .progress import Progress

if TYPE_CHECKING:
    from boards import Board
    from rtl.spec.plan import Plan

BoardOption = Annotated[str, typer.Option("--board", metavar="NAME", help="A board of 'fpga-accel boards'.")]
ModelOption = Annotated[
    Path | None, typer.Option(metavar="M.fpga", help="A program: the bitstream is of the core it was compiled for.")
]
FolderOption = Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Folder of the bitstreams.")]
BakeOption = Annotated[
    bool, typer.Option("--bake", help="With the program in its memories from power-up; without --model the self-test.")
]
LinkOption = Annotated[
    str,
    typer.Option(
        "--link",
        metavar="uart|spi|usb",
        help="What hosts reach the core by: a serial line, SPI of a Raspberry Pi, or USB pins of the FPGA itself.",
    ),
]
FOLDER = Path("build/bitstream")


@answers
def boards(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print what docs/boards.md is.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """List the boards that a bitstream can be built for: core, clock, size, models that it holds."""
    import boards as known
    from boards.spi import wiring

    from . import board_record, board_table

    record = board_record.read()
    if markdown and not json:
        return Answer({}, [board_table.markdown(record).rstrip("\n")])
    listed = [known.get(name) for name in known.names()]
    document = {
        "boards": [
            {
                "name": board.name,
                "title": board.title,
                "part": board.part.name,
                "core": board.config.name,
                "clock_hz": board.clock_hz,
                "baud": board.baud,
                "spi": wiring(board.spi) if board.spi else None,
                "identity": f"{board.config.identity:08x}",
                "notes": board.notes,
                "build": asdict(build) if (build := record.build(board)) else None,
                "cycles": record.cycles(board),
            }
            for board in listed
        ]
    }
    text = [table("Boards, as placed and routed", board_table.COLUMNS, board_table.rows(record))]
    notes = [f"{board.name}: {board.notes}" for board in listed if board.notes]
    wires = [f"{board.name} with --link spi: {wiring(board.spi)}." for board in listed if board.spi]
    return Answer(document, [*text, *notes, *wires])


@answers
def info(
    device: Annotated[str, typer.Argument(metavar="serial:PORT", help="The board's serial port.")],
    baud: BaudOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Ask a board which core, clock, rate and program it has, and whether it is at work; nothing is changed."""
    from rtl.spec.registers import Register
    from rtl.spec.stamp import STAMP_WORDS, stamp_address

    from .device import SerialDevice
    from .identity import core_of, read_core_info

    if not device.startswith("serial:"):
        raise BadInput(f"device '{device}': expected serial:PORT, for example serial:/dev/ttyUSB0")
    with open_device(device, None, **device_options(device, baud)) as opened:
        core = read_core_info(opened)
        config = core_of(core)
        (busy,) = opened.read(Register.STATUS, 1)
        # While a run is under way, memories do not answer.
        stamp = opened.read(stamp_address(config), STAMP_WORDS)
        rate = opened.baud if isinstance(opened, SerialDevice) and "://" not in device else None
    document: dict[str, Any] = {
        "device": device,
        "core": config.name,
        "loaded": None if busy or not stamp.any() else stamp.astype("<u4").tobytes().hex(),
        "busy": bool(busy),
        "baud": rate,
        "identity": f"{core.core_identity:08x}",
        "build_identity": f"{core.build_identity:08x}",
        "clock_hz": core.clock_hz,
        **core.sizes,
    }
    said = {key: "-" if value is None else value for key, value in document.items()}
    return Answer(document, [f"{key}: {value}" for key, value in said.items()])


@answers
def bitstream(
    board: BoardOption,
    model: ModelOption = None,
    bake: BakeOption = False,
    link: LinkOption = "uart",
    seeds: Annotated[int, typer.Option(min=1, help="Place and route so many times, keep the fastest.")] = 1,
    output: FolderOption = FOLDER,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Build the bitstream of a board's core, and refuse one that misses its clock."""
    from . import bake as baking
    from . import build

    target, plan, name = _chosen(board, model, bake, link)
    if bake and plan:
        baking.check(target, plan)
    with Progress(stages=1) as progress:
        progress.stage(f"build for {board}")
        result = build.bitstream(target, plan, seeds=seeds, out_dir=output, progress=progress)
        document, text = result.to_json(), result.lines()
        if bake and plan:
            file = build.baked(target, plan, name, output, progress)
            document |= {"baked": name, "baked_bitstream": file}
            text.append(f"with {name} in it from power-up: {file}")
    return Answer(document, text)


@answers
def flash(
    board: BoardOption,
    model: ModelOption = None,
    bake: BakeOption = False,
    link: LinkOption = "uart",
    permanent: Annotated[
        bool, typer.Option("--permanent", help="Write it to flash, so that it is there after power-up too.")
    ] = False,
    output: FolderOption = FOLDER,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Put the bitstream that 'bitstream' built with the same options on the board, until power goes."""
    from . import build
    from .flash import flash as run_programmer

    target, plan, name = _chosen(board, model, bake, link)
    if bake and plan:
        with Progress(stages=1) as progress:
            progress.stage(f"bake {name}")
            file = build.baked(target, plan, name, output, progress)
    else:
        file = build.built(target, plan, output)
    command = run_programmer(target, file, permanent=permanent)
    return Answer(
        {"board": board, "bitstream": file, "permanent": permanent, "command": command},
        [f"{command}: done", f"next: fpga-accel info serial:{'spi://0.0' if link == 'spi' else 'PORT'}"],
    )


def _chosen(board: str, model: Path | None, bake: bool, link: str) -> tuple["Board", "Plan | None", str]:
    """Return the board, and plan and name of the model; of the self-test if one is to be baked and none is named."""
    import boards as known
    from rtl.spec.plan import Plan

    target = known.get(board).with_link(link)
    if model is not None:
        return target, Plan.load_file(readable(model, ".fpga")), model.stem
    if not bake:
        return target, None, ""
    from .selftest import selftest_plan

    return target, selftest_plan(target.config), "selftest"
