"""Bitstreams onto boards: which command, by a program on PATH that is a fake, fails, or is absent."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

import boards
from boards.programmer import dfu_util, ecpprog, iceprog, open_fpga_loader
from fpga_accel import flash
from rtl.spec.errors import BadInput, ToolError

ULX3S = boards.get("ulx3s-85f")
FILE = Path("folder of mine/top.bit")


def on_path(folder, monkeypatch, program, exit_code):
    """Put a program on PATH, alone, that notes its arguments in the file that is returned."""
    noted = folder / "arguments"
    script = folder / program
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{noted}"\necho said by {program}\nexit {exit_code}\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    return noted


@pytest.mark.parametrize(
    "programmer, ram, permanent",
    [
        (open_fpga_loader("ulx3s"), "openFPGALoader -b ulx3s", "openFPGALoader -b ulx3s --write-flash"),
        (
            open_fpga_loader("ecpix5", "-c", "ft232"),
            "openFPGALoader -b ecpix5 -c ft232",
            "openFPGALoader -b ecpix5 -c ft232 --write-flash",
        ),
        (ecpprog(), "ecpprog -S", "ecpprog"),
        (iceprog(jumpers=True), "iceprog -S", "iceprog"),
        (iceprog(), None, "iceprog"),
        (dfu_util("1209:5af0", 0), None, "dfu-util --device 1209:5af0 --alt 0 --download"),
    ],
)
def test_command(programmer, ram, permanent):
    board = replace(ULX3S, programmer=programmer)
    assert flash.command(board, FILE, permanent=True) == [*permanent.split(), str(FILE)]
    if ram is None:
        with pytest.raises(BadInput, match=f"{programmer.program} writes to flash alone.*--permanent"):
            flash.command(board, FILE, permanent=False)
    else:
        assert flash.command(board, FILE, permanent=False) == [*ram.split(), str(FILE)]


@pytest.mark.parametrize("name", boards.names())
def test_every_board_has_a_program_that_can_be_installed(name):
    programmer = boards.get(name).programmer
    assert programmer.program in flash.INSTALL
    if programmer.program == "openFPGALoader":
        assert programmer.flash[:2] == programmer.ram[:2] and programmer.ram[0] == "-b"


@pytest.mark.parametrize(
    "name, board", [("ulx3s-85f", "ulx3s"), ("tang-nano-20k", "tangnano20k"), ("tang-primer-20k", "tangprimer20k")]
)
def test_boards_have_the_names_of_the_program(name, board):
    assert boards.get(name).programmer == open_fpga_loader(board)


@pytest.mark.parametrize("permanent, arguments", [(False, "-b\nulx3s\n"), (True, "-b\nulx3s\n--write-flash\n")])
def test_flash(tmp_path, monkeypatch, capfd, permanent, arguments):
    noted = on_path(tmp_path, monkeypatch, "openFPGALoader", 0)
    typed = flash.flash(ULX3S, FILE, permanent=permanent)
    assert noted.read_text() == f"{arguments}{FILE}\n"
    assert typed.startswith("openFPGALoader -b ulx3s ") and typed.endswith(f" '{FILE}'")
    said = capfd.readouterr()
    assert said.out == "" and said.err == "said by openFPGALoader\n"


def test_failure(tmp_path, monkeypatch):
    on_path(tmp_path, monkeypatch, "openFPGALoader", 3)
    with pytest.raises(ToolError, match=r"failed with exit code 3.*first-board.*: openFPGALoader -b ulx3s ") as caught:
        flash.flash(ULX3S, FILE, permanent=False)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("program", flash.INSTALL)
def test_absence(tmp_path, monkeypatch, program):
    monkeypatch.setenv("PATH", str(tmp_path))
    board = replace(ULX3S, programmer=replace(ULX3S.programmer, program=program))
    with pytest.raises(ToolError) as caught:
        flash.flash(board, FILE, permanent=False)
    message = str(caught.value)
    assert f"no program '{program}'; install it with" in message and flash.OSS_CAD_SUITE in message
    assert message.endswith(f"it would have run: {program} -b ulx3s '{FILE}'")
