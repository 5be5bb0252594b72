// Gowin's blocks, of which Yosys has no models that compute: written from UG285 (memories) and UG287 (multipliers).
// Only what boards/gowin_*.py connects: no resets, no cascades, both ports of a memory equally wide.

module MULT18X18(
    input [17:0] A, SIA, B, SIB, input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
    output [35:0] DOUT, output [17:0] SOA, SOB
);
    parameter AREG = 1'b0;
    parameter BREG = 1'b0;
    parameter OUT_REG = 1'b0;
    parameter PIPE_REG = 1'b0;
    parameter ASIGN_REG = 1'b0;
    parameter BSIGN_REG = 1'b0;
    parameter SOA_REG = 1'b0;
    parameter MULT_RESET_MODE = "SYNC";

    reg [17:0] a_later, b_later;
    wire [17:0] a = AREG ? a_later : A;
    wire [17:0] b = BREG ? b_later : B;
    wire signed [36:0] product = $signed({ASIGN & a[17], a}) * $signed({BSIGN & b[17], b});
    reg [35:0] piped, registered;
    wire [35:0] found = PIPE_REG ? piped : product[35:0];
    assign DOUT = OUT_REG ? registered : found;
    always @(posedge CLK) if (CE) begin
        a_later <= A;
        b_later <= B;
        piped <= product[35:0];
        registered <= found;
    end
endmodule

// One bit of data and address for the two kinds of blocks: words of 1 to 8 bits have no ninth bit.
module gowin_simple_dual_port #(
    parameter WIDTH = 1, READ_MODE = 1'b0, PORT = 32, LINES = 0, BYTE = 8, INIT = 0
) (
    input CLKA, CEA, CLKB, CEB, OCE, input [13:0] ADA, ADB, input [PORT-1:0] DI, output [PORT-1:0] DO
);
    localparam BYTES = WIDTH > BYTE ? WIDTH / BYTE : 1;
    reg [WIDTH-1:0] words [0:(1 << (14 - LINES)) - 1];
    reg [WIDTH-1:0] early, late;
    integer i;
    initial for (i = 0; i < (1 << (14 - LINES)); i = i + 1) words[i] = INIT[i * WIDTH +: WIDTH];
    always @(posedge CLKA) if (CEA)
        for (i = 0; i < WIDTH; i = i + 1)
            if (BYTES == 1 || ADA[i / BYTE]) words[ADA >> LINES][i] <= DI[i];
    always @(posedge CLKB) begin
        if (CEB) early <= words[ADB >> LINES];
        if (OCE) late <= early;
    end
    assign DO = PORT'(READ_MODE ? late : early);
endmodule

// BITS of a port, BYTE: bits that a byte enable is for, LINES of an address below a word's.
`define GOWIN_SDP(NAME, BITS, BYTE_BITS, LINES_BELOW) \
module NAME( \
    input CLKA, CEA, CLKB, CEB, OCE, RESETA, RESETB, input [13:0] ADA, ADB, input [2:0] BLKSELA, BLKSELB, \
    input [BITS-1:0] DI, output [BITS-1:0] DO \
); \
    parameter READ_MODE = 1'b0; \
    parameter BIT_WIDTH_0 = BITS; \
    parameter BIT_WIDTH_1 = BITS; \
    parameter BLK_SEL_0 = 3'b000; \
    parameter BLK_SEL_1 = 3'b000; \
    parameter RESET_MODE = "SYNC"; \
    parameter [8*BITS-1:0] \
        INIT_RAM_00 = 0, INIT_RAM_01 = 0, INIT_RAM_02 = 0, INIT_RAM_03 = 0, INIT_RAM_04 = 0, INIT_RAM_05 = 0, \
        INIT_RAM_06 = 0, INIT_RAM_07 = 0, INIT_RAM_08 = 0, INIT_RAM_09 = 0, INIT_RAM_0A = 0, INIT_RAM_0B = 0, \
        INIT_RAM_0C = 0, INIT_RAM_0D = 0, INIT_RAM_0E = 0, INIT_RAM_0F = 0, INIT_RAM_10 = 0, INIT_RAM_11 = 0, \
        INIT_RAM_12 = 0, INIT_RAM_13 = 0, INIT_RAM_14 = 0, INIT_RAM_15 = 0, INIT_RAM_16 = 0, INIT_RAM_17 = 0, \
        INIT_RAM_18 = 0, INIT_RAM_19 = 0, INIT_RAM_1A = 0, INIT_RAM_1B = 0, INIT_RAM_1C = 0, INIT_RAM_1D = 0, \
        INIT_RAM_1E = 0, INIT_RAM_1F = 0, INIT_RAM_20 = 0, INIT_RAM_21 = 0, INIT_RAM_22 = 0, INIT_RAM_23 = 0, \
        INIT_RAM_24 = 0, INIT_RAM_25 = 0, INIT_RAM_26 = 0, INIT_RAM_27 = 0, INIT_RAM_28 = 0, INIT_RAM_29 = 0, \
        INIT_RAM_2A = 0, INIT_RAM_2B = 0, INIT_RAM_2C = 0, INIT_RAM_2D = 0, INIT_RAM_2E = 0, INIT_RAM_2F = 0, \
        INIT_RAM_30 = 0, INIT_RAM_31 = 0, INIT_RAM_32 = 0, INIT_RAM_33 = 0, INIT_RAM_34 = 0, INIT_RAM_35 = 0, \
        INIT_RAM_36 = 0, INIT_RAM_37 = 0, INIT_RAM_38 = 0, INIT_RAM_39 = 0, INIT_RAM_3A = 0, INIT_RAM_3B = 0, \
        INIT_RAM_3C = 0, INIT_RAM_3D = 0, INIT_RAM_3E = 0, INIT_RAM_3F = 0; \
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
        .CLKA, .CEA(CEA && BLKSELA == BLK_SEL_0), .CLKB, .CEB(CEB && BLKSELB == BLK_SEL_1), .OCE, \
        .ADA, .ADB, .DI, .DO \
    ); \
endmodule

`GOWIN_SDP(SDPX9B, 36, 9, (BIT_WIDTH_0 == 36 ? 5 : BIT_WIDTH_0 == 18 ? 4 : 3))
`GOWIN_SDP(SDPB, 32, 8, $clog2(BIT_WIDTH_0))
