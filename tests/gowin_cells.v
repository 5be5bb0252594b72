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
module gowin_simple_dual_port #(parameter WIDTH = 1, READ_MODE = 1'b0, PORT = 32, LINES = 0, BYTE = 8) (
    input CLKA, CEA, CLKB, CEB, OCE, input [13:0] ADA, ADB, input [PORT-1:0] DI, output [PORT-1:0] DO
);
    localparam BYTES = WIDTH > BYTE ? WIDTH / BYTE : 1;
    reg [WIDTH-1:0] words [0:(1 << (14 - LINES)) - 1];
    reg [WIDTH-1:0] early, late;
    integer i;
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
    gowin_simple_dual_port #( \
        .WIDTH(BIT_WIDTH_0), .READ_MODE(READ_MODE), .PORT(BITS), .LINES(LINES_BELOW), .BYTE(BYTE_BITS) \
    ) cells ( \
        .CLKA, .CEA(CEA && BLKSELA == BLK_SEL_0), .CLKB, .CEB(CEB && BLKSELB == BLK_SEL_1), .OCE, \
        .ADA, .ADB, .DI, .DO \
    ); \
endmodule

`GOWIN_SDP(SDPX9B, 36, 9, (BIT_WIDTH_0 == 36 ? 5 : BIT_WIDTH_0 == 18 ? 4 : 3))
`GOWIN_SDP(SDPB, 32, 8, $clog2(BIT_WIDTH_0))
