"""The table of who may import whom, checked on the source of every module."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("rtl", "sim", "onnx_frontend", "boards", "fpga_accel")
LAYERS = {
    "rtl/spec": {"numpy", "amaranth", "cobs", "rtl.spec"},  # cobs: the codec of the link's frames, a pure function
    "rtl": {"amaranth", "numpy", "rtl"},
    "rtl/usb.py": {"amaranth", "luna", "rtl"},
    "sim": {"rtl", "sim"},
    "sim/reference.py": {"numpy", "rtl.spec", "sim"},
    "sim/interpreter.py": {"numpy", "rtl.spec", "sim"},
    "onnx_frontend": {"rtl.spec", "onnx_frontend"},
    "boards": {"rtl", "boards"},
    "fpga_accel": {"rtl", "sim", "onnx_frontend", "boards", "fpga_accel"},
}
"""Modules that each part may import. Of third parties, only the parts that are listed with ``numpy`` are restricted."""
CIRCUITS = {"Module", "Signal", "Elaboratable", "Instance", "Memory", "ClockDomain"}
"""Names of amaranth that make circuits: facts have no use for them."""

SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def part_of(path: Path) -> str:
    """Return the key of LAYERS that governs ``path``: the longest that is a prefix of it."""
    relative = path.relative_to(ROOT).as_posix()
    return max((key for key in LAYERS if relative == key or relative.startswith(key + "/")), key=len)


def imported(tree: ast.Module, path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, absolute module and imported name (or '') of each import in a file of the project."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                above = package[: len(package) - node.level + 1]
                module = ".".join((*above, module) if module else above)
            yield from ((node.lineno, module, alias.name) for alias in node.names)


def within(module: str, allowed: set[str]) -> bool:
    return any(module == name or module.startswith(name + ".") for name in allowed)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_down(path):
    part = part_of(path)
    allowed = LAYERS[part]
    for line, module, name in imported(ast.parse(path.read_text()), path):
        top = module.split(".")[0]
        if top in sys.stdlib_module_names:
            continue
        # `from rtl import spec` imports the module rtl.spec.
        target = f"{module}.{name}" if name and (ROOT / module.replace(".", "/") / f"{name}.py").exists() else module
        if name and (ROOT / module.replace(".", "/") / name / "__init__.py").exists():
            target = f"{module}.{name}"
        if top in FOLDERS or "numpy" in allowed:
            assert within(target, allowed), f"{path}:{line}: {part} may import {sorted(allowed)}, not {target}"


@pytest.mark.parametrize("path", [p for p in SOURCES if part_of(p) == "rtl/spec"], ids=lambda path: path.name)
def test_spec_has_no_circuits(path):
    for line, module, name in imported(ast.parse(path.read_text()), path):
        if module.split(".")[0] == "amaranth":
            assert name not in CIRCUITS and name != "*", f"{path}:{line}: rtl.spec holds facts, not {name}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_relative_inside_a_folder_absolute_across(path):
    folder = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level <= 1, f"{path}:{node.lineno}: import across folders by the absolute name"
            if not node.level and node.module and not (ROOT / node.module.replace(".", "/")).is_dir():
                assert tuple(node.module.split(".")[:-1]) != folder, (
                    f"{path}:{node.lineno}: import inside a folder as 'from .{node.module.split('.')[-1]}'"
                )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_name_of_the_standard_library(path):
    assert path.stem == "__init__" or path.stem not in sys.stdlib_module_names


def test_frontend_and_tests_are_found():
    assert {part_of(path) for path in SOURCES} >= {"rtl/spec", "rtl", "onnx_frontend", "fpga_accel"}
