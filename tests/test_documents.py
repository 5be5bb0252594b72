"""The commands of README and tutorial, typed as they stand there, in their order."""

import os
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fpga_accel.cli import app

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "tutorial.md")
NEEDS_A_BOARD = re.compile(r"serial:|^fpga-accel (flash|simulate)")
LONG = re.compile(r"^fpga-accel (bitstream|explore|debug)|--device sim")
"""What takes a minute or more: run by ``make documents`` alone."""


def commands(document):
    """Return the commands of a document that can be run here."""
    lines = [line[4:] for line in document.read_text().splitlines() if re.match(r"    (fpga-accel|mkdir) ", line)]
    wanted = [line for line in lines if not NEEDS_A_BOARD.search(line)]
    if os.environ.get("FPGA_ACCEL_DOCUMENTS") != "all":
        wanted = [line for line in wanted if not LONG.search(line)]
    return wanted


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_do_what_they_say(document, tmp_path, monkeypatch):
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.setenv("FPGA_ACCEL_CACHE", os.environ.get("FPGA_ACCEL_CACHE", str(ROOT / "build" / "sim")))
    monkeypatch.chdir(tmp_path)
    run = commands(document)
    assert len(run) >= 7
    for line in run:
        program, *arguments = shlex.split(line)
        if program == "mkdir":
            Path(arguments[-1]).mkdir(parents=True, exist_ok=True)
            continue
        result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
        assert result.exit_code == 0, f"{line}\n{result.output}"
        for word in arguments:
            if word.startswith("build/") and arguments[arguments.index(word) - 1] in ("-o", "--trace", "--waves"):
                assert Path(word).stat().st_size > 0, f"{line}: {word} is empty"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_page_is_in_the_site():
    named = re.findall(r"[\w-]+\.md", (ROOT / "mkdocs.yml").read_text())
    assert sorted(named) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))
