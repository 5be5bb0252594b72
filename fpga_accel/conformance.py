"""Conformance: ONNX's backend test suite on :mod:`fpga_accel.backend`, as it is and in int8.

``python -m fpga_accel.conformance`` runs both, prints the score and writes it into the README.
"""

import contextlib
import io
import os
import sys
import tempfile
import unittest
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import onnx
from onnx.backend.test import BackendTest
from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

from .backend import FpgaAccelBackend, Prepared
from .quantized_conformance import OUTCOMES, cases, quantized
from .readme import CONFORMANCE, write_section

BEHAVIOUR = (
    "Conv ConvTranspose Gemm MatMul MaxPool AveragePool GlobalAveragePool GlobalMaxPool ReduceMean ReduceSum ReduceMax "
    "Add Sub Mul Concat Split Slice Pad Resize Upsample DepthToSpace SpaceToDepth Reshape Flatten Squeeze Unsqueeze "
    "Transpose Relu Clip LeakyRelu PRelu Sigmoid HardSigmoid Tanh HardSwish Swish Gelu Elu Selu Softplus Mish Erf Abs "
    "Neg Exp Sqrt Reciprocal BatchNormalization QuantizeLinear DequantizeLinear QLinearConv QLinearMatMul ConvInteger "
    "MatMulInteger DynamicQuantizeLinear"
)
PROMISED = frozenset(BEHAVIOUR.split())
"""The operators that are to run on the core once they are quantized."""


@dataclass
class Score:
    """What became of tests: by name, the refused ones with their message."""

    passed: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    core_nodes: int = 0
    nodes: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return len(self.passed) + len(self.refused) + len(self.failed)

    def line(self) -> str:
        """Return passed, refused and failed of all, and the share of nodes that ran on the core."""
        share = self.core_nodes / max(self.nodes, 1)
        return (
            f"{len(self.passed)} of {self.total} pass, {len(self.refused)} are refused, {len(self.failed)} fail; "
            f"{self.core_nodes} of {self.nodes} nodes ({share:.1%}) ran on the core"
        )


def suite(include: Iterable[str] = ()) -> tuple[Score, Score]:
    """Run ONNX's suite, or its tests that match a pattern; return the scores of all and of the promised operators."""
    ran: dict[str, tuple[onnx.ModelProto, Prepared | None, str]] = {}

    class Recorded(FpgaAccelBackend):
        @classmethod
        def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
            return True  # prepare says it, once

        @classmethod
        def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> Prepared:
            name = model.graph.name
            try:
                prepared = super().prepare(model, device, **kwargs)
            except BackendIsNotSupposedToImplementIt as refusal:
                ran[name] = (model, None, str(refusal))
                raise
            ran[name] = (model, prepared, "")
            plain = prepared.run

            def recorded(inputs: Any, **options: Any) -> tuple[Any, ...]:
                try:
                    return plain(inputs, **options)
                except BackendIsNotSupposedToImplementIt as refusal:
                    ran[name] = (model, prepared, str(refusal))
                    raise

            prepared.run = recorded  # type: ignore[method-assign]
            return prepared

    with tempfile.TemporaryDirectory() as home, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ["ONNX_MODELS"] = home  # where the suite writes its own inputs
        tests = BackendTest(Recorded, __name__)
        for pattern in include:
            tests.include(pattern)
        results = unittest.TestResult()
        with contextlib.redirect_stdout(io.StringIO()):
            tests.test_suite.run(results)
    wrong = {str(test).split(" ")[0]: text for test, text in results.failures + results.errors}
    whole, promised = Score(), Score()
    left = dict(wrong)
    for name, (model, prepared, refusal) in ran.items():
        failure = next((left.pop(test) for test in list(left) if name in test), "")
        scores = [whole, promised] if {node.op_type for node in model.graph.node} <= PROMISED else [whole]
        for score in scores:
            _note(score, name, model, prepared, refusal, failure)
    for test, text in left.items():
        whole.failed[test] = text
    return whole, promised


def _note(
    score: Score, name: str, model: onnx.ModelProto, prepared: Prepared | None, refusal: str, failure: str
) -> None:
    if failure:
        score.failed[name] = failure
    elif refusal:
        score.refused[name] = refusal
    else:
        score.passed.append(name)
        score.nodes += len(model.graph.node)
        if prepared is not None and prepared.plan is not None:
            hosted = {name for segment in prepared.plan.host for name in segment.nodes}
            mine = [node for node in model.graph.node if (node.name or node.output[0]) not in hosted]
            score.core_nodes += len(mine) if prepared.plan.core else 0


def markdown(whole: Score, promised: Score, table: Mapping[str, Mapping[str, list[str]]]) -> str:
    """Return the README's section."""
    totals = {outcome: sum(len(row.get(outcome, ())) for row in table.values()) for outcome in OUTCOMES}
    lines = [
        f"ONNX {onnx.__version__}, whole suite: {whole.line()}.",
        "",
        f"Tests of the core's operators alone: {promised.line()}.",
        "",
        "The same tests of the core's operators in int8 (each test's model quantized on its own inputs, every byte "
        f"compared with ONNX Runtime): {totals['core']} of {sum(totals.values())} run on the core, "
        f"{totals['host']} on the host, {totals['refused']} are refused, {totals['failed']} fail.",
        "",
        "| Operator | core | host | refused | fail |",
        "|---|---:|---:|---:|---:|",
    ]
    for operator, row in sorted(table.items()):
        lines.append(f"| {operator} | " + " | ".join(str(len(row.get(outcome, ()))) for outcome in OUTCOMES) + " |")
    return "\n".join(lines)


def main() -> int:
    """Run everything, print it, write the README's section; 1 if anything fails or differs."""
    whole, promised = suite()
    table = quantized(cases(PROMISED))
    for name, text in {**whole.failed, **promised.failed}.items():
        print(f"FAILED {name}: {text.strip().splitlines()[-1]}", file=sys.stderr)
    for row in table.values():
        for line in row.get("failed", ()):
            print(f"FAILED in int8: {line}", file=sys.stderr)
    text = markdown(whole, promised, table)
    print(text)
    write_section(CONFORMANCE, text)
    return int(bool(whole.failed or any("failed" in row for row in table.values())))


if __name__ == "__main__":
    sys.exit(main())
