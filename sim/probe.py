"""A simulated core with probes: what its units say to each other, cycle by cycle."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtl.probes import Probed
from rtl.spec.config import Config
from rtl.spec.errors import ToolError

from .verilog import Note, build_program, cache_folder

MAIN = Path(__file__).with_name("probe.cpp")

Records = NDArray[np.void]
"""A cycle each; the fields are the names of `rtl.probes.points`."""


def record(
    config: Config,
    writes: Sequence[tuple[int, NDArray[np.uint32]]],
    *,
    cycles: int,
    note: Note | None = None,
) -> Records:
    """Return what the points of a core show in each cycle of a run, the first of them ``start``'s.

    Parameters
    ----------
    config : Config
    writes : sequence of (int, array)
        What the host writes, (word address, words); the last one begins the run.
    cycles : int
        The run is cut off after so many.
    note : function, optional
        Called as ``note(what)`` while the simulator is built.

    Raises
    ------
    ToolError
        If the simulator cannot be built, or the core does not begin to run.
    """
    probed = Probed(config)
    program = build_program(probed, f"probed_{config.name}", MAIN, note=note)
    pairs = np.concatenate(
        [np.stack([address + np.arange(len(words)), words], axis=1).astype("<u4") for address, words in writes]
    )
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
        asked, records = Path(folder) / "writes", Path(folder) / "records"
        pairs.tofile(asked)
        subprocess.run([program, asked, records, str(cycles)], check=True)
        found = np.fromfile(records, probed.dtype)
    starts = np.flatnonzero(found["start"]) if len(found) else found
    if not len(starts):
        raise ToolError("simulation: the core was told to run, and does not begin")
    return found[starts[0] :]
