"""The circuits broken in many places, one at a time, and whether the tests notice: what ``make mutate`` does.

    python benchmarks/mutate.py [--places 120] [--seed 0] [--jobs 2] [--module FILE ...]

Places are drawn from all modules in ``rtl`` that make circuits, of each kind of fault in turn. A fault that leaves the
circuits of all cores as they were, or with which they cannot be made, is not counted, and another is drawn. The tests
of the broken module come first, then those of whole cores or of the link, and no others; the first that fails is told.
Tests that take more than twice the processor time that they should have noticed, too. What nobody notices must be in
``SURVIVORS`` with the reason. The exit code is 1 if fewer than nine of ten are noticed, or if one that is not noticed
has no reason.

What was found is kept in ``build/mutate``, so that a command which was stopped goes on where it was; other sources or
tests begin anew.
"""

import argparse
import hashlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from circuits import CONFIGS
from mutations import KINDS, Mutation, mutations
from survivors import SURVIVORS

from fpga_accel.console import print_text, table
from fpga_accel.files import replacing

ROOT = Path(__file__).resolve().parent.parent
WORK = Path("build/mutate")
PARTS = ("rtl", "sim", "onnx_frontend", "fpga_accel", "boards", "tests", "benchmarks", "models", "pyproject.toml")
OF_THE_LINK = ("cobs", "crc", "frames", "link", "uart")
WHOLE = {False: ("test_core.py",), True: ("test_link.py", "test_simulated_target.py")}
"""Tests of whole cores, and of whole links."""
BAR = 0.9
AHEAD = 4
"""Places begun for each that is waited for, by job: what comes of them is told in the order of drawing."""

UNNOTICED, HANGS = "", "time limit"


@dataclass(frozen=True)
class Outcome:
    """What came of a place: the test that noticed, HANGS or UNNOTICED."""

    mutation: Mutation
    noticed: str


def sources() -> list[Path]:
    """Return the modules that make circuits."""
    return sorted(path for folder in ("rtl", "rtl/compact") for path in (ROOT / folder).glob("*.py"))


def near(module: Path) -> list[str]:
    """Return the names of the tests that know a module, or the unit that it is a part of, shortest first."""
    name = module.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    words = [rf"{re.escape(name)}\b"]
    if module.parent.name == "compact":
        words += [rf"compact\.{kind}\b" for kind in re.findall(r"^class (\w+)", module.read_text(), re.MULTILINE)]
    unit = f"test_{module.stem.partition('_')[0]}.py"
    tests = sorted((ROOT / "tests").glob("test_*.py"), key=lambda path: path.stat().st_size)
    known = [path.name for path in tests if path.name == unit or re.search("|".join(words), path.read_text())]
    return [name for name in known if name not in whole(module)]


def whole(module: Path) -> tuple[str, ...]:
    """Return the names of the tests of what a module is a part of."""
    return WHOLE[module.stem in OF_THE_LINK]


def circuits(folder: Path, core: str) -> str | None:
    """Return a digest of a core's circuits as a folder's sources make it; None if they make none."""
    command = [sys.executable, "benchmarks/circuits.py", core]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def changes(folder: Path, original: Mapping[str, str], *, compact: bool) -> bool:
    """Return whether a folder's sources make all cores, one of them another than it was."""
    for core in sorted(original, reverse=not compact):
        digest = circuits(folder, core)
        if digest != original[core]:
            return digest is not None
    return False


def copy(folder: Path) -> None:
    """Copy the project to a folder."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)


def run(folder: Path, test: str, limit_s: int | None) -> tuple[str, float]:
    """Return the first test of a file that fails in a folder, HANGS, or UNNOTICED; and the processor time it took.

    No process of it has more seconds of that than ``limit_s``.
    """
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header"]
    environment = os.environ | {"FPGA_ACCEL_CACHE": str((WORK / "sim").absolute()), "PYTHONPATH": str(folder)}

    def limit() -> None:
        if limit_s is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))

    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [*command, f"tests/{test}"], cwd=folder, env=environment, stdout=output, stderr=output, preexec_fn=limit
        )
        _, status, used = os.wait4(process.pid, 0)
        output.seek(0)
        text = output.read()
    taken = used.ru_utime + used.ru_stime
    code = os.waitstatus_to_exitcode(status)
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return HANGS, taken
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", text, re.MULTILINE)
    if code not in (0, 1, 2):
        raise RuntimeError(f"{test}: pytest ended with {code}:\n{text[-2000:]}")
    if code == 0:
        return UNNOTICED, taken
    return (found[1] if found else f"tests/{test}, outside of its tests"), taken


class Judge:
    """Says what comes of places; of each file of tests it finds out first what it takes as the sources are."""

    def __init__(self) -> None:
        self._taken: dict[str, float] = {}
        with tempfile.TemporaryDirectory() as name:
            copy(Path(name))
            digests = {core: circuits(Path(name), core) for core in CONFIGS}
        self._original = {core: digest for core, digest in digests.items() if digest}
        if len(self._original) < len(CONFIGS):
            raise RuntimeError("the circuits as they are cannot be made")

    def _limit(self, test: str) -> int:
        """Return the seconds of processor time after which a file of tests hangs."""
        if test not in self._taken:
            noticed, self._taken[test] = run(ROOT, test, None)
            if noticed:
                raise RuntimeError(f"{noticed} fails with the sources as they are")
        return int(20 + 2 * self._taken[test])

    def __call__(self, mutation: Mutation) -> Outcome | None:
        """Return what comes of a place; None if it does not count."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            copy(folder)
            file = folder / mutation.file
            file.write_text(mutation.apply(file.read_text()))
            if not changes(folder, self._original, compact="compact" in mutation.file):
                return None
            for test in (*near(ROOT / mutation.file), *whole(ROOT / mutation.file)):
                noticed, _ = run(folder, test, self._limit(test))
                if noticed:
                    return Outcome(mutation, noticed)
        return Outcome(mutation, UNNOTICED)


