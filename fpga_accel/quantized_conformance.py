"""ONNX's tests of float operators in int8: each quantized on its own inputs, every byte compared with ONNX Runtime."""

import warnings
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from onnx.backend.test.loader import load_model_tests

from onnx_frontend.oracle import qoperator
from onnx_frontend.partition import MOVES_ONLY, Partition, compile_plan, divide
from onnx_frontend.quantize import quantize
from onnx_frontend.runtime import session
from rtl.spec.config import core
from rtl.spec.errors import DoesNotFit, FpgaAccelError

from .session import Session

CORE = "16x16"
"""The core on which the interpreter runs the cases."""
OUTCOMES = ("core", "host", "refused", "failed")
TOGETHER = {"Add", "Sub", "Mul", "MatMul", "Concat"}
"""Operators of several activations; of the others all inputs but the first are constants."""


@dataclass(frozen=True)
class Case:
    """A float model of one operator, its parameters bound, and the samples that its test comes with."""

    name: str
    operator: str
    model: onnx.ModelProto
    feed: dict[str, NDArray[Any]]


def cases(operators: Collection[str]) -> Iterator[Case]:
    """Return the cases that ONNX's node tests of these operators give: those of one node on float32."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tests = load_model_tests(kind="node")
    for test in tests:
        if test.model is None or not test.data_sets or len(test.model.graph.node) != 1:
            continue
        (node,) = test.model.graph.node
        kinds = [value.type.tensor_type.elem_type for value in (*test.model.graph.input[:1], *test.model.graph.output)]
        if node.op_type not in operators or any(kind != TensorProto.FLOAT for kind in kinds):
            continue
        arrays = [numpy_helper.to_array(a) if isinstance(a, TensorProto) else a for a in test.data_sets[0][0]]
        given = dict(zip((value.name for value in test.model.graph.input), arrays, strict=True))
        yield Case(test.name, node.op_type, *_bound(test.model, node, given))


def run(case: Case) -> tuple[str, str]:
    """Return the outcome and, unless it is the core, why.

    ``core``: all of it ran on the core (the reference, and the interpreter of its program where it fits), every byte as
    ONNX Runtime has it, or it costs nothing there (a Reshape); ``host``: it runs in ONNX Runtime; ``refused``: with our
    message; ``failed``: a byte differs, or an error that is none of ours.
    """
    try:
        qdq = quantize(case.model, case.feed)
        found = divide(qdq)
        if not found.plan.core and all(row.reason == MOVES_ONLY for row in found.on_host):
            return "core", ""
        if not found.plan.core:
            return "host", "; ".join(str(row) for row in found.on_host)
        exact = session(qoperator(qdq, found.host_names)).run(None, case.feed)
        for plan, device in _machines(found):
            with Session(plan, device) as opened:
                for wanted, got in zip(exact, opened.run(None, case.feed), strict=True):
                    if got.shape != wanted.shape or not np.array_equal(got, wanted):
                        return "failed", f"{device}: {_difference(wanted, got)}"
    except FpgaAccelError as error:
        return "refused", str(error)
    except Exception as error:  # this is what the suite looks for
        return "failed", f"{type(error).__name__}: {error}"
    moved = [row for row in found.on_host if row.operator == case.operator]
    return ("host", str(moved[0])) if moved else ("core", "")


def quantized(chosen: Iterable[Case]) -> dict[str, dict[str, list[str]]]:
    """Return what became of each case, by operator and outcome."""
    table: dict[str, dict[str, list[str]]] = {}
    for case in chosen:
        outcome, why = run(case)
        table.setdefault(case.operator, {}).setdefault(outcome, []).append(f"{case.name}: {why}" if why else case.name)
    return table


def _machines(found: Partition) -> Iterator[tuple[Any, str]]:
    yield found.plan, "numpy"
    try:
        compiled = compile_plan(found.plan, core(CORE))
    except DoesNotFit:
        return
    yield compiled, "program"


def _difference(wanted: NDArray[Any], got: NDArray[Any]) -> str:
    if wanted.shape != got.shape:
        return f"shape {got.shape} for {wanted.shape}"
    wrong = wanted != got
    return f"{int(wrong.sum())} of {wanted.size} values, e.g. {got[wrong][0]} for {wanted[wrong][0]}"


def _bound(
    model: onnx.ModelProto, node: onnx.NodeProto, given: dict[str, NDArray[Any]]
) -> tuple[onnx.ModelProto, dict[str, NDArray[Any]]]:
    """Return the model with its parameters as constants, and what is left to feed."""
    first = given[node.input[0]]
    activations = {node.input[0]}
    if node.op_type in TOGETHER:
        activations |= {n for n, a in given.items() if a.ndim == first.ndim and a.shape[:1] == first.shape[:1]}
    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    kept = [value for value in bound.graph.input if value.name in activations]
    del bound.graph.input[:]
    bound.graph.input.extend(kept)
    parameters = {name: array for name, array in given.items() if name not in activations}
    bound.graph.initializer.extend(numpy_helper.from_array(np.asarray(a), name) for name, a in parameters.items())
    return bound, {name: array for name, array in given.items() if name in activations}
