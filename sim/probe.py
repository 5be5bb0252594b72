"""A simulated core with probes: what its units say to each other, cycle by cycle."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtl.probes import Probed
from rtl.spec.errors import ToolError

from .verilog import Note, build_program, cache_folder

MAIN = Path(__file__).with_name("probe.cpp")

Records = NDArray[np.void]
"""A cycle each; the fields are the names of `rtl.probes.points`."""


class Probe:
    """A simulator of a core that shows its points.

    Parameters
    ----------
    probed : Probed
    note : function, optional
        Called as ``note(what)`` while the simulator is built.

    Raises
    ------
    ToolError
        If the simulator cannot be built.
    """

    def __init__(self, probed: Probed, note: Note | None = None) -> None:
        self._dtype = probed.dtype
        self._program = build_program(probed, "probed", MAIN, note=note)

    def record(self, writes: Sequence[tuple[int, NDArray[np.uint32]]], *, cycles: int) -> Records:
        """Return what the points show in each cycle of a run, the first of them that of ``start``.

        Parameters
        ----------
        writes : sequence of (int, array)
            What the host writes, (word address, words); the last one begins the run.
        cycles : int
            The run is cut off after so many.

        Raises
        ------
        ToolError
            If the core does not begin to run.
        """
        pairs = [np.stack([address + np.arange(len(words)), words], axis=1) for address, words in writes]
        with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
            asked, records = Path(folder) / "writes", Path(folder) / "records"
            np.concatenate(pairs).astype("<u4").tofile(asked)
            subprocess.run([self._program, asked, records, str(cycles)], check=True)
            found = np.fromfile(records, self._dtype)
        starts = np.flatnonzero(found["start"])
        if not len(starts):
            raise ToolError("simulation: the core was told to run, and does not begin")
        return found[starts[0] :]
