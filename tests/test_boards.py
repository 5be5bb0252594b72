"""Boards: every value of the table is possible, and names are looked up kindly."""

import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import boards
from boards import ecp5_place, fit, gowin, ice40
from boards.ecp5 import pll
from boards.multipliers import has_block
from boards.top import BoardTop, prepare
from fpga_accel import Session, board_record
from onnx_frontend.partition import compile_plan, partition
from rtl.ram import Beside
from rtl.spec.config import core
from rtl.spec.errors import BadInput, DoesNotFit
from rtl.spec.link import BAUDS

ULX3S = boards.get("ulx3s-85f")
ALL = [boards.get(name) for name in boards.names()]
TOO_SMALL = {
    "hx8k-breakout": r"activations need \d+ bytes.* core 2x2 has 1024",
    "tang-nano-9k": r"weights need \d+ bytes, core 4x4 has 8192",
    "tinyfpga-bx": r"activations need \d+ bytes.* core 2x2 has 1024",
}
"""Boards that do not hold the digits, and why."""
RECORD = board_record.read()


@pytest.fixture(params=ALL, ids=lambda board: board.name)
def board(request):
    return request.param


def test_oscillator_is_the_platforms(board):
    """Or the FPGA's own, whose clock is not exact: then the line follows the host's."""
    if not board.oscillator:
        assert board.clock_tolerance > 0 and board.follows and not board.spi
        return
    assert board.clock_tolerance == 0
    assert board.platform().lookup(board.oscillator).clock.frequency == board.oscillator_hz


def test_part_is_the_platforms(board):
    platform = board.platform
    # An iCE40's speed is in the name of its device.
    speed = "" if board.part.family is ice40.ICE40 else platform.speed
    assert (platform.device, platform.package, speed) == (
        board.part.device,
        board.part.package,
        board.part.speed,
    )


def test_pins_are_there(board):
    platform = board.platform()
    assert {"rx", "tx"} <= {pin.name for pin in platform.lookup(*board.uart).ios}
    for number in board.leds:
        platform.lookup("led", number)


class Wire(wiring.Component):
    """Sends back what it hears."""

    rx: In(1, init=1)
    tx: Out(1, init=1)
    leds: Out(4)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.tx.eq(self.rx)
        return m


def test_pins_and_clock_can_be_had(board):
    """The PLL makes the clock, no pin is asked for twice, and the tools are those of the family, all from PyPI."""
    plan = prepare(board, board.config, BoardTop(board, Wire()))
    commands = json.loads(plan.files["build_top.json"])["commands"]
    assert [program for program, *_ in commands] == list(board.part.family.tools)


def test_clock_is_fast_enough(board):
    assert board.clock_hz >= (20_000_000 if board.config.compact else 60_000_000)


def test_serial_link_is_in_time(board):
    assert board.divisor >= 4  # from there on the receiver tolerates a quarter of a bit
    assert abs(board.baud_error) < 0.02
    assert board.baud in BAUDS  # or no host finds it


def test_core_fits(board):
    fit.check(board.config, board.part)


@pytest.mark.parametrize("name", [name for name in boards.names() if name not in TOO_SMALL])
def test_core_runs_the_digits(cores_answers, name):
    board = boards.get(name)
    answers, expected = cores_answers
    assert (answers[board.config.identity] == expected).all()


@pytest.fixture(scope="module")
def cores_answers(digits_qdq, digits_test):
    """What the interpreter makes of the digits, compiled for each core that a board has; what the reference makes."""
    plan = partition(digits_qdq).plan
    with np.load(digits_test) as data:
        images = {"image": data["image"][:3]}
    answers = {}
    for config in {board.config for board in ALL if board.name not in TOO_SMALL}:
        with Session(compile_plan(plan, config), "program") as session:
            (answers[config.identity],) = session.run(None, images)
    with Session(plan, "numpy") as session:
        (expected,) = session.run(None, images)
    return answers, expected


@pytest.mark.parametrize("name", sorted(TOO_SMALL))
def test_core_is_too_small_for_the_digits(digits_qdq, name):
    with pytest.raises(DoesNotFit, match=TOO_SMALL[name]):
        compile_plan(partition(digits_qdq).plan, boards.get(name).config)


@pytest.mark.parametrize(
    "rows, columns, without", [(8, 8, [(row, 2) for row in range(4, 8)] + [(row, 3) for row in range(8)]), (4, 4, [])]
)
def test_cells_without_a_block_are_the_last_ones(rows, columns, without):
    part = boards.get("ulx3s-25f").part
    config = replace(boards.get("ulx3s-25f").config, rows=rows, columns=columns)
    cells = [(row, pair) for pair in range(config.pairs) for row in range(rows)]
    assert [cell for cell in cells if not has_block(config, part, cell)] == without
    assert fit.need(config, part).multipliers == min(28, config.multipliers + config.lanes)


