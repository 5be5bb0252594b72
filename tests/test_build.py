"""Bitstreams of a small design through the real tools, and what users are told when something is wrong."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import boards
from fpga_accel import build as builds
from fpga_accel import sources, timing, tools
from fpga_accel.emit import emit
from rtl.spec.config import core
from rtl.spec.errors import ToolError
from rtl.spec.plan import Plan

BOARD = boards.get("ulx3s-85f")


class Echo(wiring.Component):
    """Sends back what it hears, through ``depth`` chained adders in one cycle."""

    rx: In(1, init=1)
    tx: Out(1, init=1)
    leds: Out(4)

    def __init__(self, depth=1):
        self._depth = depth
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        count = Signal(26)
        total = count
        for stage in range(self._depth):
            total = (total + (total >> 1) + (stage + 1))[:26]
        m.d.sync += count.eq(total)
        m.d.sync += self.tx.eq(self.rx)
        m.d.comb += self.leds.eq(Cat(count[-4:]))

        return m


def build_echo(out_dir, *, board=BOARD, depth=1, seeds=1, source="echo", progress=lambda *_: None):
    return builds.build(
        board,
        core("4x3"),
        lambda: Echo(depth),
        source=source,
        identity=1,
        seeds=seeds,
        out_dir=out_dir,
        progress=progress,
    )


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    return build_echo(tmp_path_factory.mktemp("echo"))


@pytest.fixture
def built(echo, tmp_path):
    """A folder where a build has been done, as ``out_dir``."""
    shutil.copytree(echo.folder, tmp_path / echo.folder.name)
    return tmp_path


def test_bitstream(echo):
    assert echo.bitstream.name == "ulx3s-85f-4x3.bit"
    head = echo.bitstream.read_bytes()[:200]
    assert b"Part: LFE5U-85F-6CABGA381" in head
    assert not echo.cached
    assert echo.best.met and echo.best.fmax_hz > BOARD.clock_hz
    assert echo.best.used["DSP"] == (0, 156)
    assert set(echo.seconds) == {"synthesis", "seed 1", "packing"}
    assert f"clock {BOARD.clock_hz / 1e6:g} MHz met" in "\n".join(echo.lines())


def test_no_paths_of_this_machine_in_the_sources_of_the_netlist(echo):
    design = (echo.folder / "top.il").read_text()
    assert '"rtl/' in design or '"boards/top.py:' in design
    assert str(Path(boards.__file__).parents[1]) not in design.replace(__file__, "")


def test_result_as_json(echo):
    document = json.loads(json.dumps(echo.to_json()))
    assert document["seed"] == 1
    assert document["used"]["BRAM"] == [0, 208]
    assert document["routes"][0]["path"][0].startswith("from ")


def test_kept_by_content(echo):
    def nothing(*_):
        pytest.fail("a tool was run")

    again = build_echo(echo.folder.parent, progress=nothing)
    assert again.cached
    assert again.bitstream.read_bytes() == echo.bitstream.read_bytes()


def test_more_seeds_keep_the_first(built):
    stages = set()
    result = build_echo(built, seeds=2, progress=lambda *note: stages.add(note))
    assert ("place and route, seed", 2, 2) in stages
    assert not {("synthesis",), ("place and route, seed", 1, 2)} & stages
    assert [route.seed for route in result.routes] == [1, 2]
    assert result.best.fmax_hz == max(route.fmax_hz for route in result.routes)
    assert any(line.startswith("median ") for line in result.lines())


def test_missed_constraint(built):
    """The old bitstream is taken away; what tells of the clock is left."""
    fast = replace(BOARD, clock_hz=200_000_000, baud=2_000_000)
    with pytest.raises(ToolError) as caught:
        build_echo(built, board=fast, depth=4, source="changed")
    message = str(caught.value)
    assert caught.value.exit_code == 4
    assert "must reach 200 MHz; no bitstream was written" in message
    assert "critical path\nfrom count" in message
    assert "remedy: " in message
    assert "test_build.py:" in message  # where the slow logic is written
    assert not list(built.rglob("*.bit"))
    assert (built / "ulx3s-85f-4x3" / "seed-1" / "report.json").exists()  # to look at


def test_interrupt_leaves_what_was_there(built, echo):

    def interrupt(stage, *_):
        if stage.startswith("place"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_echo(built, source="changed", progress=interrupt)
    assert [path.name for path in built.iterdir()] == ["ulx3s-85f-4x3"]
    assert (built / "ulx3s-85f-4x3" / "ulx3s-85f-4x3.bit").read_bytes() == echo.bitstream.read_bytes()


@pytest.mark.parametrize("tool, source", tools.SOURCES.items())
def test_missing_tool(tmp_path, monkeypatch, tool, source):
    monkeypatch.setattr(tools.sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(tool.upper().replace("-", "_"), raising=False)
    with pytest.raises(
        ToolError, match=f"{tool}: .*'{source.program}'; install it with 'pip install {source.package}'"
    ):
        tools.find(tool)


def test_tools_are_found_without_an_activated_venv(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert tools.find("yosys").startswith(sys.prefix)


def test_failing_tool(tmp_path):
    with pytest.raises(ToolError, match="yosys failed with exit code 1:\nERROR: .*nothing.il"):
        tools.run(["yosys", "-q", "-p", "read_rtlil nothing.il"], tmp_path, tmp_path / "log", lambda: None)


REPORT = {
    "critical_paths": [
        {
            "from": "posedge $glbnet$clock.clk",
            "to": "posedge $glbnet$clock.clk",
            "path": [
                {
                    "type": "clk-to-q",
                    "delay": 0.5,
                    "from": {"cell": "top.core.array.pe_0_1.o_sum_TRELLIS_FF_Q_3", "port": "Q"},
                    "to": {"cell": "top.core.array.pe_0_1.o_sum_TRELLIS_FF_Q_3", "port": "Q"},
                },
                {
                    "type": "routing",
                    "delay": 10.0,
                    "from": {"cell": "top.core.array.pe_0_1.o_sum_TRELLIS_FF_Q_3", "port": "Q"},
                    "to": {"cell": "top.core.drain.acc_LUT4_Z", "port": "A"},
                    "net": "top.core.array.pe_0_1.o_sum[3]",
                    "sources": ["amaranth/lib/wiring.py:1", "rtl/pe.py:42"],
                },
                {
                    "type": "logic",
                    "delay": 0.25,
                    "from": {"cell": "top.core.drain.acc_LUT4_Z", "port": "A"},
                    "to": {"cell": "top.core.drain.acc_LUT4_Z", "port": "Z"},
                },
                {
                    "type": "setup",
                    "delay": 0.25,
                    "from": {"cell": "top.core.drain.acc_TRELLIS_FF_Q", "port": "DI"},
                    "to": {"cell": "top.core.drain.acc_TRELLIS_FF_Q", "port": "DI"},
                },
            ],
        }
    ],
    "fmax": {"$glbnet$clock.clk": {"achieved": 90.9, "constraint": 60.0}},
    "utilization": {"TRELLIS_COMB": {"used": 10, "available": 83640}, "DP16KD": {"used": 149, "available": 208}},
}


def test_report(tmp_path):
    report = tmp_path / "report.json"
    report.write_text(json.dumps(REPORT))
    route = timing.parse(report, seed=3, seconds=1.0, clock_hz=60e6)
    assert route.fmax_hz == pytest.approx(90.9e6)
    assert route.met
    assert route.used == {"LUT4": (10, 83640), "BRAM": (149, 208)}
    assert str(route.path).splitlines() == [
        "from core.array.pe_0_1.o_sum",
        "to   core.drain.acc",
        "11.00 ns: 1.00 logic, 10.00 routing",
        "    0.50 ns  clk-to-q  0.50  core.array.pe_0_1.o_sum",
        "   10.50 ns  routing  10.00  core.array.pe_0_1.o_sum[3]  (rtl/pe.py:42)",
        "   10.75 ns  logic     0.25  core.drain.acc",
        "   11.00 ns  setup     0.25  core.drain.acc",
    ]


@pytest.mark.parametrize(
    ("achieved", "constraint", "other", "met"),
    [(60.0, 63.0, 51.0, True), (59.9, 63.0, 51.0, False), (60.0, 60.0, 50.0, True), (60.0, 63.0, 49.0, False)],
)
def test_more_is_asked_for_than_must_be(tmp_path, achieved, constraint, other, met):
    """The core's clock must be 60 MHz, whatever was asked for; another one what it was asked for."""
    report = tmp_path / "report.json"
    clocks = {
        "$glbnet$clock.clk": {"achieved": achieved, "constraint": constraint},
        "usb": {"achieved": other, "constraint": 50.0},
    }
    report.write_text(json.dumps({**REPORT, "fmax": clocks}))
    route = timing.parse(report, seed=3, seconds=1.0, clock_hz=60e6)
    assert (route.met, route.constraint_hz) == (met, constraint * 1e6)


