"""A placer or router that turns in circles is told from one that is slow, and is not waited for."""

import json
import sys

import pytest

from boards.ecp5 import ECP5
from fpga_accel import stages, stuck, tools
from fpga_accel.stuck import PLACER, ROUTER

STATIC = [*PLACER.option, "--router", "router2"]


def lines(*left):
    return "".join(
        f"Info:     iter={number} wires=961857 overused={overused} overuse={overused} tmgfail={late} archfail=0\n"
        for number, (overused, late) in enumerate(left, 1)
    )


def overlaps(*left):
    return "".join(f"Info: overlap: COMB={comb}%, FF=0.1%, RAM={ram}%, MUL=0.0%\n" for comb, ram in left)


def test_patterns_are_those_of_the_family():
    """Words that nextpnr is not asked for would never be left out."""
    command = ECP5.options(None, None)["nextpnr_opts"].split()
    assert PLACER.asked_for(command) and ROUTER.asked_for(command)


@pytest.mark.parametrize(
    ("log", "found"),
    [
        ("", False),
        ("Info: Running router2...\n", False),
        (lines((0, 36)), False),
        (lines(*[(0, 36)] * ROUTER.patience), False),
        (lines(*[(0, 36)] * (ROUTER.patience + 1)), True),
        (lines((0, 35), *[(3, 36)] * ROUTER.patience), True),
        (lines((0, 36), *[(9, 36)] * (ROUTER.patience - 1), (0, 35)), False),
        (lines(*[(1000 - number, 1) for number in range(500)]), False),
        (lines(*[(4, 0)] * 200).replace(" tmgfail=0", ""), True),
    ],
)
def test_router(log, found):
    assert ROUTER.is_stuck(log) == found
    assert stuck.less(["nextpnr-ecp5", *ROUTER.option], log) == (["nextpnr-ecp5"] if found else None)
    assert stuck.less(["nextpnr-ecp5"], log) is None


@pytest.mark.parametrize(
    ("log", "found"),
    [
        (overlaps(*[(1.5, 28.6)] * PLACER.patience), False),
        (overlaps(*[(1.5, 28.6)] * (PLACER.patience + 1)), True),
        (overlaps((1.2, 28.6), *[(13.0, 28.6)] * PLACER.patience), True),
        (overlaps(*[(99.9 - number / 10, 28.6) for number in range(900)]), False),
        (overlaps(*[(99.9 - number / 10, 28.6) for number in range(900)]) + lines(*[(9, 9)] * 99), False),
    ],
)
def test_placer(log, found):
    assert PLACER.is_stuck(log) == found
    assert stuck.less(STATIC, log) == (["--router", "router2"] if found else None)
    assert stuck.less(["--router", "router2"], log) is None


def test_what_is_stuck_begins_again_with_less(tmp_path, monkeypatch):
    """A tool whose placer and then whose router do not end: each is ended, and asked for less."""
    (tmp_path / "top.json").write_text("{}")
    (tmp_path / "top.lpf").write_text("")
    tool = tmp_path / "tool"
    logs = [(PLACER.option[0], overlaps(*[(1.5, 28.6)] * 400)), (ROUTER.option[0], lines(*[(0, 36)] * 200))]
    tool.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys, time, json\n"
        "with open('asked.json', 'a') as asked: print(json.dumps(sys.argv[1:]), file=asked)\n"
        f"for option, log in {logs!r}:\n"
        "    if option in sys.argv:\n"
        "        pathlib.Path('top.tim').write_text(log)\n"
        "        time.sleep(60)\n"
    )
    tool.chmod(0o755)
    monkeypatch.setattr(tools, "find", lambda name: str(tool))
    seconds = stages.route(ECP5, ["nextpnr-ecp5", *PLACER.option, *ROUTER.option], 7, tmp_path, lambda: None)
    asked = [json.loads(line) for line in (tmp_path / "seed-7" / "asked.json").read_text().splitlines()]
    assert [options[: options.index("--seed")] for options in asked] == [
        [*PLACER.option, *ROUTER.option],
        [*ROUTER.option],
        [],
    ]
    assert all(options[options.index("--seed") + 1] == "7" for options in asked)
    assert seconds < 30