def test_cells_without_a_block_take_look_up_tables():
    board = boards.get("ulx3s-25f")
    soft = fit.need(board.config, board.part)
    hard = fit.need(board.config, replace(board.part, multipliers=40))
    assert soft.luts - hard.luts == 12 * board.part.family.soft_cell_luts > 0


def test_no_cells_without_a_block_where_all_have_one():
    board = boards.get("ulx3s-45f")
    assert board.config.multipliers == board.part.multipliers
    with pytest.raises(DoesNotFit, match="core 16x16 needs about 144 multipliers, and LFE5U-45F-6BG381 has 72"):
        fit.check(replace(board.config, rows=16), board.part)


@pytest.mark.parametrize("board", [board for board in ALL if RECORD.build(board)], ids=lambda board: board.name)
def test_estimate_is_what_place_and_route_took(board):
    needed, used = fit.need(board.config, board.part), RECORD.build(board).routed.used
    assert (needed.multipliers, needed.block_rams) == (used.get("DSP", 0), used["BRAM"])
    places = used["LUT4"] + (used["FF"] if board.part.family is gowin.GOWIN else 0)
    assert 1 <= needed.luts / places < 1.1


def test_memories_of_bytes_share_blocks():
    """Of the blocks of a Gowin's core: as synthesis left them, and where columns have one address."""
    part = boards.get("tang-nano-20k").part
    sizes = {"act_words": 4096, "channel_words": 1024, "program_words": 1024, "tables": 2}
    config = replace(core("4x4"), lanes=1, **sizes)
    assert fit.need(config, part).block_rams == 46
    fewer = replace(config, channel_words=512)  # 2 blocks of 4 bytes, not 4 of 2
    assert fit.need(fewer, part).block_rams == 44


@pytest.mark.parametrize("board", ALL, ids=lambda board: board.name)
def test_parity_takes_no_block(board):
    """The ninth bit of each byte is there in the blocks of ECP5, Nexus and Gowin, not in an iCE40's.

    A GateMate's have ten, but four bytes of 5,120 lines fill blocks of five bits by their last one.
    """
    parity = replace(board.config, parity=1)
    needed, more = fit.need(board.config, board.part), fit.need(parity, board.part)
    if board.part.family.name == "ice40":
        assert more.block_rams + more.large_rams > needed.block_rams + needed.large_rams
    else:
        assert more.block_rams - needed.block_rams == (board.part.family.name == "gatemate")


@pytest.mark.parametrize(
    "rows, columns, act_words, weight_words, program_words, multipliers, block_rams",
    [(4, 4, 2048, 2048, 512, 16, 25), (8, 8, 1024, 3072, 1024, 44, 44)],
)
def test_estimates_of_compact_cores(rows, columns, act_words, weight_words, program_words, multipliers, block_rams):
    """As synthesis leaves them; of the multipliers half a one is left over in each."""
    sizes = {"act_words": act_words, "weight_words": weight_words, "program_words": program_words}
    config = replace(core("4x4"), rows=rows, columns=columns, lanes=1, channel_words=512, tables=2, compact=1, **sizes)
    needed = fit.need(config, boards.get("tang-nano-20k").part)
    assert (needed.multipliers, needed.block_rams) == (multipliers, block_rams)


@pytest.mark.parametrize(
    "name, size", [("4x3", "85f"), ("8x8", "85f"), ("16x16", "85f"), ("4x3", "45f"), ("8x16", "45f")]
)
def test_multipliers_have_sites_of_their_own(name, size):
    config = core(name)
    cells = [(row, pair) for row in range(config.rows) for pair in range(config.pairs)]
    sites = {ecp5_place.site(config, boards.get(f"ulx3s-{size}").part, cell) for cell in cells}
    assert len(sites) == len(cells)
    assert all(re.fullmatch(r"X\d+/Y\d+/MULT18_[0145]", site) for site in sites)


@pytest.mark.parametrize(
    "name, blocks, size", [("4x3", 4, "85f"), ("8x8", 3, "85f"), ("16x16", 4, "85f"), ("8x16", 2, "45f")]
)
def test_memories_have_sites_of_their_own(name, blocks, size):
    config, part = core(name), boards.get(f"ulx3s-{size}").part
    before = [Beside(column, behind=False) for column in range(config.columns)]
    behind = [Beside(column, behind=True, number=half, count=2) for column in range(config.columns) for half in (0, 1)]
    found = [ecp5_place.memory_sites(config, part, beside, blocks) for beside in before]
    found += [ecp5_place.memory_sites(config, part, beside, 1) for beside in behind]
    assert [len(sites) for sites in found] == [blocks] * len(before) + [1] * len(behind)
    sites = set(itertools.chain(*found))
    assert len(sites) == blocks * len(before) + len(behind)
    assert all(re.fullmatch(r"X\d+/Y\d+/EBR[0123]", site) for site in sites)