def test_what_is_too_early_is_not_met(tmp_path):
    """Place and route says so in its log alone."""
    report = tmp_path / "report.json"
    report.write_text(json.dumps(REPORT))
    log = "Info: 2 Hold/min time violations (showing 10 worst paths):\n"
    route = timing.parse(report, seed=3, seconds=1.0, clock_hz=60e6, log=f"Info: Checksum: 0x1\n{log}")
    assert (route.met, route.too_early) == (False, 2)
    assert timing.summary([route]) == ["seed 3: 90.9 MHz, 1 s, and 2 of its paths end too early at any clock"]


def test_whole_logic_elements_are_two_tables():
    """As the report of a GateMate has them."""
    kinds = {"CPE_LT": (700, 40960), "CPE_MULT": (40, 0), "CPE_ADDF2": (10, 0), "RAM_HALF": (3, 64)}
    utilization = {kind: {"used": used, "available": there} for kind, (used, there) in kinds.items()}
    assert timing.used({"utilization": utilization}) == {"LUT4": (800, 40960), "BRAM": (3, 64)}
    log = "Info: \t           CPE_RAMIO:    3002/  40960     7%\nInfo: \t            RAM_HALF:       5/     64     7%\n"
    assert timing.used({"utilization": utilization}, log)["BRAM"] == (5, 64)


