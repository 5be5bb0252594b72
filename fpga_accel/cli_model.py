"""Commands on models: check, oracle, compile."""

from pathlib import Path
from typing import Annotated

import typer

from rtl.spec import config as core_config
from rtl.spec.errors import BadInput, DoesNotFit

from .console import Answer, DebugOption, JsonOption, answers, count, table
from .files import readable
from .progress import Progress

ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="The model.")]
QdqArgument = Annotated[Path, typer.Argument(metavar="M.qdq.onnx", help="The quantized model.")]
BoardOption = Annotated[str | None, typer.Option("--board", metavar="NAME", help="A board of 'fpga-accel boards'.")]
CoreOption = Annotated[str | None, typer.Option("--core", metavar="RxC", help="Rows and columns of the array.")]


def chosen_core(board: str | None, core: str | None) -> core_config.Config:
    """Return the core that a command's ``--board`` or ``--core`` names; exactly one of them must be given."""
    if (board is None) == (core is None):
        raise BadInput("give either --board NAME or --core RxC (for example --core 8x8)")
    if core is not None:
        return core_config.core(core)
    import boards

    assert board is not None
    return boards.get(board).config


@answers
def check(model: ModelArgument, json: JsonOption = False, debug: DebugOption = False) -> Answer:
    """Say what of a model runs on the core, what does not, and why."""
    from onnx_frontend.check import check as check_model

    report = check_model(readable(model, ".onnx"))
    document = {
        "model": report.name,
        "quantized": report.quantized,
        "runs_on_core": report.fits,
        "nodes": [
            {"name": r.name, "operator": r.operator, "where": r.where, "reason": r.reason, "remedy": r.remedy}
            for r in report.rows
        ],
        "macs": report.macs,
        "weight_bytes": report.weight_bytes,
        "parameter_bytes": report.parameter_bytes,
        "activation_bytes": report.activation_bytes,
    }
    nodes = table(str(model), ("node", "operator", "where", "reason"), [])
    for row in report.rows:
        nodes.add_row(row.name, row.operator, row.where, row.reason)
    if not report.fits:
        listed = [f"{row.operator} '{row.name}': {row.reason}; {row.remedy}" for row in report.refused]
        return Answer(document, [nodes, "cannot run on the core:", *listed], DoesNotFit.exit_code)
    sizes = (
        f"{count(report.macs)} MACs, {count(report.weight_bytes)} bytes of weights, "
        f"{count(report.activation_bytes)} bytes of activations at most"
    )
    return Answer(document, [nodes, f"every node runs; {sizes}"])


@answers
def oracle(
    model: QdqArgument,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="M.qop.onnx", help="File to write.")],
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Write the quantized graph in QOperator form: what ONNX Runtime computes of it is what the core computes."""
    from .steps import oracle_file

    oracle_file(model, output)
    return Answer({"output": output}, [f"{output}: for ONNX Runtime with graph optimizations off"])


@answers
def compile_program(
    model: QdqArgument,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="M.fpga", help="File to write.")],
    board: BoardOption = None,
    core: CoreOption = None,
    keep_tensors: Annotated[
        bool, typer.Option(help="Give every tensor its own memory, so that all can be compared after a run.")
    ] = False,
    hdl: Annotated[
        bool, typer.Option(help="Also write the circuits, Amaranth and Verilog, to the folder M.hdl.")
    ] = True,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Compile a quantized model for a core: a program, and how many cycles it takes."""
    from .steps import compile_file, hdl_folder

    config = chosen_core(board, core)
    with Progress(stages=1) as progress:
        progress.stage(f"compile for {config.name}")
        program = compile_file(model, output, config, board=board, keep_tensors=keep_tensors, hdl=hdl)
    rows = [(layer.name, layer.operator, count(layer.macs), count(layer.cycles)) for layer in program.layers]
    macs = sum(layer.macs for layer in program.layers)
    return Answer(
        {
            "output": output,
            "hdl": hdl_folder(output) if hdl else None,
            "core": config.name,
            "identity": f"{config.identity:08x}",
            "cycles": program.cycles,
            "macs": macs,
            "layers": [
                {"name": layer.name, "operator": layer.operator, "macs": layer.macs, "cycles": layer.cycles}
                for layer in program.layers
            ],
        },
        [
            table(f"{output} for core {config.name}", ("layer", "operator", "MACs", "cycles"), rows),
            f"{count(program.cycles)} cycles an inference, {count(macs)} MACs",
            *program.notes,
            *([f"circuits: {hdl_folder(output)}"] if hdl else []),
        ],
    )
