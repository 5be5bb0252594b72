"""One model through the machines of the chain, each compared with the one before on every tensor."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from fpga_accel.session import Session
from onnx_frontend.importer import MALFORMED
from onnx_frontend.oracle import qoperator, run_all
from onnx_frontend.partition import compile_plan, partition
from onnx_frontend.runtime import run, session
from rtl.spec.config import core
from rtl.spec.errors import BadInput, DoesNotFit
from rtl.spec.graph import Node

CORE = replace(core("4x4"), act_words=8192, weight_words=16384, channel_words=4096, program_words=16384)
"""Small, so that everything is tiled and the simulator is fast, with memories that hold every tensor."""


@dataclass(frozen=True)
class Outcome:
    """How a graph fared.

    Members
    -------
    kind : str
        ``equal``, ``partly`` (equal, but some nodes ran on the host), ``refused``, ``large`` (equal, but the core's
        memories are too small), ``noted`` (different by one where the compiler says that some pairs of bytes are),
        ``different`` or ``crashed``.
    reason : str
        Why, in a form that is the same for alike graphs; '' for equal ones.
    compared : int
        Bytes compared.
    message : str
        All there is to say.
    """

    kind: str
    reason: str = ""
    compared: int = 0
    message: str = ""

    @property
    def failed(self) -> bool:
        """Whether it found a bug."""
        return self.kind in ("different", "crashed")


class _Different(Exception):
    """``node`` is the name of the node whose result differs, ``most`` by how much at most."""

    def __init__(self, message: str, node: str = "", most: int = 0):
        super().__init__(message)
        self.node = node
        self.most = most


def run_chain(model: onnx.ModelProto, feed: Mapping[str, NDArray[np.generic]], *, device: Any = None) -> Outcome:
    """Run a quantized model on ONNX Runtime, the reference and the interpreter, and on ``device`` if there is one."""
    try:
        return _run(model, feed, device)
    except (BadInput, DoesNotFit) as error:
        if "not a sound ONNX model" in str(error):  # the generator's fault
            return Outcome("crashed", "not a sound model", message=str(error))
        if MALFORMED in _reason(str(error)):  # what the importer did not expect of a sound model
            return Outcome("crashed", _reason(str(error)), message=str(error))
        return Outcome("refused", _reason(str(error)), message=str(error))
    except _Different as error:
        return Outcome("different", _general(str(error).splitlines()[0].split(":")[0]), message=str(error))
    except Exception as error:  # whatever else comes is what the fuzzer looks for
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_qualname}" if place is not None else ""
        message = f"{type(error).__name__}: {error}"
        return Outcome("crashed", f"{type(error).__name__} in {where}", message=f"{message} (in {where})")


def _run(model: onnx.ModelProto, feed: Mapping[str, NDArray[np.generic]], device: Any) -> Outcome:
    found = partition(model)
    lost = [row for row in found.on_host if MALFORMED in row.reason]
    if lost:
        return Outcome("crashed", _general(lost[0].reason), message=str(lost[0]))
    nodes = {node.output: node for graph in found.plan.graphs() for node in graph.nodes}
    exact = qoperator(model, found.host_names)
    with Session(found.plan, "numpy") as opened:
        values, got = opened.run_tensors(feed)
    compared = _compare("ONNX Runtime and reference", run_all(exact, feed), got, nodes)
    names = [value.name for value in exact.graph.output]
    compared += _compare_outputs(run(session(exact), names, feed), values)
    try:
        plan = compile_plan(found.plan, CORE, keep_tensors=True)
    except DoesNotFit as error:
        return Outcome("large", _general(str(error)), compared)
    with Session(plan, "program") as opened:
        interpreted = opened.tensors(feed)
    try:
        compared += _compare("reference and interpreter", got, interpreted, nodes)
    except _Different as error:
        noted = [note for program in plan.programs for note in program.notes if f"'{error.node}'" in note]
        if not noted or error.most > 1:
            raise
        return Outcome("noted", _general(noted[0]), compared, str(error))
    if device is not None:
        few = {name: array[: found.plan.batch or 1] for name, array in feed.items()}
        with Session(plan, device) as opened:
            tensors = opened.tensors(few)
            measured, predicted = opened.cycles(), plan.cycles
        compared += _compare("reference and RTL", got, tensors, nodes)
        if measured != predicted:
            raise _Different(f"cycles: {predicted} predicted, {measured} on the RTL")
    if found.on_host:
        return Outcome("partly", _general(found.on_host[0].reason), compared)
    return Outcome("equal", compared=compared)


def _compare_outputs(expected: Mapping[str, NDArray[np.generic]], got: Mapping[str, NDArray[np.generic]]) -> int:
    """Return the bytes compared of the model's outputs, as they are: NaN equals NaN."""
    for name, array in expected.items():
        if array.dtype != got[name].dtype or array.tobytes() != got[name].tobytes():
            raise _Different(f"ONNX Runtime and reference differ in an output: '{name}'")
    return sum(array.nbytes for array in expected.values())


def _compare(
    what: str,
    expected: Mapping[str, NDArray[np.int8]],
    actual: Mapping[str, NDArray[np.int8]],
    nodes: Mapping[str, Node],
) -> int:
    """Return the bytes compared, of all tensors that both have."""
    compared = 0
    for name, got in actual.items():
        if name not in expected:
            continue
        want = expected[name][: len(got)].reshape(got.shape)
        if not np.array_equal(want, got):
            node = nodes.get(name)
            kind = type(node).__name__ if node is not None else "input"
            wrong = np.argwhere(want != got)
            place = tuple(int(index) for index in wrong[0])
            raise _Different(
                f"{what} differ in {kind}: '{name}' in {len(wrong)} of {got.size} bytes, "
                f"first at {list(place)}: {want[place]} and {got[place]}",
                node.name if node is not None else "",
                int(np.abs(want.astype(np.int16) - got).max()),
            )
        compared += got.size
    return compared


def _reason(message: str) -> str:
    """Return why a model was refused, without names and numbers."""
    lines = [line.strip() for line in message.splitlines()]
    listed = lines[1:] or [re.sub(r"^fuzz: ", "", lines[0])]
    return _general(listed[0])


def _general(text: str) -> str:
    text = re.sub(r"'[^']*'", "", text.split(";")[0])
    text = re.sub(r"\[[^\]]*\]|\([^)]*\)", "[]", text)
    return re.sub(r"\s+", " ", re.sub(r"-?\d+(\.\d+)?(e[+-]?\d+)?", "N", text)).strip()