def test_report_without_the_constraint(tmp_path):
    report = tmp_path / "report.json"
    report.write_text(json.dumps(REPORT))
    with pytest.raises(ValueError, match=r"expected a clock constrained to 75 MHz, not \$glbnet\$clock.clk 60 MHz"):
        timing.parse(report, seed=1, seconds=1.0, clock_hz=75e6)


@pytest.fixture(scope="module")
def two_plans(digits_program):
    plan = Plan.load_file(digits_program)
    (segment,) = plan.core
    program = replace(segment.work, config=core("4x3"))
    other = replace(program, layers=(), cycles=1)
    return (
        replace(plan, segments=(replace(segment, work=program),)),
        replace(plan, name='other """\nimport os', segments=(replace(segment, work=other),)),
    )


def without_head(path):
    """Return the lines of a file below the comments at its head."""
    if path.suffix == ".py":
        return path.read_text().split('"""')[2]
    return [line for line in path.read_text().splitlines() if not line.startswith("//")]


def test_another_model_has_the_same_hdl(tmp_path, two_plans):
    first, second = (emit(plan, tmp_path / name) for plan, name in zip(two_plans, "ab", strict=True))
    for one, other in ((first.top_py, second.top_py), (first.top_v, second.top_v)):
        assert one.read_text() != other.read_text()
        assert without_head(one) == without_head(other)


