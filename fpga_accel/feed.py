"""What a model's inputs must be, and the check of the arrays that users bring."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtl.spec.errors import BadInput
from rtl.spec.plan import Array

ONNX_TYPES = {
    "float32": "tensor(float)",
    "int8": "tensor(int8)",
    "uint8": "tensor(uint8)",
    "int16": "tensor(int16)",
    "uint16": "tensor(uint16)",
    "int32": "tensor(int32)",
    "int64": "tensor(int64)",
    "bool": "tensor(bool)",
    "float16": "tensor(float16)",
    "float64": "tensor(double)",
}
"""ONNX Runtime's names of the element types that an input or output of a model can have here."""


@dataclass(frozen=True)
class ArrayInfo:
    """Name, shape and element type of a model's input or output, as ONNX Runtime's NodeArg has them.

    ``shape`` has an int for each known dimension and a name or None for the others; ``type`` is like ``tensor(float)``.
    """

    name: str
    shape: tuple[int | str | None, ...]
    type: str

    @classmethod
    def of_array(cls, array: Array) -> "ArrayInfo":
        """The description of an input or output of a plan; its batch is free."""
        shape = tuple("batch" if size == -1 else size for size in array.shape or ())
        return cls(array.name, shape, ONNX_TYPES.get(array.dtype, f"tensor({array.dtype})"))

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The NumPy element type.

        Raises
        ------
        BadInput
            If the model takes a type that has no meaning here, such as strings.
        """
        for name, onnx_type in ONNX_TYPES.items():
            if onnx_type == self.type:
                return np.dtype(name)
        known = ", ".join(ONNX_TYPES)
        raise BadInput(f"input '{self.name}': type {self.type} is not supported; expected one of {known}")


Feed = dict[str, NDArray[np.generic]]


def _shape_text(shape: Iterable[object]) -> str:
    sizes = [str(size) if size is not None else "?" for size in shape]
    return "(" + ", ".join(sizes) + ("," if len(sizes) == 1 else "") + ")"


def _check_dtype(info: ArrayInfo, array: NDArray[np.generic], where: str) -> None:
    expected = info.dtype
    if array.dtype == expected:
        return
    remedy = f"convert it with .astype(numpy.{expected})"
    if expected == np.float32 and array.dtype.kind in "iub":
        remedy += " and scale it as the network's training data was"
    raise BadInput(f"{where}: array '{info.name}' has dtype {array.dtype}, the model takes {expected}; {remedy}")


def _check_shape(info: ArrayInfo, array: NDArray[np.generic], where: str) -> None:
    expected = ("batch", *info.shape[1:])
    matches = array.ndim == len(expected) and all(
        not isinstance(size, int) or size == actual for size, actual in zip(expected[1:], array.shape[1:], strict=True)
    )
    if matches:
        return
    single = array.ndim == len(expected) - 1 and all(
        not isinstance(size, int) or size == actual for size, actual in zip(expected[1:], array.shape, strict=True)
    )
    remedy = "; for one sample, add the batch axis: x[numpy.newaxis]" if single else ""
    raise BadInput(
        f"{where}: array '{info.name}' has shape {_shape_text(array.shape)}, "
        f"the model takes {_shape_text(expected)}{remedy}"
    )


def _check_finite(info: ArrayInfo, array: NDArray[np.generic], where: str) -> None:
    if array.dtype.kind != "f":
        return
    bad = ~np.isfinite(array)
    if bad.any():
        place = tuple(int(index) for index in np.argwhere(bad)[0])
        raise BadInput(
            f"{where}: array '{info.name}' has {int(bad.sum())} values that are NaN or infinite, the first at "
            f"{list(place)}; remove those samples or replace the values"
        )


def check_feed(infos: Iterable[ArrayInfo], arrays: Mapping[str, object], where: str = "feed") -> Feed:
    """Return the arrays of ``arrays`` that a model with the inputs ``infos`` takes; the others are ignored.

    Raises
    ------
    BadInput
        If one is missing, has another dtype or shape, has NaN or infinite values, or if the batches are empty or
        differ. ``where`` (a file, usually) begins the message.
    """
    infos = list(infos)
    missing = [info.name for info in infos if info.name not in arrays]
    if missing:
        names = ", ".join(f"'{name}'" for name in missing)
        present = ", ".join(f"'{name}'" for name in arrays) or "none"
        raise BadInput(f"{where}: no array named {names}; the arrays present are: {present}. Name it as the model does")

    feed: Feed = {}
    for info in infos:
        array = np.asarray(arrays[info.name])
        _check_dtype(info, array, where)
        _check_shape(info, array, where)
        if len(array) == 0:
            raise BadInput(f"{where}: array '{info.name}' has no samples (its first axis is 0)")
        _check_finite(info, array, where)
        feed[info.name] = array
    batches = {info.name: len(feed[info.name]) for info in infos}
    if len(set(batches.values())) > 1:
        raise BadInput(f"{where}: the inputs have different numbers of samples: {batches}")
    return feed
