"""Train the digits CNN and write the model, its calibration images and its held-out images.

    python models/train_digits.py

reproduces ``digits.onnx``, ``digits_calibration.npz`` and ``digits_test.npz`` beside this file, in under a minute on
one core. Every random choice comes from ``SEED``: the same library versions on the same kind of CPU give the same
bytes. Needs torch, scikit-learn, onnx and onnxruntime; the project itself does not need torch.

The data is the UCI Optical Recognition of Handwritten Digits, as scikit-learn ships it: 1797 images of 8x8 pixels
with values 0..16, scaled here to 0..1.
"""

import math
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

HERE = Path(__file__).resolve().parent

SEED = 2024
PIXEL_MAX = 16
TEST_FRACTION = 0.2
CALIBRATION_IMAGES = 200
EPOCHS = 60
BATCH = 64
PEAK_LEARNING_RATE = 1e-2
WEIGHT_DECAY = 1e-3
LABEL_SMOOTHING = 0.05
MAX_SHIFT_PIXELS = 0.75
MAX_ROTATION = math.radians(8)
OPSET = 18
MIN_ACCURACY = 0.97


class ConvBN(nn.Module):
    """A convolution without bias, then batch normalization. The output is linear: the caller adds the ReLU."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, *, stride: int = 1, groups: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(
            channels_in, channels_out, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class DigitsNet(nn.Module):
    """Images [batch, 1, 8, 8] in 0..1 to logits [batch, 10].

    One of everything the accelerator must get right: a padded convolution, a depthwise and a pointwise one, stride 2,
    convolutions with a batch normalization and one with a bias, and a residual sum of a max-pooled ReLU output (never
    negative) and a linear convolution (signed, a few times larger), so that its two operands quantize to different
    scales and zero points.
    """

    def __init__(self):
        super().__init__()
        self.stem = ConvBN(1, 16, 3)
        self.depthwise = ConvBN(16, 16, 3, groups=16)
        self.pointwise = ConvBN(16, 32, 1)
        self.shortcut = nn.MaxPool2d(2)
        self.down = ConvBN(32, 32, 3, stride=2)
        # Without batch normalization, which would bring this operand of the sum to the range of the other.
        self.refine = nn.Conv2d(32, 32, 3, padding=1)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classify = nn.Linear(32, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = self.relu(self.stem(image))
        x = self.relu(self.depthwise(x))
        x = self.relu(self.pointwise(x))

        residual = self.refine(self.relu(self.down(x)))
        x = self.relu(self.shortcut(x) + residual)

        return self.classify(self.flatten(self.pool(x)))


def load_split() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training images, held-out images, training labels, held-out labels: float32 [n, 1, 8, 8] and int64 [n]."""
    digits = load_digits()
    image = (digits.images[:, np.newaxis] / PIXEL_MAX).astype(np.float32)
    label = digits.target.astype(np.int64)
    return train_test_split(image, label, test_size=TEST_FRACTION, stratify=label, random_state=SEED)


def jitter(image: Tensor) -> Tensor:
    """Shift and rotate each image a little, by its own random amount."""
    count, _, height, width = image.shape
    angle = (torch.rand(count) * 2 - 1) * MAX_ROTATION
    # In affine_grid's coordinates the image spans -1..1: one pixel is 2 / size.
    shift = (torch.rand(count, 2) * 2 - 1) * MAX_SHIFT_PIXELS * 2 / torch.tensor([width, height])

    top = torch.stack([angle.cos(), -angle.sin(), shift[:, 0]], dim=1)
    bottom = torch.stack([angle.sin(), angle.cos(), shift[:, 1]], dim=1)
    grid = functional.affine_grid(torch.stack([top, bottom], dim=1), list(image.shape), align_corners=False)
    return functional.grid_sample(image, grid, align_corners=False)


def train(image: Tensor, label: Tensor) -> DigitsNet:
    """Train for a fixed number of epochs; the held-out images choose nothing. Returns the model in eval mode."""
    model = DigitsNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = EPOCHS * math.ceil(len(image) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LEARNING_RATE, total_steps=steps)

    for epoch in range(EPOCHS):
        epoch_loss = 0.0
        for batch in torch.randperm(len(image)).split(BATCH):
            logits = model(jitter(image[batch]))
            loss = functional.cross_entropy(logits, label[batch], label_smoothing=LABEL_SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            epoch_loss += loss.item() * len(batch)
        if (epoch + 1) % 10 == 0:
            print(f"epoch {epoch + 1:3d}: loss {epoch_loss / len(image):.4f}")

    return model.eval()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``, renamed to it if the body succeeds and removed if it fails."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as folder:
        temporary = Path(folder) / path.name
        yield temporary
        os.replace(temporary, path)


def export(model: DigitsNet, path: Path) -> None:
    """Write ``model`` in one file, its batch normalizations not folded."""
    with warnings.catch_warnings():
        # The torch.export-based exporter writes GlobalAveragePool as ReduceMean and has no option to keep
        # BatchNormalization, hence the older one, which announces its age.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            model,
            (torch.zeros(1, 1, 8, 8),),
            path,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
            opset_version=OPSET,
            # Keeps the model's own mode, which is eval; TrainingMode.EVAL would fold the batch normalizations.
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            dynamo=False,
        )
    onnx.checker.check_model(onnx.load(path), full_check=True)


def accuracy(path: Path, image: np.ndarray, label: np.ndarray) -> float:
    """The fraction of ``image`` that the model at ``path`` classifies as ``label``, by ONNX Runtime."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"image": image})
    return float(np.mean(logits.argmax(axis=1) == label))


def main() -> None:
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    # Sums split over threads round differently: one thread gives the same weights however many cores there are.
    torch.set_num_threads(1)

    image_train, image_test, label_train, label_test = load_split()
    model = train(torch.from_numpy(image_train), torch.from_numpy(label_train))

    with replacing(HERE / "digits.onnx") as path:
        export(model, path)
        score = accuracy(path, image_test, label_test)
        print(f"held-out accuracy: {score:.2%} of {len(label_test)} images")
        if score < MIN_ACCURACY:
            raise SystemExit(f"held-out accuracy must be at least {MIN_ACCURACY:.0%}, not {score:.2%}")

    # The split is already shuffled, so its first images are a fair sample.
    calibration = {"image": image_train[:CALIBRATION_IMAGES], "labels": label_train[:CALIBRATION_IMAGES]}
    with replacing(HERE / "digits_calibration.npz") as path:
        np.savez_compressed(path, **calibration)
    with replacing(HERE / "digits_test.npz") as path:
        np.savez_compressed(path, image=image_test, labels=label_test)


if __name__ == "__main__":
    main()
