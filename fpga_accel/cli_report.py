"""The command report: one HTML file about a model on a board."""

from pathlib import Path
from typing import Annotated

import typer

from .console import INTERNAL_ERROR, Answer, DebugOption, JsonOption, answers, count
from .files import writable
from .model_options import MAX_MIB, ExternalOption, FirstOption, InputOption, MaxOption, model_file
from .progress import Progress


@answers
def report(
    model: Annotated[Path, typer.Argument(metavar="M.qdq.onnx", help="The quantized model.")],
    board: Annotated[str, typer.Option("--board", metavar="NAME", help="A board of 'fpga-accel boards'.")],
    input_file: InputOption,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="R.html", help="File to write.")],
    limit: FirstOption = 32,
    float_model: Annotated[
        Path | None,
        typer.Option("--float", metavar="M.onnx", help="The model before it was quantized: tells the noise."),
    ] = None,
    circuits: Annotated[
        bool, typer.Option("--circuits", help="Compare the simulated circuits too, on the first sample.")
    ] = False,
    builds: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where 'fpga-accel bitstream' puts its builds.")
    ] = Path("build"),
    external_data: ExternalOption = False,
    max_mib: MaxOption = MAX_MIB,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Write one self-contained HTML file: what runs where, cycles, memory, noise, the board, the chain of proofs."""
    import boards as known
    from onnx_frontend.partition import partition

    from .build import found as built
    from .feed import ArrayInfo
    from .npz import read_feed
    from .report import collect, write

    writable(output, ".html")
    place = known.get(board)
    source = model_file(model, external_data, max_mib)
    original = None if float_model is None else model_file(float_model, external_data, max_mib)
    with Progress(stages=2) as progress:
        progress.stage(f"run on the machines of the chain, core of {board}")
        inputs = partition(source).plan.inputs
        feed = read_feed(input_file, [ArrayInfo.of_array(info) for info in inputs], limit)
        build = built(place, builds)
        path = str(build.best.path).splitlines() if build else []
        told = collect(source, place, feed, float_model=original, circuits=circuits, path=path, note=progress)
        progress.stage("draw and write")
        write(output, told)
    different = sum(proof.different for proof in told.proofs)
    compared = sum(proof.compared for proof in told.proofs)
    document = {
        "report": output,
        "cycles": told.plan.cycles,
        "compared": compared,
        "different": different,
        "proofs": [vars(proof) for proof in told.proofs],
        "routed": told.routed is not None,
    }
    text = [f"{output}: {count(told.plan.cycles)} cycles; {count(different)} of {count(compared)} compared differ"]
    return Answer(document, text, INTERNAL_ERROR if different else 0)