def drawn(seed: int, modules: list[Path]) -> Iterator[Mutation]:
    """Yield all places, of each kind in turn."""
    kinds: dict[str, list[Mutation]] = defaultdict(list)
    for path in modules:
        for mutation in mutations(path.relative_to(ROOT).as_posix(), path.read_text()):
            kinds[mutation.kind].append(mutation)
    order = random.Random(seed)
    for kind in KINDS:
        order.shuffle(kinds[kind])
    for turn in range(max(map(len, kinds.values()))):
        yield from (kinds[kind][turn] for kind in KINDS if turn < len(kinds[kind]))


class Kept:
    """Outcomes of the same sources and tests from before: None for a place that does not count."""

    def __init__(self) -> None:
        sums = hashlib.sha256()
        for folder in ("rtl", "sim", "tests"):
            for path in sorted((ROOT / folder).rglob("*.py")):
                sums.update(path.read_bytes())
        WORK.mkdir(parents=True, exist_ok=True)
        self._file = WORK / f"{sums.hexdigest()[:16]}.json"
        self.noticed: dict[str, str | None] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def add(self, mutation: Mutation, outcome: Outcome | None) -> None:
        """Keep one more."""
        self.noticed[str(mutation)] = outcome.noticed if outcome else None
        with replacing(self._file) as file:
            file.write_text(json.dumps(self.noticed, indent=1))


def campaign(places: int, seed: int, jobs: int, modules: list[Path]) -> list[Outcome]:
    """Break circuits in that many places that count; return what came of them, in the order of drawing."""
    judge = Judge()
    kept, order, outcomes = Kept(), drawn(seed, modules), list[Outcome]()

    def one(mutation: Mutation) -> tuple[Mutation, Outcome | None, bool]:
        if str(mutation) in kept.noticed:
            noticed = kept.noticed[str(mutation)]
            return mutation, None if noticed is None else Outcome(mutation, noticed), False
        return mutation, judge(mutation), True

    with ThreadPoolExecutor(jobs) as pool:
        under_way = deque(pool.submit(one, mutation) for mutation in islice(order, AHEAD * jobs))
        while under_way and len(outcomes) < places:
            mutation, outcome, new = under_way.popleft().result()
            under_way.extend(pool.submit(one, following) for following in islice(order, 1))
            if new:
                kept.add(mutation, outcome)
            if outcome:
                outcomes.append(outcome)
                told = outcome.noticed or "NOT NOTICED"
                print(f"{len(outcomes)} of {places}: {mutation}: {told}", file=sys.stderr, flush=True)
        pool.shutdown(cancel_futures=True)
    return outcomes


def report(outcomes: list[Outcome]) -> bool:
    """Print what was noticed, by kind of fault, and what was not; return whether that is good enough."""
    total, seen = Counter(o.mutation.kind for o in outcomes), Counter(o.mutation.kind for o in outcomes if o.noticed)
    rows = [(kind, total[kind], seen[kind]) for kind in KINDS]
    print_text([table("Faults", ("kind", "places", "noticed"), rows)])
    good = True
    for outcome in outcomes:
        if not outcome.noticed:
            reason = SURVIVORS.get(str(outcome.mutation))
            good = good and reason is not None
            print(f"not noticed: {outcome.mutation}\n    {reason or 'NOT EXPLAINED'}")
    share = seen.total() / total.total()
    print(f"{seen.total()} of {total.total()} noticed, {share:.1%}; the bar is {BAR:.0%}")
    return good and share >= BAR


def main() -> int:
    """Run the campaign that the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--places", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="places at a time")
    parser.add_argument("--module", action="append", type=Path, help="only of these, for example rtl/vector.py")
    arguments = parser.parse_args()
    modules = [ROOT / path for path in arguments.module or ()] or sources()
    return 0 if report(campaign(arguments.places, arguments.seed, arguments.jobs, modules)) else 1


if __name__ == "__main__":
    sys.exit(main())
