"""The command simulate: a simulated board, built, or served to whoever connects."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from rtl.spec.errors import BadInput

from .cli_model import BoardOption, CoreOption, chosen_core
from .console import Answer, DebugOption, JsonOption, answers, print_json
from .files import readable
from .progress import Progress

TcpOption = Annotated[
    str | None,
    typer.Option("--tcp", metavar="[HOST:]PORT", help="Serve TCP, not a pseudo-terminal; 0: any port that is free."),
]


@answers
def simulate(
    program: Annotated[
        Path | None, typer.Argument(metavar="[M.fpga]", help="A program: the core is that it was compiled for.")
    ] = None,
    board: BoardOption = None,
    core: CoreOption = None,
    serve: Annotated[bool, typer.Option("--serve", help="Serve it until Control-C; else it is only built.")] = False,
    tcp: TcpOption = None,
    by_bytes: Annotated[
        bool, typer.Option("--bytes", help="The interpreter behind a model of the link: fast, for large models.")
    ] = False,
    bake: Annotated[bool, typer.Option("--bake", help="With M.fpga in its memories from power-up.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Simulate a board: its circuits with their serial line, which 'serial:PORT' reaches like that of a real one."""
    from rtl.spec.plan import Plan

    from .serving import address_of, served

    plan = Plan.load_file(readable(program, ".fpga")) if program else None
    if plan and (board or core):
        raise BadInput(f"{program}: says itself which core it is for; leave --board and --core out")
    if bake and not plan:
        raise BadInput("--bake: name the program M.fpga that the memories hold")
    config = plan.config if plan else chosen_core(board, core)
    if config is None:
        raise BadInput("--core auto: name a program M.fpga instead")
    if (tcp is not None or by_bytes) and not serve:
        raise BadInput("--tcp and --bytes: say --serve as well")
    address = address_of(tcp) if tcp is not None else None
    with Progress(stages=1) as progress:
        progress.stage(f"core {config.name}")
        image = plan.programs[0].memory_image() if bake and plan else ()
        with served(config, address, by_bytes=by_bytes, image=image, note=progress) as server:
            document = {"core": config.name, "identity": f"{config.identity:08x}"}
            if not serve:
                return Answer(document, [f"core {config.name}: its simulator is built"])
            document["device"] = f"serial:{server.port}"
            # Said before it is served, to whoever waits for it.
            if json:
                print_json(document)
            else:
                print(f"core {config.name} at {document['device']}", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                server.serve()
    raise typer.Exit(0)
