"""A router that turns in circles is told from one that is slow, and is not waited for."""

import json
import sys

import pytest

from boards.ecp5 import ECP5
from fpga_accel import router, stages, tools


def lines(*left):
    return "".join(
        f"Info:     iter={number} wires=961857 overused={overused} overuse={overused} tmgfail={late} archfail=0\n"
        for number, (overused, late) in enumerate(left, 1)
    )


@pytest.mark.parametrize(
    ("log", "stuck"),
    [
        ("", False),
        ("Info: Running router2...\n", False),
        (lines((0, 36)), False),
        (lines(*[(0, 36)] * router.PATIENCE), False),
        (lines(*[(0, 36)] * (router.PATIENCE + 1)), True),
        (lines((0, 35), *[(3, 36)] * router.PATIENCE), True),
        (lines((0, 36), *[(9, 36)] * (router.PATIENCE - 1), (0, 35)), False),
        (lines(*[(1000 - number, 1) for number in range(500)]), False),
        (lines(*[(4, 0)] * 200).replace(" tmgfail=0", ""), True),
    ],
)
def test_is_stuck(log, stuck):
    assert router.is_stuck(log) == stuck


def test_a_stuck_router_begins_again_without_timing(tmp_path, monkeypatch):
    """A tool that never ends when it is asked to be in time: it is ended, and asked for less."""
    (tmp_path / "top.json").write_text("{}")
    (tmp_path / "top.lpf").write_text("")
    tool = tmp_path / "tool"
    log = lines(*[(0, 36)] * 200)
    tool.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys, time, json\n"
        "with open('asked.json', 'a') as asked: print(json.dumps(sys.argv[1:]), file=asked)\n"
        f"pathlib.Path('top.tim').write_text({log!r})\n"
        f"if {router.TIMING_DRIVEN!r} in sys.argv: time.sleep(60)\n"
    )
    tool.chmod(0o755)
    monkeypatch.setattr(tools, "find", lambda name: str(tool))
    seconds = stages.route(ECP5, ["nextpnr-ecp5", router.TIMING_DRIVEN], 7, tmp_path, lambda: None)
    asked = [json.loads(line) for line in (tmp_path / "seed-7" / "asked.json").read_text().splitlines()]
    assert [router.TIMING_DRIVEN in options for options in asked] == [True, False]
    assert all(options[options.index("--seed") + 1] == "7" for options in asked)
    assert seconds < 30
