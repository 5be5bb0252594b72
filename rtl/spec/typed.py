"""Values against the annotations of a dataclass's fields: what a file says a number, is a number."""

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal

import numpy as np


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def make(cls: type, values: Mapping[str, Any]) -> Any:
    """Return a dataclass of these values.

    Raises
    ------
    TypeError
        If a field is missing, unknown, or not of the type that it is annotated with.
    """
    hints = _hints(cls)
    for entry in fields(cls):
        if entry.name in values and not _conforms(values[entry.name], hints[entry.name]):
            raise TypeError(f"{cls.__name__}.{entry.name}: {str(values[entry.name])[:60]} is no {entry.type}")
    return cls(**values)


def _conforms(value: Any, hint: Any) -> bool:
    origin, given = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return value in given
    if origin in (types.UnionType, typing.Union):
        return any(_conforms(value, option) for option in given)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(given) == 2 and given[1] is ...:
            return all(_conforms(item, given[0]) for item in value)
        return len(value) == len(given) and all(_conforms(*pair) for pair in zip(value, given, strict=True))
    if origin is np.ndarray:
        return isinstance(value, np.ndarray) and _conforms_dtype(value.dtype, given)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, dict) and all(
            _conforms(k, given[0]) and _conforms(v, given[1]) for k, v in value.items()
        )
    if hint is int:
        return isinstance(value, int | np.integer) and not isinstance(value, bool)
    if isinstance(hint, type) and (is_dataclass(hint) or hint in (str, bool, float) or issubclass(hint, np.generic)):
        return isinstance(value, hint)
    return True


def _conforms_dtype(dtype: np.dtype[Any], given: tuple[Any, ...]) -> bool:
    """Say whether an array of this type is an NDArray of these arguments: (shape, dtype[kinds])."""
    kinds = typing.get_args(given[1]) if len(given) == 2 else ()
    options = [option for kind in kinds for option in (typing.get_args(kind) or (kind,))]
    return not options or any(isinstance(option, type) and issubclass(dtype.type, option) for option in options)
