"""A small core through place and route: its netlist, simulated, against the reference; and one that was broken."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
from nets import Net

import boards
from boards import ecp5_routed, gowin_carry, gowin_routed, ice40_routed
from fpga_accel.device import SerialDevice
from fpga_accel.postroute import ANSWER_S, postroute, with_edges
from fpga_accel.routed_board import routed_board
from fpga_accel.session import Session
from onnx_frontend.partition import compile_plan, partition
from onnx_frontend.quantize import quantize
from rtl.spec.config import core
from rtl.spec.errors import BadInput


def cell(kind, parameters=None, attributes=None, **pins):
    """Return a cell as nextpnr writes it; pins that begin with o, and Q, are outputs."""
    return {
        "type": kind,
        "parameters": parameters or {},
        "attributes": attributes or {},
        "port_directions": {pin.removeprefix("o_"): "output" if pin.startswith("o_") else "input" for pin in pins},
        "connections": {pin.removeprefix("o_"): bits for pin, bits in pins.items()},
    }


def module(ports=None, nets=None, **cells):
    return {"modules": {"top": {"ports": ports or {}, "netnames": nets or {}, "cells": cells}}}


def test_restored_cells_of_an_ecp5():
    netlist = module(
        ff=cell("TRELLIS_FF", {"CEMUX": "1 ", "SD": "0 "}, CLK=[2], M=[3], o_Q=[4]),
        enabled=cell("TRELLIS_FF", {"CEMUX": "INV"}, CLK=[2], CE=[5], M=[3], o_Q=[6]),
        pad=cell("TRELLIS_IO", {"DIR": "OUTPUT"}, I=[4], o_B=[7]),
        ram=cell("DP16KD", {"DIA0MUX": "0 ", "ADA0MUX": "1 ", "CEAMUX": "CEA"}, DIA0=[], ADA0=[], CEA=[], DIA1=[3]),
        lower=cell("TRELLIS_COMB", {}, {"NEXTPNR_BEL": "X1/Y2/SLICEA.K0"}, A=[3], o_F=[8]),
        upper=cell("TRELLIS_COMB", {}, {"NEXTPNR_BEL": "X1/Y2/SLICEA.K1"}, A=[3], o_F=[9]),
    )
    ecp5_routed.restore(netlist)
    cells = netlist["modules"]["top"]["cells"]
    assert cells["ff"]["connections"]["CE"] == ["1"] and "CEMUX" not in cells["ff"]["parameters"]
    assert cells["enabled"]["parameters"] == {"CEMUX": "INV"}
    assert cells["pad"]["type"] == "TRELLIS_IO_OUTPUT"
    assert cells["ram"]["connections"] == {"DIA0": ["0"], "ADA0": ["1"], "CEA": [], "DIA1": [3]}
    assert cells["ram"]["parameters"] == {"CEAMUX": "CEA"}
    assert [cells[name]["parameters"]["IS_Z1"] for name in ("lower", "upper")] == ["0", "1"]


def test_restored_cells_of_a_gowin():
    """The clock on net 3 begins behind gates of two spines, which let net 2 through."""
    netlist = module(
        nets={
            "raw": {"bits": [2], "attributes": {"ROUTING": "X1Y1/SPINE9;X2Y2/SPINE9/PLLCLK0;5;X3Y3/F4;;5"}},
            "clock": {
                "bits": [3],
                "attributes": {"ROUTING": "X1Y1/SPINE0;;5;X1Y2/SPINE8;;5;X9Y9/CLK0;X9Y9/CLK0/GB00;5"},
            },
            "on": {"bits": [4], "attributes": {}},
        },
        pll=cell("rPLL", PSDA1=[6], PSDA0=[5], o_CLKOUT=[2], o_LOCK=[4]),
        gate_0=cell("DQCE", {}, {"DQCE_PIP": "X2Y2/SPINE0/PLLCLK0"}, CE=[4]),
        gate_8=cell("DQCE", {}, {"DQCE_PIP": "X2Y2/SPINE8/PLLCLK0"}, CE=[4]),
        unused=cell("DQCE", CE=[]),
        clock=cell("DFF", CLK=[3], D=[], o_Q=[5]),
        ram=cell("SDP", {}, {"BSRAM_SUBTYPE": "X9"}, CLKA=[3], DI1=[5], DI0=[4], DI10=[6], WREB=[8], o_DO0=[6]),
        narrow=cell("SDP", {}, {"BSRAM_SUBTYPE": "X9"}, WREB=[7], o_DO17=[16], o_DO18=[17], o_DO20=[18], o_DO19=[19]),
        low=cell("GOWIN_GND", o_G=[7]),
        high=cell("GOWIN_VCC", o_V=[8]),
    )
    gowin_routed.restore(netlist)
    cells = netlist["modules"]["top"]["cells"]
    assert sorted(cells) == [f"{name}$cell" for name in ("clock", "gate_3", "high", "low", "narrow", "pll", "ram")]
    assert cells["gate_3$cell"]["connections"] == {"CLKIN": [2], "CE": [4], "CLKOUT": [3]}
    assert cells["pll$cell"]["connections"] == {"PSDA": [5, 6], "CLKOUT": [2], "LOCK": [4]}
    assert cells["clock$cell"]["connections"]["D"] == ["1"]
    assert cells["ram$cell"]["type"] == "SDPX9B"
    assert cells["ram$cell"]["connections"]["DI"] == [4, 5, *["0"] * 8, 6]
    assert cells["ram$cell"]["connections"]["DO"] == [6] and cells["ram$cell"]["connections"]["WREB"] == [8]
    assert cells["narrow$cell"]["connections"]["DO"] == [17, 19, 18, 16] and cells["narrow$cell"]["type"] == "SDPX9B"
    assert cells["narrow$cell"]["connections"]["WREB"] == ["1"]


def test_restored_cells_of_an_ice40():
    """The PLL has the pin 8 for itself; what it drives is the global buffer without an input."""
    netlist = module(
        ports={
            "clk": {"direction": "input", "bits": [8]},
            "rx": {"direction": "inout", "bits": [9]},
            "tx": {"direction": "inout", "bits": [10]},
        },
        pll=cell("ICESTORM_PLL", {}, {"BEL_PAD_INPUT": "X1/Y2/io1"}, REFERENCECLK=[], o_PLLOUT_A=[], o_LOCK=[3]),
        clk=cell("SB_IO", {"PIN_TYPE": f"{1:032b}"}, {"NEXTPNR_BEL": "X1/Y2/io1"}, PACKAGE_PIN=[8], o_D_IN_0=[]),
        rx=cell("SB_IO", {"PIN_TYPE": "000001"}, {"NEXTPNR_BEL": "X3/Y2/io1"}, PACKAGE_PIN=[9], o_D_IN_0=[4]),
        tx=cell("SB_IO", {"PIN_TYPE": "101001"}, PACKAGE_PIN=[10], D_OUT_0=[4]),
        raw=cell("SB_GB", USER_SIGNAL_TO_GLOBAL_BUFFER=[], o_GLOBAL_BUFFER_OUTPUT=[5]),
        gated=cell("SB_GB", USER_SIGNAL_TO_GLOBAL_BUFFER=[5], o_GLOBAL_BUFFER_OUTPUT=[6]),
        ram=cell("ICESTORM_RAM", RCLK=[6], RADDR_2=[4], RADDR_0=[3], o_RDATA_1=[7], o_RDATA_0=[11], WE=[]),
        lc=cell("ICESTORM_LC", I0=[7], I1=[], CEN=[], o_O=[12], o_COUT=[]),
    )
    ice40_routed.restore(netlist)
    cells, ports = netlist["modules"]["top"]["cells"], netlist["modules"]["top"]["ports"]
    assert sorted(cells) == ["gated", "lc", "pll", "ram", "rx", "tx"]
    assert cells["pll"]["connections"] == {"LOCK": [3], "REFERENCECLK": [8], "CLOCK": [5]}
    assert (cells["rx"]["type"], cells["tx"]["type"]) == ("SB_IO_INPUT", "SB_IO_OUTPUT")
    assert {name: port["direction"] for name, port in ports.items()} == {"clk": "input", "rx": "input", "tx": "output"}
    assert cells["ram"]["type"] == "SB_RAM40_4K"
    assert cells["ram"]["connections"] == {"RCLK": [6], "RADDR": [3, "0", 4], "RDATA": [11, 7]}
    assert cells["lc"]["connections"] == {"I0": [7], "O": [12]}


def test_restored_clock_of_an_ice40_from_a_global_pin():
    netlist = module(
        ports={"clk": {"direction": "input", "bits": [8]}},
        pll=cell("ICESTORM_PLL", REFERENCECLK=[7], o_PLLOUT_A=[], o_LOCK=[3]),
        clk=cell("SB_IO", {"PIN_TYPE": "000001"}, {"GLOBAL": "1"}, PACKAGE_PIN=[8], o_D_IN_0=[]),
        raw=cell("SB_GB", USER_SIGNAL_TO_GLOBAL_BUFFER=[], o_GLOBAL_BUFFER_OUTPUT=[5]),
        pin=cell("SB_GB", USER_SIGNAL_TO_GLOBAL_BUFFER=[], o_GLOBAL_BUFFER_OUTPUT=[7]),
    )
    ice40_routed.restore(netlist)
    cells = netlist["modules"]["top"]["cells"]
    assert sorted(cells) == ["pll"]
    assert cells["pll"]["connections"] == {"LOCK": [3], "REFERENCECLK": [8], "CLOCK": [5]}


def test_repaired_carries_of_a_gowin():
    netlist = module(
        logic=cell("ALU", {"CIN_NETTYPE": "LOGIC", "RAW_ALU_LUT": f"{0x505A:032b}"}, I0=[2], o_COUT=[3]),
        other=cell("ALU", {"RAW_ALU_LUT": f"{0x505A:032b}"}, I0=[2], CIN=[3], o_COUT=[4]),
    )
    before = copy.deepcopy(netlist["modules"]["top"]["cells"])
    gowin_carry.repair(netlist)
    cells = netlist["modules"]["top"]["cells"]
    assert int(cells["logic"]["parameters"]["RAW_ALU_LUT"], 2) == 0x000A
    assert cells["other"] == before["other"]


def test_edges():
    feed = {"x": np.zeros((3, 2, 5), np.float32), "q": np.ones((3, 4), np.uint8)}
    edged = with_edges(feed)
    assert edged["x"].shape == (7, 2, 5) and edged["x"].dtype == np.float32
    assert edged["q"].dtype == np.uint8 and set(edged["q"][5:].flat) == {0, 255}
    assert (edged["x"][3] < -1000).all() and (edged["x"][4] > 1000).all()


def test_a_family_without_models_is_refused(tmp_path):
    """Before anything is built."""
    plan, feed = network()
    board = boards.get("gatemate-evb")
    with pytest.raises(
        BadInput, match="gatemate-evb: there are no models .* of the family gatemate, only of: ecp5, gowin, ice40"
    ):
        postroute(plan, board, board.config, feed, tmp_path, lambda *_: None)
    assert not list(tmp_path.iterdir())


def network():
    """Return a network that uses the array, the vector lanes and a table, not compiled yet, and samples."""
    net = Net((2, 4, 5), seed=1)
    net.conv(3, 2, 3, 3, pads=[1, 1, 1, 1])
    net.op("Sigmoid")
    net.op("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    net.op("Flatten")
    net.op("Gemm", net.random(12, 5), net.random(5))
    feed = net.data(4)
    return partition(quantize(net.model(), feed, "minmax")).plan, with_edges(feed)


# A clock that is easily met: what is proved does not depend on it.
BOARD = replace(boards.get("ulx3s-85f"), clock_hz=25_000_000)


@pytest.fixture(scope="module")
def proof(tmp_path_factory):
    plan, feed = network()
    return postroute(plan, BOARD, core("2x1"), feed, tmp_path_factory.mktemp("routed"), lambda *_: None)


def test_routed_core_answers_as_the_reference(proof):
    assert proof.exact, proof.difference
    assert proof.circuit == "the netlist after routing"
    assert proof.samples == 8 and proof.difference.compared == 8 * 5
    assert proof.cells["MULT18X18D"] == proof.build.best.used["DSP"][0] > 0
    assert proof.cells["DP16KD"] == proof.build.best.used["BRAM"][0] > 0


@pytest.mark.long
def test_a_broken_one_does_not(proof, tmp_path):
    """Without a register behind a product."""
    plan, feed = network()
    netlist = json.loads((proof.build.folder / "seed-1" / BOARD.part.family.routed_netlist).read_text())
    cells = netlist["modules"]["top"]["cells"]
    (name,) = [name for name, cell in cells.items() if cell["type"] == "MULT18X18D" and "pe_0_0" in name]
    cells[name]["parameters"]["REG_OUTPUT_CLK"] = "NONE"
    BOARD.part.family.restore(netlist)
    compiled = compile_plan(plan, proof.config)
    with Session(compiled, "numpy") as session:
        expected = session.run(None, feed)
    with (
        routed_board(BOARD, proof.config, netlist, tmp_path, lambda *_: None) as simulation,
        SerialDevice(simulation.port, answer_s=ANSWER_S) as device,
        Session(compiled, device) as session,
    ):
        assert not np.array_equal(session.run(None, feed)[0], expected[0])
        assert session.cycles() == compiled.cycles