@pytest.mark.parametrize("config, device", [(core("32x32"), "LFE5U-85F"), (core("4x3"), "LFE5U-25F")])
def test_no_sites_where_there_is_no_room_or_no_map(config, device):
    part = replace(ULX3S.part, device=device)
    assert ecp5_place.site(config, part, (0, 0)) is None
    assert ecp5_place.memory_sites(config, part, Beside(0, behind=True), 1) == []


def test_no_sites_for_more_than_half_of_the_memories():
    assert len(ecp5_place.memory_sites(core("16x16"), ULX3S.part, Beside(0, behind=True), 4)) == 4
    assert ecp5_place.memory_sites(core("16x16"), ULX3S.part, Beside(0, behind=True), 5) == []


def test_case_does_not_matter(board):
    assert boards.get(board.name.upper()) is board


@pytest.mark.parametrize(
    "name, hint",
    [
        ("ulx3s-85", "nearest: ulx3s-85f, "),
        ("colourlight-i5", "nearest: colorlight-i5, colorlight-i9"),
        ("zzz", f"known: {', '.join(boards.names())}"),
    ],
)
def test_unknown_board(name, hint):
    with pytest.raises(BadInput, match=f"board '{name}': there is no such board; {hint}") as caught:
        boards.get(name)
    assert caught.value.exit_code == 2


def test_core_too_large(board):
    config = replace(board.config, act_words=1 << 18)
    message = rf"core {config.name} needs about \d+ block RAMs, and {board.part.name} has {board.part.block_rams};"
    with pytest.raises(DoesNotFit, match=message):
        fit.check(config, board.part)
    with pytest.raises(
        DoesNotFit,
        match=rf"core 32x32 needs about {544 - board.part.soft_cells} multipliers, and .* has {board.part.multipliers}",
    ):
        fit.check(core("32x32"), board.part)


@pytest.mark.parametrize("input_mhz", [12, 25, 48, 100])
@pytest.mark.parametrize("output_mhz", [60, 65, 75, 100, 150])
def test_pll_settings_are_in_range(input_mhz, output_mhz):
    found = pll(input_mhz * 1e6, output_mhz * 1e6, tolerance=0.02)

    assert all(1 <= divider <= 128 for divider in (found.ref, found.feedback, found.post))
    assert found.output_hz == pytest.approx(input_mhz * 1e6 / found.ref * found.feedback)
    assert found.vco_hz == pytest.approx(found.output_hz * found.post)
    assert 400e6 <= found.vco_hz <= 800e6
    assert input_mhz / found.ref >= 3.125
    assert found.output_hz == pytest.approx(output_mhz * 1e6, rel=0.02)


def test_pll_of_ulx3s():
    # As ecppll has it: 25 / 5 * 12, times 10 for the VCO.
    found = pll(25e6, 60e6)
    assert (found.ref, found.feedback, found.post, found.vco_hz) == (5, 12, 10, 600e6)


@pytest.mark.parametrize(
    "input_hz, output_hz, message",
    [
        (1e6, 60e6, "PLL input: expected 8..400 MHz, not 1 MHz"),
        (25e6, 500e6, "PLL output: expected 3.125..400 MHz, not 500 MHz"),
        (25e6, 66e6, "PLL: 66 MHz cannot be made from 25 MHz; the nearest is 65.6250 MHz"),
    ],
)
def test_pll_refuses(input_hz, output_hz, message):
    with pytest.raises(BadInput, match=message):
        pll(input_hz, output_hz)


@pytest.mark.parametrize("input_mhz", [12, 27, 50])
@pytest.mark.parametrize("output_mhz", [54, 60, 63, 100, 200])
def test_gowin_pll_settings_are_in_range(input_mhz, output_mhz):
    found = gowin.pll(gowin.GW2A_C8_I7, input_mhz * 1e6, output_mhz * 1e6, tolerance=0.02)

    assert all(1 <= divider <= 64 for divider in (found.ref, found.feedback))
    assert found.output_hz == pytest.approx(input_mhz * 1e6 / found.ref * found.feedback)
    assert 500e6 <= found.output_hz * found.post <= 1250e6
    assert input_mhz / found.ref >= 3
    assert found.output_hz == pytest.approx(output_mhz * 1e6, rel=0.02)


def test_pll_of_tang_nano_20k():
    found = gowin.pll(gowin.GW2A_C8_I7, 27e6, 63e6)
    assert (found.ref, found.feedback, found.post) == (3, 7, 16)


@pytest.mark.parametrize(
    "output_hz, message",
    [
        (700e6, "PLL output: expected 3.90625..625 MHz, not 700 MHz"),
        (61e6, "PLL: 61 MHz cannot be made from 27 MHz; the nearest is 60.7500 MHz"),
    ],
)
def test_gowin_pll_refuses(output_hz, message):
    with pytest.raises(BadInput, match=message):
        gowin.pll(gowin.GW2A_C8_I7, 27e6, output_hz)
