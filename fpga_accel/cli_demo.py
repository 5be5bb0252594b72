"""The command demo: the whole way from a float model to the simulated board, and what was found."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from rtl.spec.config import core as core_config
from rtl.spec.errors import BadInput

from .console import INTERNAL_ERROR, Answer, DebugOption, JsonOption, answers, count, table
from .progress import Progress

if TYPE_CHECKING:
    from .demo import Result


@answers
def demo(
    model: Annotated[Path, typer.Option(metavar="MODEL.onnx", help="A float classifier.")] = Path("models/digits.onnx"),
    calibration: Annotated[
        Path | None, typer.Option(metavar="X.npz", help="Calibration data; MODEL_calibration.npz if not given.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="X.npz", help="Labelled data; MODEL_test.npz if not given.")
    ] = None,
    core: Annotated[str, typer.Option(metavar="RxC", help="Rows and columns of the array.")] = "8x8",
    images: Annotated[int, typer.Option(min=1, help="Samples that the simulated circuits run.")] = 64,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Folder of the files.")] = Path(
        "build/demo"
    ),
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Go the whole way: quantize, compile, run on the simulated board, and compare every machine with ONNX Runtime."""
    from .demo import STAGES, run_demo

    config = core_config(core)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{output}: the folder cannot be made: {error.strerror}") from error
    with Progress(STAGES) as progress:
        result = run_demo(
            model,
            calibration or model.with_name(f"{model.stem}_calibration.npz"),
            data or model.with_name(f"{model.stem}_test.npz"),
            config,
            images,
            output,
            progress,
        )
    return Answer(_document(result), _text(result), 0 if result.exact else INTERNAL_ERROR)


def _text(result: "Result") -> list[RenderableType]:
    accuracies = [(name, f"{share:.2%}", samples) for name, (share, samples) in result.accuracies.items()]
    chain = [
        (link.name, link.samples, link.difference.tensors, count(link.difference.compared), link.difference.different)
        for link in result.links
    ]
    default = result.default_session
    firsts = [f"DIFFERS: {link.name}: {link.difference.first}" for link in result.links if link.difference.different]
    return [
        table("Accuracy", ("machine", "accuracy", "images"), accuracies),
        table("Chain", ("link", "images", "tensors", "bytes compared", "bytes different"), chain),
        result.profile.table(
            f"Core {result.profile.config.name}: layers overlap; cycles are those since the end of the layer before",
            how="simulated",
        ),
        f"ONNX Runtime's default session on the QDQ file: {count(default.different)} of {count(default.compared)} "
        f"output bytes differ from the chain, by {default.largest} at most (docs/number-semantics.md says why)",
        table("Files", ("what", "where"), [(what, path) for what, path in result.files.items()]),
        *firsts,
        "every byte and every cycle as expected" if result.exact else "NOT EXACT: see the tables above",
    ]


def _document(result: "Result") -> dict[str, object]:
    return {
        "exact": result.exact,
        **result.profile.document(),
        "accuracy": {
            name: {"accuracy": share, "samples": samples} for name, (share, samples) in result.accuracies.items()
        },
        "chain": [{"link": link.name, "samples": link.samples, **link.difference.document()} for link in result.links],
        "default_session": result.default_session.document(),
        "files": result.files,
    }