@pytest.mark.parametrize("board", ["ulx3s-85f", "ecpix5-45f"])
def test_emitted_top_level_runs(tmp_path, two_plans, board):
    """With the line that the board has, of one rate or of the host's."""
    emitted = emit(two_plans[0], tmp_path / "hdl", board)
    written = emitted.top_v.read_text()
    assert bool(re.search(r"reg waiting\b", written)) == boards.get(board).follows
    assert "EHXPLLL" in written and "uart_0__rx__io" in written
    emitted.top_v.unlink()
    subprocess.run([sys.executable, str(emitted.top_py)], check=True, cwd=tmp_path)
    assert written.endswith(emitted.top_v.read_text())


def test_emitted_anew_from_what_was_kept(tmp_path, two_plans, monkeypatch):
    plan, other = two_plans
    before = emit(plan, tmp_path / "hdl").top_v.read_text()
    monkeypatch.setattr("fpga_accel.emit.to_verilog", lambda *_: pytest.fail("elaborated again"))
    after = emit(other, tmp_path / "hdl").top_v.read_text()
    assert before.partition("circuits:")[2] == after.partition("circuits:")[2]


def test_another_model_needs_no_new_bitstream(tmp_path, two_plans, monkeypatch):
    monkeypatch.setattr("rtl.top.Top", lambda *_, **__: Echo())
    plan, other = two_plans
    with pytest.raises(ToolError, match="no bitstream of the core 4x3 in .*'fpga-accel bitstream --board ulx3s-85f'"):
        builds.built(BOARD, plan, tmp_path)
    result = builds.bitstream("ulx3s-85f", plan, out_dir=tmp_path)
    assert not result.cached
    assert builds.bitstream("ulx3s-85f", other, out_dir=tmp_path).cached
    assert builds.built(BOARD, other, tmp_path) == result.bitstream


def test_identity_tells_cores_apart():
    assert sources.build_identity(BOARD, core("4x3")) == sources.build_identity(BOARD, core("4x3"))
    assert sources.build_identity(BOARD, core("4x3")) != sources.build_identity(BOARD, core("8x8"))
    assert sources.build_identity(BOARD, core("4x3")) != sources.build_identity(None, core("4x3"))


@pytest.mark.parametrize(
    "board, file, counts",
    [
        ("ulx3s-85f", "ecp5_ram.py", True),
        ("ulx3s-85f", "pll.py", True),
        ("ulx3s-85f", "top.py", True),
        ("ulx3s-85f", "pe.py", True),
        ("ulx3s-85f", "colorlight.py", False),
        ("ulx3s-85f", "ecp5_cores.py", False),
        ("ulx3s-85f", "gowin_ram.py", False),
        ("colorlight-i5", "colorlight.py", True),
        ("colorlight-i5", "ulx3s.py", False),
        ("tang-nano-20k", "gowin_sharing.py", True),
        ("tang-nano-20k", "ecp5_ram.py", False),
    ],
)
def test_identity_is_of_the_files_that_make_the_circuits(board, file, counts, monkeypatch):
    board = boards.get(board)
    before = sources.build_identity(board, core("4x3"))
    read = Path.read_text
    more = {file: "changed = 1\n"}
    monkeypatch.setattr(
        Path, "read_text", lambda path, *how, **named: read(path, *how, **named) + more.get(path.name, "")
    )
    assert (sources.build_identity(board, core("4x3")) != before) == counts


@pytest.mark.parametrize(
    "change",
    [
        {"clock_hz": 50_000_000},
        {"oscillator": "clk100"},
        {"uart": ("uart", 1)},
        {"leds": (0,)},
        {"part": replace(BOARD.part, multipliers=28)},
    ],
)
def test_identity_is_of_the_boards_facts(change):
    assert sources.build_identity(replace(BOARD, **change), core("4x3")) != sources.build_identity(BOARD, core("4x3"))
