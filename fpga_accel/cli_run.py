"""Commands that run a model: run, evaluate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtl.spec.errors import BadInput, DoesNotFit

from .console import Answer, DebugOption, JsonOption, answers, count
from .files import readable, writable
from .model_options import MAX_MIB, ExternalOption, InputOption, MaxOption, model_file
from .open_device import DEVICE_HELP, check_device_name, device_options
from .progress import Progress

if TYPE_CHECKING:
    from onnx_frontend.loader import ModelFile

DeviceOption = Annotated[str, typer.Option("--device", metavar="DEVICE", help=DEVICE_HELP)]
BaudOption = Annotated[
    int | None, typer.Option(min=1, help="Bits a second of serial:PORT; else those of all boards are tried.")
]
TraceOption = Annotated[
    Path | None,
    typer.Option("--trace", metavar="T.json", help="Write what each unit does when, for Perfetto or chrome://tracing."),
]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Use only the first samples.")]


@answers
def run(
    program: Annotated[Path, typer.Argument(metavar="M.fpga", help="A program of 'fpga-accel compile'.")],
    input_file: InputOption,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="Y.npz", help="File to write.")],
    device: DeviceOption = "program",
    baud: BaudOption = None,
    limit: LimitOption = None,
    trace: TraceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Run a program on a device: inputs from an .npz file, outputs to another."""
    from . import npz
    from .layer_profile import Profile
    from .perfetto import predicted_runs
    from .perfetto import write as write_trace
    from .session import Session

    readable(program, ".fpga")
    writable(output, ".npz")
    check_device_name(device)
    if trace and device != "program":
        raise BadInput(f"--trace is for --device program, not for '{device}'; 'fpga-accel debug' traces the circuits")
    if trace:
        writable(trace, ".json")
    with Progress(stages=2) as progress:
        progress.stage(f"open {device}")
        with Session(program, device, note=progress, **device_options(device, baud)) as session:
            feed = npz.read_feed(input_file, session.get_inputs(), limit)
            samples = len(next(iter(feed.values())))
            progress.stage(f"run {samples} samples")
            names = [port.name for port in session.get_outputs()]
            results = dict(zip(names, session.run(None, feed), strict=True))
            npz.write(output, results)
            if trace:
                write_trace(trace, predicted_runs(session.plan, samples))
            profile = Profile.of(session)
    shapes = {name: list(array.shape) for name, array in results.items()}
    return Answer(
        {"output": output, "device": device, "samples": samples, "outputs": shapes, "profile": profile.document()},
        [profile.table(), f"{output}: {', '.join(f'{name} {shape}' for name, shape in shapes.items())}"],
    )


@answers
def evaluate(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A float model or M.qdq.onnx (ONNX Runtime), or M.fpga (a device).")
    ],
    data: Annotated[Path, typer.Option("--data", metavar="X.npz", help="Inputs by name, and 'labels'.")],
    device: DeviceOption = "program",
    baud: BaudOption = None,
    limit: LimitOption = None,
    external_data: ExternalOption = False,
    max_mib: MaxOption = MAX_MIB,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Tell the accuracy on labelled data; of M.qdq.onnx also how ONNX Runtime's default session differs."""
    readable(model, ".onnx", ".fpga")
    check_device_name(device)
    if model.suffix == ".fpga":
        return _evaluate_program(model, data, device, baud, limit)
    return _evaluate_onnx(model_file(model, external_data, max_mib), data, limit)


def _evaluate_program(program: Path, data: Path, device: str, baud: int | None, limit: int | None) -> Answer:
    from . import npz
    from .evaluate import accuracy
    from .layer_profile import Profile
    from .session import Session

    with Progress(stages=2) as progress:
        progress.stage(f"open {device}")
        with Session(program, device, note=progress, **device_options(device, baud)) as session:
            feed = npz.read_feed(data, session.get_inputs())
            labels = npz.read_labels(data, len(next(iter(feed.values()))))[:limit]
            progress.stage(f"run {len(labels)} samples")
            scores = session.run(None, {name: array[:limit] for name, array in feed.items()})[0]
            profile = Profile.of(session)
    right = accuracy(scores, labels)
    return Answer(
        {"model": program, "device": device, "samples": len(labels), "accuracy": right, "profile": profile.document()},
        [profile.table(), f"{program} on {device}: accuracy {right:.2%} of {len(labels)} samples"],
    )


def _evaluate_onnx(path: "ModelFile", data: Path, limit: int | None) -> Answer:
    from . import npz
    from .evaluate import accuracy
    from .onnx_model import OnnxModel

    model = OnnxModel(path)
    with Progress(stages=3 if model.quantized else 2) as progress:
        progress.stage("read the data")
        feed = npz.read_feed(data, model.get_inputs())
        labels = npz.read_labels(data, len(next(iter(feed.values()))))[:limit]
        feed = {name: array[:limit] for name, array in feed.items()}
        progress.stage(f"run {len(labels)} samples")
        outputs = model.run(feed, progress)
        right = accuracy(next(iter(outputs.values())), labels)
        document: dict[str, Any] = {"model": path.path, "samples": len(labels), "accuracy": right}
        text: list[Any] = [f"{path} in ONNX Runtime: accuracy {right:.2%} of {len(labels)} samples"]
        if model.quantized:
            progress.stage("run the integer meaning and compare")
            try:
                exact_right, difference = _against_oracle(path, feed, outputs, labels)
            except DoesNotFit as error:
                return Answer(document | {"not_compared": str(error)}, [*text, f"not compared with the core: {error}"])
            document |= {"oracle_accuracy": exact_right, "default_session_against_oracle": difference.document()}
            text += [
                f"its integer meaning (what the core computes): accuracy {exact_right:.2%}",
                f"ONNX Runtime's default session differs from it in {count(difference.different)} of "
                f"{count(difference.compared)} output bytes, by {difference.largest} at most "
                "(it computes some operators in float32; docs/number-semantics.md)",
            ]
    return Answer(document, text)


def _against_oracle(path: "ModelFile", feed: Any, outputs: Any, labels: Any) -> tuple[float, Any]:
    """Accuracy of the graph's integer meaning, and how ONNX Runtime's default session differs from it."""
    from onnx_frontend.partition import partition

    from .evaluate import accuracy, compare, output_bytes
    from .session import Session

    plan = partition(path).plan
    with Session(plan, "numpy") as session:
        exact, tensors = session.run_tensors(feed)
    right = accuracy(exact[plan.outputs[0].name], labels)
    return right, compare(tensors, output_bytes(plan, outputs))
