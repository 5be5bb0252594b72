"""The four models of MLPerf Tiny, quantized, each with a sample, its core and the records to compare it with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import networks
import numpy as np
import onnx
from accuracy import arrays

from fpga_accel.session import Values
from onnx_frontend.quantize import quantize_model
from onnx_frontend.recipe import Recipe

CALIBRATION = 32
"""Random samples by which seeded models are quantized."""


@dataclass(frozen=True)
class Task:
    """A model of the benchmark.

    Members
    -------
    stem : str
        Of its files in the folder of models: ``<stem>_float.onnx``, ``_calibration.npz``, ``_test.npz``.
    seeded : function
        Returns the same architecture with seeded weights.
    core : str
        Name of the core in `cores` that it is compiled for.
    records : tuple of (float, str)
        Published latencies of its task on FPGAs in MLPerf Tiny's closed division, in ms, best first, and where.
    record_macs : float or None
        Largest published MACs per DSP and cycle of the task; None if there is none.
    """

    name: str
    stem: str
    seeded: Callable[[], onnx.ModelProto]
    core: str
    records: tuple[tuple[float, str], ...]
    record_macs: float | None


TASKS = (
    Task("ResNet-8", "resnet8_cifar10", networks.resnet, "16x16", ((0.147, "ZC706"), (0.411, "ZedBoard")), 1.007),
    Task("DS-CNN", "dscnn_kws", networks.dscnn, "16x16", ((0.324, "ZedBoard"),), 0.305),
    Task("MobileNetV1-0.25", "mobilenet_vww", networks.mobilenet, "16x16-image", ((0.72, "ZC706"),), 0.092),
    Task("autoencoder", "autoencoder_ad", networks.autoencoder, "16x16-dense", (), None),
)
"""Records of fpgaConvNet, all with Vivado."""


def quantized(task: Task, folder: Path) -> tuple[onnx.ModelProto, Values, bool]:
    """Return the quantized model, one sample, and whether its weights are trained: from ``folder``, if it is there."""
    file = folder / f"{task.stem}_float.onnx"
    if not file.exists():
        model = task.seeded()
        calibration = networks.samples(model, CALIBRATION)
        return quantize_model(model, calibration, Recipe()).model, networks.samples(model, 1, seed=2), False
    calibration = arrays(folder / f"{task.stem}_calibration.npz")
    calibration.pop("labels", None)
    test = arrays(folder / f"{task.stem}_test.npz")
    sample = {name: np.ascontiguousarray(array[:1]) for name, array in test.items() if name != "labels"}
    return quantize_model(file, calibration, Recipe()).model, sample, True
