"""The ``.npz`` files that users bring and get: one array for each input or output, by its name, batch first."""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtl.spec.archive import DAMAGED, Archive, open_archive
from rtl.spec.errors import BadInput

from .feed import ArrayInfo, Feed, check_feed
from .files import readable, replacing


class _Arrays(Mapping[str, NDArray[np.generic]]):
    """Arrays of an archive, with what is wrong with one in terms of the file."""

    def __init__(self, path: Path, archive: Archive):
        self.path = path
        self.archive = archive

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        if name not in self.archive:
            raise KeyError(name)
        try:
            return self.archive[name]
        except DAMAGED as error:
            raise BadInput(f"{self.path}: array '{name}' cannot be read: {error}") from error

    def __contains__(self, name: object) -> bool:
        return name in self.archive

    def __iter__(self) -> Iterator[str]:
        return iter(self.archive)

    def __len__(self) -> int:
        return len(self.archive)


@contextmanager
def _opened(path: Path) -> Iterator[_Arrays]:
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(open_archive(readable(path)))
        except DAMAGED as error:
            raise BadInput(
                f"{path}: not a readable .npz file ({error}); write one with numpy.savez(path, name=array)"
            ) from error
        yield _Arrays(path, archive)


def read_feed(path: Path, infos: list[ArrayInfo], limit: int | None = None) -> Feed:
    """Read the inputs ``infos`` of a model from the .npz file ``path``: the first ``limit`` samples, or all.

    Raises
    ------
    BadInput
        If the file is not an .npz, or for the reasons of :func:`~fpga_accel.feed.check_feed`.
    """
    with _opened(path) as arrays:
        feed = check_feed(infos, arrays, str(path))
    return {name: array[:limit] for name, array in feed.items()}


def read_labels(path: Path, batch: int) -> NDArray[np.int64]:
    """Read the array ``labels``: the index of the right class of each of ``batch`` samples.

    Raises
    ------
    BadInput
        If there is none, or it is not one integer for each sample.
    """
    with _opened(path) as arrays:
        if "labels" not in arrays:
            present = ", ".join(f"'{name}'" for name in arrays) or "none"
            raise BadInput(f"{path}: no array named 'labels' (the right class of each sample); present are: {present}")
        labels = arrays["labels"]
    if labels.shape != (batch,) or labels.dtype.kind not in "iu":
        raise BadInput(
            f"{path}: 'labels' must be {batch} integers, one for each sample, "
            f"not {labels.dtype} of shape {labels.shape}"
        )
    return labels.astype(np.int64)


def write(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write ``arrays`` by their names to ``path``, whole or not at all."""
    # Entry by entry, because numpy.savez takes names as keywords and has some of its own ('file').
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)
