// Cells of a Gowin of which Yosys has no models that compute, or none of what nextpnr makes of them.
//
// Written from Gowin's UG285 (memories), UG287 (multipliers) and UG286 (clocks); the ALU as Project Apicula describes it
// and in the settings of its chip database. There are no delays. Only what boards/gowin*.py uses is modelled, and
// anything else is refused.

// A look-up table in front of a carry chain. Its lowest four bits also choose the carry. Where a chain begins, CIN is
// whatever the chain beside it carries: here 1, so that nothing may depend on it.
module ALU(input I0, I1, I2 = 1, I3, CIN = 1, output SUM, COUT);
    parameter ALU_MODE = 2;
    parameter CIN_NETTYPE = "LOGIC";
    parameter [15:0] RAW_ALU_LUT =
        ALU_MODE == 2 ? 16'h609a : ALU_MODE == "C2L" ? 16'h0000 : ALU_MODE == "ONE2C" ? 16'h000f : 16'hxxxx;
    if ($isunknown(RAW_ALU_LUT)) $fatal(1, "ALU_MODE %0d is not modelled", ALU_MODE);
    `ONLY(CIN_NETTYPE, "LOGIC")

    wire propagate = RAW_ALU_LUT[{I3, I2, I1, I0}];
    assign SUM = propagate ^ CIN;
    assign COUT = propagate ? CIN : RAW_ALU_LUT[{2'b00, I1, I0}];
endmodule

// 16 words of 4 bits in look-up tables.
module RAM16SDP4(input CLK, WRE, CE, input [3:0] WAD, RAD, DI, output [3:0] DO);
    parameter [15:0] INIT_0 = 0;
    parameter [15:0] INIT_1 = 0;
    parameter [15:0] INIT_2 = 0;
    parameter [15:0] INIT_3 = 0;
    reg [3:0] words [0:15];
    integer i;
    initial for (i = 0; i < 16; i = i + 1) words[i] = {INIT_3[i], INIT_2[i], INIT_1[i], INIT_0[i]};
    always @(posedge CLK) if (WRE && CE) words[WAD] <= DI;
    assign DO = words[RAD];
endmodule

module GOWIN_VCC(output V);
    assign V = 1;
endmodule

module GOWIN_GND(output G);
    assign G = 0;
endmodule

module TBUF(input I, OEN, output O);
    parameter NET_I = "NET";
    parameter NET_O = "NET";
    parameter NET_OEN = "GND";
    `ONLY(NET_OEN, "GND")
    assign O = I;
endmodule

module IBUF(input I, output O);
    parameter NET_I = "NET";
    parameter NET_O = "NET";
    assign O = I;
endmodule

