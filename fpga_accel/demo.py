"""The whole way on one model, each machine of the chain compared with the one before, byte for byte."""

from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from onnx_frontend.check import check
from onnx_frontend.oracle import run_all
from onnx_frontend.recipe import Recipe
from rtl.spec.config import Config

from .core_runner import Tensors
from .evaluate import Difference, accuracy, compare, output_bytes
from .feed import Feed
from .layer_profile import Profile
from .npz import read_feed, read_labels
from .onnx_model import OnnxModel
from .progress import Progress
from .session import Session
from .steps import compile_file, hdl_folder, oracle_file, quantize_file

STAGES = 7


@dataclass(frozen=True)
class Link:
    """One link of the chain: two machines, the samples they both ran, and the difference of their bytes."""

    name: str
    samples: int
    difference: Difference


@dataclass(frozen=True)
class Result:
    """What the demo found.

    Members
    -------
    accuracies : dict
        By what was evaluated, each with its number of samples.
    links : list of Link
        Of the chain: none may differ.
    default_session : Difference
        ONNX Runtime's default session on the QDQ file against the chain, for information.
    profile : Profile
        Of the simulated circuits.
    files : dict
        What each file written is.
    """

    accuracies: dict[str, tuple[float, int]]
    links: list[Link]
    default_session: Difference
    profile: Profile
    files: dict[str, Path]

    @property
    def exact(self) -> bool:
        """Whether no byte of the chain differs and every cycle is as predicted."""
        bytes_equal = all(link.difference.different == 0 and link.difference.compared for link in self.links)
        return bytes_equal and self.profile.as_predicted


def interpret(program: Path, feed: Feed) -> Tensors:
    """Return every tensor that the interpreter of the program computes."""
    with Session(program, "program") as session:
        return session.tensors(feed)


def run_demo(
    model: Path, calibration: Path, data: Path, config: Config, images: int, output: Path, progress: Progress
) -> Result:
    """Quantize, compile and run ``model`` on every machine; the circuits run the first ``images`` samples."""
    name = model.stem
    qdq, qop = output / f"{name}.qdq.onnx", output / f"{name}.qop.onnx"
    fpga, fpga_all = output / f"{name}.fpga", output / f"{name}.all-tensors.fpga"

    progress.stage("check what runs on the core")
    check(model)

    progress.stage("quantize")
    quantize_file(model, calibration, qdq, Recipe(), progress)

    progress.stage("write the QOperator form")
    oracle_file(qdq, qop)

    progress.stage(f"compile for the core {config.name}")
    compile_file(qdq, fpga, config, hdl=True)
    plan, _ = compile_file(qdq, fpga_all, config, keep_tensors=True)

    progress.stage("ONNX Runtime: float, QDQ")
    float_model, qdq_model = OnnxModel(model), OnnxModel(qdq)
    feed = read_feed(data, float_model.get_inputs())
    labels = read_labels(data, len(next(iter(feed.values()))))
    samples = len(labels)
    qdq_outputs = qdq_model.run(feed)
    accuracies = {
        "float, ONNX Runtime": (accuracy(next(iter(float_model.run(feed).values())), labels), samples),
        "QDQ, ONNX Runtime": (accuracy(next(iter(qdq_outputs.values())), labels), samples),
    }

    progress.stage("ONNX Runtime on the QOperator form, NumPy reference")
    exact = run_all(qop, feed)
    with Session(plan, "numpy") as session:
        expected = session.tensors(feed)
    links = [Link("ONNX Runtime (QOperator) = reference", samples, compare(exact, expected))]

    progress.stage(f"program interpreter; simulated board, {images} images")
    few = {key: array[:images] for key, array in feed.items()}
    # The interpreter in a process of its own, beside the simulator.
    with get_context("spawn").Pool(1) as pool:
        interpreted = pool.apply_async(interpret, (fpga_all, feed))
        with Session(plan, "sim", note=progress) as session:
            outputs, tensors = session.run_tensors(few)
            profile = Profile.of(session)
        progress("wait for the interpreter")
        links.append(Link("reference = interpreter", samples, compare(expected, interpreted.get())))
    links.append(Link("reference = RTL behind its serial port", len(labels[:images]), compare(expected, tensors)))
    accuracies["RTL"] = (accuracy(outputs[plan.outputs[0].name], labels[:images]), len(labels[:images]))

    return Result(
        accuracies=accuracies,
        links=links,
        default_session=compare(expected, output_bytes(plan, qdq_outputs)),
        profile=profile,
        files={
            "quantized model (QDQ)": qdq,
            "the same for bit-exact ONNX Runtime (QOperator)": qop,
            "program": fpga,
            "program that keeps every tensor": fpga_all,
            "circuits, Amaranth and Verilog": hdl_folder(fpga),
        },
    )
