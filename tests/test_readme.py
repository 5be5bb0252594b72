"""The README says what the program does."""

import shlex

import pytest
from typer.testing import CliRunner

from fpga_accel.cli import app
from fpga_accel.readme import README, with_operators


def test_table_of_operators_is_up_to_date():
    text = README.read_text()
    assert text == with_operators(text), "run python -m fpga_accel.readme"


@pytest.mark.parametrize(
    "line", [line.strip() for line in README.read_text().splitlines() if line.startswith("    fpga-accel ")]
)
def test_commands_are_understood(line):
    """Each command of the README parses; asking for help keeps it from running."""
    _, command, *arguments = shlex.split(line)
    options = {word for word in arguments if word.startswith("-")}
    text = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).stdout
    assert all(option in text for option in options)
