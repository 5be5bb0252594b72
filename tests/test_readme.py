"""The README and the guide to the first board say what the program does."""

import re
import shlex

import pytest
from typer.testing import CliRunner

from fpga_accel.cli import app
from fpga_accel.readme import README, with_operators
from fpga_accel.reference import PAGE, reference


def test_table_of_operators_is_up_to_date():
    text = README.read_text()
    assert text == with_operators(text), "run python -m fpga_accel.readme"


FIRST_BOARD = README.with_name("docs") / "first-board.md"


def commands(program):
    """Lines of both documents that begin with ``program``, as they are typed."""
    lines = [line for path in (README, FIRST_BOARD) for line in path.read_text().splitlines()]
    return sorted({line.strip() for line in lines if line.startswith(f"    {program} ")})


@pytest.mark.parametrize("line", commands("fpga-accel"))
def test_commands_are_understood(line):
    """Each command parses; asking for help keeps it from running."""
    _, command, *arguments = shlex.split(line)
    options = {word for word in arguments if word.startswith("-")}
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert all(option in result.stdout for option in options)


@pytest.mark.parametrize("line", commands("make"))
def test_targets_are_there(line):
    """Each target is in the Makefile, and each variable that is set."""
    makefile = README.with_name("Makefile").read_text()
    target, *settings = shlex.split(line)[1:]
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    for setting in settings:
        assert re.search(rf"^{setting.partition('=')[0]} \?=", makefile, re.MULTILINE)


@pytest.mark.parametrize("line", [line for line in FIRST_BOARD.read_text().splitlines() if line.startswith("| `")])
def test_messages_are_those_of_the_sources(line):
    """What the guide says that goes wrong is what the program says."""
    said = re.match(r"\| `([^`]*)`", line)[1]
    sources = "".join(path.read_text() for path in (README.parent / "fpga_accel").glob("*.py"))
    joined = re.sub(r'"\n\s*f?"', "", sources)
    for part in said.split("..."):
        words = re.sub(r"'.*", "", part).strip(" ,")
        assert words in joined or words in OTHERS


OTHERS = {"unable to open ftdi device"}
"""What openFPGALoader says."""


def test_reference_is_up_to_date():
    assert PAGE.read_text() == reference(), "run python -m fpga_accel.reference"


@pytest.mark.parametrize("path", [README, *sorted((README.parent / "docs").glob("*.md"))], ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    """Links to other files; those of the site stay inside of it."""
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / target).exists(), f"{path.name}: {target}"
        assert path == README or not target.startswith(".."), f"{path.name}: {target} is not on the site"
