"""Commands on quantized models: oracle, compile."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from rtl.spec import config as core_config
from rtl.spec.errors import BadInput

from .cli_check import RequireCoreOption, cut_document, cut_text
from .console import Answer, DebugOption, JsonOption, answers, count, table
from .model_options import MAX_MIB, ExternalOption, MaxOption, model_file
from .progress import Progress

QdqArgument = Annotated[Path, typer.Argument(metavar="M.qdq.onnx", help="The quantized model.")]
BoardOption = Annotated[str | None, typer.Option("--board", metavar="NAME", help="A board of 'fpga-accel boards'.")]
CoreOption = Annotated[
    str | None,
    typer.Option(
        "--core",
        metavar="RxC",
        help="Rows and columns of the array, +parity behind them for a core with parity. With --board: +parity alone "
        "for the board's core with it, auto to search for the best core.",
    ),
]
AUTO, PARITY = "auto", "+parity"
"""Values of ``--core`` beside a board."""


def chosen_core(board: str | None, core: str | None) -> core_config.Config | None:
    """Return the core that a command's ``--board`` or ``--core`` names, of which exactly one must be given.

    Or both, if the core is one of the board: that with parity, or `AUTO`, where None says that the model finds it.
    """
    if board is None and core in (AUTO, PARITY):
        raise BadInput(f"--core {core} means a core of a board: give --board NAME as well")
    if core == AUTO:
        return None
    if (board is None) == (core is None) and core != PARITY:
        raise BadInput("give either --board NAME or --core RxC (for example --core 8x8)")
    if board is None:
        assert core is not None
        return core_config.core(core)
    import boards

    config = boards.get(board).config
    return replace(config, parity=int(config.parity or core == PARITY))


@answers
def oracle(
    model: QdqArgument,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="M.qop.onnx", help="File to write.")],
    external_data: ExternalOption = False,
    max_mib: MaxOption = MAX_MIB,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Write the quantized graph in QOperator form: what ONNX Runtime computes of it is what the core computes."""
    from .steps import oracle_file

    oracle_file(model_file(model, external_data, max_mib), output)
    return Answer({"output": output}, [f"{output}: for ONNX Runtime with graph optimizations off"])


@answers
def compile_program(
    model: QdqArgument,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="M.fpga", help="File to write.")],
    board: BoardOption = None,
    core: CoreOption = None,
    require_core: RequireCoreOption = False,
    keep_tensors: Annotated[
        bool, typer.Option(help="Give every tensor its own memory, so that all can be compared after a run.")
    ] = False,
    stream: Annotated[
        bool, typer.Option(help="Leave the place of the inputs alone, so that the next ones can come during a run.")
    ] = False,
    hdl: Annotated[
        bool, typer.Option(help="Also write the circuits, Amaranth and Verilog, to the folder M.hdl.")
    ] = True,
    external_data: ExternalOption = False,
    max_mib: MaxOption = MAX_MIB,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Compile a quantized model for a core: a program, and how many cycles it takes."""
    from .steps import compile_file, hdl_folder

    config = chosen_core(board, core)
    with Progress(stages=1) as progress:
        progress.stage(f"compile for {config.name if config else board}")
        source = model_file(model, external_data, max_mib)
        plan, found = compile_file(
            source,
            output,
            config,
            board=board,
            keep_tensors=keep_tensors,
            stream=stream,
            require_core=require_core,
            hdl=hdl,
            note=progress,
        )
    config = plan.config
    rows = [(layer.name, layer.operator, count(layer.macs), count(layer.cycles)) for layer in plan.layers]
    macs = sum(layer.macs for layer in plan.layers)
    return Answer(
        {
            "output": output,
            "hdl": hdl_folder(output) if hdl else None,
            "core": config.name,
            "identity": f"{config.identity:08x}",
            "cycles": plan.cycles,
            "macs": macs,
            **cut_document(plan, found.rows),
            "layers": [
                {"name": layer.name, "operator": layer.operator, "macs": layer.macs, "cycles": layer.cycles}
                for layer in plan.layers
            ],
        },
        [
            table(f"{output} for core {config.name}", ("layer", "operator", "MACs", "cycles"), rows),
            *cut_text(plan, found.rows),
            f"{count(plan.cycles)} cycles an inference, {count(macs)} MACs",
            *(note for program in plan.programs for note in program.notes),
            *([f"circuits: {hdl_folder(output)}"] if hdl else []),
        ],
    )