// The output is the input: the simulation's clock is the one that the PLL is to make.
module rPLL(
    input CLKIN, CLKFB, RESET, RESET_P, input [5:0] FBDSEL, IDSEL, ODSEL, input [3:0] PSDA, FDLY, DUTYDA,
    output CLKOUT, LOCK
);
    parameter FCLKIN = "27";
    parameter DEVICE = "GW2AR-18C";
    parameter IDIV_SEL = 0;
    parameter FBDIV_SEL = 0;
    parameter ODIV_SEL = 8;
    parameter CLKFB_SEL = "internal";
    `ONLY(CLKFB_SEL, "internal")
    reg [4:0] cycles = 0;
    always @(posedge CLKIN) if (!LOCK) cycles <= cycles + 1;
    assign LOCK = cycles[4];
    assign CLKOUT = CLKIN;
endmodule

module DQCE(input CLKIN, CE, output CLKOUT);
    CLOCK_GATE gate(.CLKI(CLKIN), .CE, .CLKO(CLKOUT));
endmodule

// A multiplier with or without each of its registers. BITS: of an operand.
`define GOWIN_MULT(NAME, BITS) \
module NAME( \
    input [BITS-1:0] A, SIA, B, SIB, input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET, \
    output [2*BITS-1:0] DOUT, output [BITS-1:0] SOA, SOB \
); \
    parameter AREG = 1'b0; \
    parameter BREG = 1'b0; \
    parameter OUT_REG = 1'b0; \
    parameter PIPE_REG = 1'b0; \
    parameter ASIGN_REG = 1'b0; \
    parameter BSIGN_REG = 1'b0; \
    parameter SOA_REG = 1'b0; \
    parameter MULT_RESET_MODE = "SYNC"; \
    `NEVER(CLK, ASEL | BSEL | RESET) \
    \
    reg [BITS-1:0] a_later = 0, b_later = 0; \
    wire [BITS-1:0] a = AREG ? a_later : A; \
    wire [BITS-1:0] b = BREG ? b_later : B; \
    wire signed [2*BITS:0] product = $signed({ASIGN & a[BITS-1], a}) * $signed({BSIGN & b[BITS-1], b}); \
    reg [2*BITS-1:0] piped = 0, registered = 0; \
    wire [2*BITS-1:0] found = PIPE_REG ? piped : product[2*BITS-1:0]; \
    assign DOUT = OUT_REG ? registered : found; \
    always @(posedge CLK) if (CE) begin \
        a_later <= A; \
        b_later <= B; \
        piped <= product[2*BITS-1:0]; \
        registered <= found; \
    end \
    assign SOA = {BITS{1'bx}}; \
    assign SOB = {BITS{1'bx}}; \
endmodule

`GOWIN_MULT(MULT18X18, 18)
`GOWIN_MULT(MULT9X9, 9)

// A memory written on port A and read on port B, both equally wide. Words that were never written are as INIT has them,
// or all ones; read in the cycle in which they are written the bytes of a word have any value: here the complement.
// PORT: bits of a port. BYTE: bits that a byte enable is for. LINES: lines of an address below a word's.
module gowin_simple_dual_port #(
    parameter WIDTH = 1, READ_MODE = 1'b0, PORT = 32, LINES = 0, BYTE = 8, INIT = 0
) (
    input CLKA, CEA, CLKB, CEB, OCE, input [13:0] ADA, ADB, input [PORT-1:0] DI, output [PORT-1:0] DO
);
    localparam BYTES = WIDTH > BYTE ? WIDTH / BYTE : 1;
    wire [3:0] enabled = BYTES == 1 ? 4'b1 : ADA[3:0] & ((1 << BYTES) - 1);
    wire clash = CEA && ADA >> LINES == ADB >> LINES;
    reg [WIDTH-1:0] words [0:(1 << (14 - LINES)) - 1];
    reg [WIDTH-1:0] early, late;
    integer i;
    initial for (i = 0; i < 1 << (14 - LINES); i = i + 1) words[i] = INIT[i * WIDTH +: WIDTH];
    always @(posedge CLKA) if (CEA)
        for (i = 0; i < WIDTH; i = i + 1) if (enabled[i / BYTE]) words[ADA >> LINES][i] <= DI[i];
    always @(posedge CLKB) begin
        if (CEB) for (i = 0; i < WIDTH; i = i + 1)
            early[i] <= words[ADB >> LINES][i] ^ (clash && enabled[i / BYTE]);
        if (OCE) late <= early;
    end
    assign DO = PORT'(READ_MODE ? late : early);
endmodule

`define GOWIN_SDP(NAME, BITS, BYTE_BITS, LINES_BELOW) \
module NAME( \
    input CLKA, CEA, WREA = 1, CLKB, CEB, WREB = 1, OCE, OCEB = 1, RESETA, RESETB, input [13:0] ADA, ADB, \
    input [2:0] BLKSELA, BLKSELB, input [BITS-1:0] DI, output [BITS-1:0] DO \
); \
    parameter READ_MODE = 1'b0; \
    parameter BIT_WIDTH_0 = BITS; \
    parameter BIT_WIDTH_1 = BITS; \
    parameter BLK_SEL_0 = 3'b000; \
    parameter BLK_SEL_1 = 3'b000; \
    parameter RESET_MODE = "SYNC"; \
    parameter [8*BITS-1:0] \
        INIT_RAM_00 = '1, INIT_RAM_01 = '1, INIT_RAM_02 = '1, INIT_RAM_03 = '1, INIT_RAM_04 = '1, INIT_RAM_05 = '1, \
        INIT_RAM_06 = '1, INIT_RAM_07 = '1, INIT_RAM_08 = '1, INIT_RAM_09 = '1, INIT_RAM_0A = '1, INIT_RAM_0B = '1, \
        INIT_RAM_0C = '1, INIT_RAM_0D = '1, INIT_RAM_0E = '1, INIT_RAM_0F = '1, INIT_RAM_10 = '1, INIT_RAM_11 = '1, \
        INIT_RAM_12 = '1, INIT_RAM_13 = '1, INIT_RAM_14 = '1, INIT_RAM_15 = '1, INIT_RAM_16 = '1, INIT_RAM_17 = '1, \
        INIT_RAM_18 = '1, INIT_RAM_19 = '1, INIT_RAM_1A = '1, INIT_RAM_1B = '1, INIT_RAM_1C = '1, INIT_RAM_1D = '1, \
        INIT_RAM_1E = '1, INIT_RAM_1F = '1, INIT_RAM_20 = '1, INIT_RAM_21 = '1, INIT_RAM_22 = '1, INIT_RAM_23 = '1, \
        INIT_RAM_24 = '1, INIT_RAM_25 = '1, INIT_RAM_26 = '1, INIT_RAM_27 = '1, INIT_RAM_28 = '1, INIT_RAM_29 = '1, \
        INIT_RAM_2A = '1, INIT_RAM_2B = '1, INIT_RAM_2C = '1, INIT_RAM_2D = '1, INIT_RAM_2E = '1, INIT_RAM_2F = '1, \
        INIT_RAM_30 = '1, INIT_RAM_31 = '1, INIT_RAM_32 = '1, INIT_RAM_33 = '1, INIT_RAM_34 = '1, INIT_RAM_35 = '1, \
        INIT_RAM_36 = '1, INIT_RAM_37 = '1, INIT_RAM_38 = '1, INIT_RAM_39 = '1, INIT_RAM_3A = '1, INIT_RAM_3B = '1, \
        INIT_RAM_3C = '1, INIT_RAM_3D = '1, INIT_RAM_3E = '1, INIT_RAM_3F = '1; \
    if (BIT_WIDTH_0 != BIT_WIDTH_1) $fatal(1, "words of %0d and %0d bits", BIT_WIDTH_0, BIT_WIDTH_1); \
    `NEVER(CLKB, RESETB | !OCEB | !WREB) \
    gowin_simple_dual_port #( \
        .WIDTH(BIT_WIDTH_0), .READ_MODE(READ_MODE), .PORT(BITS), .LINES(LINES_BELOW), .BYTE(BYTE_BITS), \
        .INIT({ \
            INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38, \
            INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30, \
            INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28, \
            INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20, \
            INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18, \
            INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10, \
            INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08, \
            INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00 \
        }) \
    ) cells ( \
        .CLKA, .CEA(CEA && WREA && BLKSELA == BLK_SEL_0), .CLKB, .CEB(CEB && BLKSELB == BLK_SEL_1), .OCE, \
        .ADA, .ADB, .DI, .DO \
    ); \
endmodule

`GOWIN_SDP(SDPX9B, 36, 9, (BIT_WIDTH_0 == 36 ? 5 : BIT_WIDTH_0 == 18 ? 4 : 3))
`GOWIN_SDP(SDPB, 32, 8, $clog2(BIT_WIDTH_0))
