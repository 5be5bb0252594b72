// Cells of an ECP5 as nextpnr writes them after routing.
//
// Yosys has models of them for synthesis; of these, TRELLIS_COMB leaves its carry output open, and TRELLIS_FF knows only
// one of its two data inputs. The others were written from Lattice's FPGA-TN-02204 (memories), TN1267 (multipliers) and
// FPGA-TN-02200 (clocks). There are no delays. Only what boards/ecp5*.py uses is modelled, and anything else is refused.
// A pin without a net has the level to which nextpnr ties it, which is the default of the port here.

// A look-up table with its half of a carry chain, or a column of a memory of 16 words. IS_Z1: it is the upper one of its
// slice, whose multiplexer chooses between slices; the lower one's chooses between the two tables of the slice.
module TRELLIS_COMB(
    input A = 1, B = 1, C = 1, D = 1, M = 1, FCI = 1, F1 = 1, FXA = 1, FXB = 1,
    input WD = 1, WAD0 = 1, WAD1 = 1, WAD2 = 1, WAD3 = 1, WRE = 1, WCK = 0,
    output F, FCO, OFX
);
    parameter MODE = "LOGIC";
    parameter [15:0] INITVAL = 0;
    parameter CCU2_INJECT1 = "NO";
    parameter WREMUX = "WRE";
    parameter WCKMUX = "WCK";
    parameter IS_Z1 = 0;
    `ONLY(WREMUX, "WRE")
    `ONLY(WCKMUX, "WCK")

    if (MODE == "LOGIC") begin
        assign F = INITVAL[{D, C, B, A}];
        assign FCO = 1'bx;
    end else if (MODE == "CCU2") begin
        wire four = INITVAL[{D, C, B, A}];
        wire two = INITVAL[{2'b00, B, A}];
        assign F = CCU2_INJECT1 == "YES" ? four : four ^ FCI;
        assign FCO = four ? FCI : CCU2_INJECT1 == "YES" ? 1'b0 : two;
    end else if (MODE == "DPRAM") begin
        // The lines of a read address, from the lowest on, are D, B, C, A.
        reg words [0:15];
        integer word;
        initial for (word = 0; word < 16; word = word + 1) words[{word[0], word[2], word[1], word[3]}] = INITVAL[word];
        always @(posedge WCK) if (WRE) words[{`BITS_4(WAD)}] <= WD;
        assign F = words[{A, C, B, D}];
        assign FCO = 1'bx;
    end else if (MODE == "RAMW_BLOCK") begin
        assign F = 1'bx;
        assign FCO = 1'bx;
    end else begin
        $fatal(1, "MODE %s is not modelled", MODE);
    end
    assign OFX = IS_Z1 ? (M ? FXB : FXA) : (M ? F1 : F);
endmodule

// What brings address and data to the four columns of a memory of 16 words.
module TRELLIS_RAMW(
    input A0 = 1, B0 = 1, C0 = 1, D0 = 1, A1 = 1, B1 = 1, C1 = 1, D1 = 1,
    output `BITS_4(WADO), `BITS_4(WDO)
);
    assign {`BITS_4(WADO)} = {A0, C0, B0, D0};
    assign {`BITS_4(WDO)} = {B1, D1, A1, C1};
endmodule

module TRELLIS_FF(input CLK, CE = 1, LSR = 0, DI = 1, M = 1, output reg Q);
    parameter GSR = "ENABLED";
    parameter CEMUX = "CE";
    parameter CLKMUX = "CLK";
    parameter LSRMUX = "LSR";
    parameter SRMODE = "LSR_OVER_CE";
    parameter REGSET = "RESET";
    parameter SD = "0";
    `ONLY(GSR, "DISABLED")
    `ONLY(CLKMUX, "CLK")
    `ONLY(LSRMUX, "LSR")
    `ONLY(SRMODE, "LSR_OVER_CE")

    initial Q = REGSET == "SET";
    always @(posedge CLK)
        if (LSR) Q <= REGSET == "SET";
        else if (CEMUX == "INV" ? !CE : CE) Q <= SD == "1" ? DI : M;
endmodule

module TRELLIS_IO_INPUT(input B, output O);
    assign O = B;
endmodule

module TRELLIS_IO_OUTPUT(input I, T = 0, output B);
    assign B = I;
    `NEVER(I, T)
endmodule

// A memory written on port A and read on port B, both equally wide; words of 36 bits use the data pins of both.
module DP16KD(
    input `BITS_18(DIA), `BITS_14(ADA), CLKA, CEA = 1, OCEA = 1, WEA = 1, RSTA = 1, CSA2 = 1, CSA1 = 1, CSA0 = 1,
    input `BITS_18(DIB), `BITS_14(ADB), CLKB, CEB = 1, OCEB = 1, WEB = 1, RSTB = 1, CSB2 = 1, CSB1 = 1, CSB0 = 1,
    output `BITS_18(DOA), `BITS_18(DOB)
);
    parameter DATA_WIDTH_A = 18;
    parameter DATA_WIDTH_B = 18;
    parameter REGMODE_A = "NOREG";
    parameter REGMODE_B = "NOREG";
    parameter RESETMODE = "SYNC";
    parameter ASYNC_RESET_RELEASE = "SYNC";
    parameter WRITEMODE_A = "NORMAL";
    parameter WRITEMODE_B = "NORMAL";
    parameter CSDECODE_A = "0b000";
    parameter CSDECODE_B = "0b000";
    parameter GSR = "ENABLED";
    parameter CLKAMUX = "CLKA";
    parameter CLKBMUX = "CLKB";
    parameter CEAMUX = "CEA";
    parameter CEBMUX = "CEB";
    parameter OCEAMUX = "OCEA";
    parameter OCEBMUX = "OCEB";
    parameter WEAMUX = "WEA";
    parameter WEBMUX = "WEB";
    parameter RSTAMUX = "RSTA";
    parameter RSTBMUX = "RSTB";
    parameter CSA2MUX = "CSA2";
    parameter CSA1MUX = "CSA1";
    parameter CSA0MUX = "CSA0";
    parameter CSB2MUX = "CSB2";
    parameter CSB1MUX = "CSB1";
    parameter CSB0MUX = "CSB0";
    if (DATA_WIDTH_A != DATA_WIDTH_B) $fatal(1, "words of %0d and %0d bits", DATA_WIDTH_A, DATA_WIDTH_B);
    `ONLY(WRITEMODE_A, "NORMAL")
    `ONLY(CSDECODE_A, "0b000")
    `ONLY(CSDECODE_B, "0b000")
    `ONLY(GSR, "DISABLED")
    `ONLY(CLKAMUX, "CLKA")
    `ONLY(CLKBMUX, "CLKB")
    `NEVER(CLKB, WEB ^ (WEBMUX == "INV"))
    `NEVER(CLKB, RSTB ^ (RSTBMUX == "INV"))
    `NEVER(CLKA, {CSA2, CSA1, CSA0} ^ {CSA2MUX == "INV", CSA1MUX == "INV", CSA0MUX == "INV"})
    `NEVER(CLKB, {CSB2, CSB1, CSB0} ^ {CSB2MUX == "INV", CSB1MUX == "INV", CSB0MUX == "INV"})

    localparam WIDTH = DATA_WIDTH_A;
    wire [35:0] early;
    reg [35:0] late = 0;
    LATTICE_WORDS #(.WIDTH(WIDTH)) words(
        .CLKA, .writing((CEA ^ (CEAMUX == "INV")) & (WEA ^ (WEAMUX == "INV"))), .to({`BITS_14(ADA)}),
        .written({`BITS_18(DIB), `BITS_18(DIA)}), .CLKB, .reading(CEB ^ (CEBMUX == "INV")), .from({`BITS_14(ADB)}),
        .found(early)
    );
    always @(posedge CLKB) if (OCEB ^ (OCEBMUX == "INV")) late <= early;
    wire [35:0] read = REGMODE_B == "OUTREG" ? late : early;
    assign {`BITS_18(DOA)} = read[17:0];
    assign {`BITS_18(DOB)} = WIDTH == 36 ? read[35:18] : read[17:0];
endmodule

// A multiplier with or without each of its registers.
module MULT18X18D(
    input `BITS_18(A), `BITS_18(B), `BITS_18(C), SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    input CLK3 = 1, CLK2 = 1, CLK1 = 1, CLK0, CE3 = 1, CE2 = 1, CE1 = 1, CE0, RST3 = 1, RST2 = 1, RST1 = 1, RST0,
    output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, `BITS_18(P)
);
    parameter REG_INPUTA_CLK = "NONE";
    parameter REG_INPUTB_CLK = "NONE";
    parameter REG_PIPELINE_CLK = "NONE";
    parameter REG_OUTPUT_CLK = "NONE";
    parameter SOURCEB_MODE = "B_SHIFT";
    parameter GSR = "ENABLED";
    `ONLY(SOURCEB_MODE, "B_SHIFT")
    `ONLY(GSR, "DISABLED")
    `NEVER(CLK0, RST0 | SOURCEA | SOURCEB)

    reg signed [18:0] a_later = 0, b_later = 0;
    reg [35:0] piped = 0, registered = 0;
    wire signed [18:0] a_now = {SIGNEDA & A17, `BITS_18(A)};
    wire signed [18:0] b_now = {SIGNEDB & B17, `BITS_18(B)};
    wire signed [18:0] a = REG_INPUTA_CLK == "CLK0" ? a_later : a_now;
    wire signed [18:0] b = REG_INPUTB_CLK == "CLK0" ? b_later : b_now;
    wire signed [37:0] product = a * b;
    wire [35:0] found = REG_PIPELINE_CLK == "CLK0" ? piped : product[35:0];
    always @(posedge CLK0) if (CE0) begin
        a_later <= a_now;
        b_later <= b_now;
        piped <= product[35:0];
        registered <= found;
    end
    assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, `BITS_18(P)} =
        REG_OUTPUT_CLK == "CLK0" ? registered : found;
endmodule

// The output is the input: the simulation's clock is the one that the PLL is to make.
module EHXPLLL(
    input CLKI, CLKFB, RST, STDBY, PHASESEL1, PHASESEL0, PHASEDIR, PHASESTEP, PHASELOADREG, PLLWAKESYNC, ENCLKOP,
    output CLKOP, LOCK
);
    parameter CLKI_DIV = 1;
    parameter CLKFB_DIV = 1;
    parameter CLKOP_DIV = 8;
    parameter CLKOP_CPHASE = 0;
    parameter CLKOP_FPHASE = 0;
    parameter CLKOP_ENABLE = "ENABLED";
    parameter OUTDIVIDER_MUXA = "DIVA";
    parameter FEEDBK_PATH = "CLKOP";
    parameter DPHASE_SOURCE = "DISABLED";
    parameter INTFB_WAKE = "DISABLED";
    parameter PLLRST_ENA = "DISABLED";
    parameter STDBY_ENABLE = "DISABLED";
    `ONLY(FEEDBK_PATH, "CLKOP")
    reg [4:0] cycles = 0;
    always @(posedge CLKI) if (!LOCK) cycles <= cycles + 1;
    assign LOCK = cycles[4];
    assign CLKOP = CLKI;
endmodule

module DCCA(input CLKI, CE, output CLKO);
    CLOCK_GATE gate(.CLKI, .CE, .CLKO);
endmodule
