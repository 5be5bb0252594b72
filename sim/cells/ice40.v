// Cells of an iCE40 as nextpnr writes them after routing, with pins of several bits put together again
// (boards/ice40_routed.py).
//
// Written from Lattice's FPGA-TN-02002 (memories), FPGA-TN-02022 (large memories), FPGA-TN-02007 (multipliers) and the
// iCE40 technology library. There are no delays. Only what boards/ice40*.py uses is modelled, and anything else is
// refused. A pin without a net has the level of the part, which is the default of the port here.

// A look-up table, its carry and its register, whose set or reset counts while it is enabled.
module ICESTORM_LC(
    input I0 = 0, I1 = 0, I2 = 0, I3 = 0, CIN = 0, CLK = 0, CEN = 1, SR = 0,
    output LO, O, COUT
);
    parameter [15:0] LUT_INIT = 0;
    parameter [0:0] NEG_CLK = 0;
    parameter [0:0] CARRY_ENABLE = 0;
    parameter [0:0] DFF_ENABLE = 0;
    parameter [0:0] SET_NORESET = 0;
    parameter [0:0] ASYNC_SR = 0;
    parameter [0:0] CIN_CONST = 0;
    parameter [0:0] CIN_SET = 0;
    `ONLY(NEG_CLK, 0)
    `ONLY(ASYNC_SR, 0)

    wire carry = CIN_CONST ? CIN_SET : CIN;
    assign LO = LUT_INIT[{I3, I2, I1, I0}];
    assign COUT = CARRY_ENABLE ? I1 & I2 | (I1 | I2) & carry : 1'bx;
    if (DFF_ENABLE) begin
        reg q = 0;
        always @(posedge CLK) if (CEN) q <= SR ? SET_NORESET : LO;
        assign O = q;
    end else
        assign O = LO;
endmodule

module SB_GB(input USER_SIGNAL_TO_GLOBAL_BUFFER, output GLOBAL_BUFFER_OUTPUT);
    assign GLOBAL_BUFFER_OUTPUT = USER_SIGNAL_TO_GLOBAL_BUFFER;
endmodule

module SB_IO_INPUT(input PACKAGE_PIN, CLOCK_ENABLE = 1, output D_IN_0);
    parameter [5:0] PIN_TYPE = 0;
    parameter PULLUP = 0, NEG_TRIGGER = 0, IO_STANDARD = "";
    `ONLY(PIN_TYPE, 6'b000001)
    assign D_IN_0 = PACKAGE_PIN;
endmodule

module SB_IO_OUTPUT(input D_OUT_0, OUTPUT_ENABLE = 1, CLOCK_ENABLE = 1, output PACKAGE_PIN);
    parameter [5:0] PIN_TYPE = 0;
    parameter PULLUP = 0, NEG_TRIGGER = 0, IO_STANDARD = "";
    `ONLY(PIN_TYPE, 6'b101001)
    assign PACKAGE_PIN = D_OUT_0;
    `NEVER(D_OUT_0, !OUTPUT_ENABLE)
endmodule

// The output is the input: the simulation's clock is the one that the PLL is to make.
module ICESTORM_PLL(input REFERENCECLK, RESETB = 1, BYPASS = 0, output CLOCK, LOCK);
    parameter TEST_MODE = 0, SHIFTREG_DIVMODE = 0, PLLTYPE = 0, ENABLE_ICEGATE_PORTA = 0, ENABLE_ICEGATE_PORTB = 0;
    parameter PLLOUT_SELECT_A = 0, PLLOUT_SELECT_B = 0, FILTER_RANGE = 0, FEEDBACK_PATH = 0;
    parameter FDA_RELATIVE = 0, FDA_FEEDBACK = 0, DIVR = 0, DIVQ = 0, DIVF = 0;
    parameter DELAY_ADJMODE_REL = 0, DELAY_ADJMODE_FB = 0;
    `ONLY(FEEDBACK_PATH, 1)
    `ONLY(PLLOUT_SELECT_A, 0)
    `NEVER(REFERENCECLK, !RESETB | BYPASS)
    reg [4:0] cycles = 0;
    always @(posedge REFERENCECLK) if (!LOCK) cycles <= cycles + 1;
    assign LOCK = cycles[4];
    assign CLOCK = REFERENCECLK;
endmodule

// A block memory, whose words are 16, 8, 4 or 2 bits as both modes are 0, 1, 2 or 3: the lines of an address above the
// lower eight choose among the words of a row, and their bits are at every 1st, 2nd, 4th or 8th pin.
// Read in the cycle in which it is written a word has any value: here the complement.
module SB_RAM40_4K(
    input [10:0] RADDR, input RCLK, RCLKE = 1, RE = 0,
    input [10:0] WADDR, input [15:0] WDATA, MASK = 0, input WCLK, WCLKE = 1, WE = 0,
    output [15:0] RDATA
);
    parameter READ_MODE = 0, WRITE_MODE = 0;
    parameter [0:0] NEG_CLK_R = 0, NEG_CLK_W = 0;
    parameter [255:0] INIT_0 = 0, INIT_1 = 0, INIT_2 = 0, INIT_3 = 0, INIT_4 = 0, INIT_5 = 0, INIT_6 = 0, INIT_7 = 0;
    parameter [255:0] INIT_8 = 0, INIT_9 = 0, INIT_A = 0, INIT_B = 0, INIT_C = 0, INIT_D = 0, INIT_E = 0, INIT_F = 0;
    `ONLY(NEG_CLK_R, 0)
    `ONLY(NEG_CLK_W, 0)
    `ONLY(READ_MODE, WRITE_MODE)
    `NEVER(WCLK, |MASK)
    localparam WIDTH = 16 >> READ_MODE, STEP = 1 << READ_MODE, FIRST = STEP == 1 ? 0 : STEP / 2 - 1;
    wire clash = WCLKE && WE && WADDR == RADDR;
    reg [15:0] words [0:2047];
    reg [15:0] found;
    wire [15:0] used;
    genvar bit_;
    for (bit_ = 0; bit_ < 16; bit_ = bit_ + 1) assign used[bit_] = bit_ % STEP == FIRST;
    localparam [4095:0] INIT = {
        INIT_F, INIT_E, INIT_D, INIT_C, INIT_B, INIT_A, INIT_9, INIT_8,
        INIT_7, INIT_6, INIT_5, INIT_4, INIT_3, INIT_2, INIT_1, INIT_0
    };
    integer word;
    // A row has its words' bits by turns; so do the pins, but for the first of them.
    initial for (word = 0; word < STEP * 256; word = word + 1)
        words[word] = INIT[16 * (word % 256) +: 16] >> (word / 256) << FIRST;
    always @(posedge WCLK) if (WCLKE && WE) words[WADDR] <= WDATA;
    always @(posedge RCLK) if (RCLKE && RE) found <= words[RADDR] ^ {16{clash}};
    for (bit_ = 0; bit_ < 16; bit_ = bit_ + 1) assign RDATA[bit_] = used[bit_] ? found[bit_] : 1'bx;
endmodule

// A large memory with one port: what it gives in the cycle after a write has no meaning, here the complement of that.
module SB_SPRAM256KA(
    input [13:0] ADDRESS, input [15:0] DATAIN, input [3:0] MASKWREN, input WREN, CHIPSELECT, CLOCK,
    input STANDBY = 0, SLEEP = 0, POWEROFF = 1, output reg [15:0] DATAOUT
);
    `NEVER(CLOCK, STANDBY | SLEEP | !POWEROFF | !CHIPSELECT | !(&MASKWREN))
    reg [15:0] words [0:16383];
    always @(posedge CLOCK) begin
        if (WREN) words[ADDRESS] <= DATAIN;
        DATAOUT <= WREN ? ~DATAIN : words[ADDRESS];
    end
endmodule

// One product of 16 bits or two of 8, signed, with a register behind both operands and one behind the product.
module SB_MAC16(
    input [15:0] A, B, C = 0, D = 0, input CLK, CE = 1,
    input AHOLD = 0, BHOLD = 0, CHOLD = 0, DHOLD = 0, IRSTTOP = 0, IRSTBOT = 0, ORSTTOP = 0, ORSTBOT = 0,
    input OLOADTOP = 0, OLOADBOT = 0, ADDSUBTOP = 0, ADDSUBBOT = 0, OHOLDTOP = 0, OHOLDBOT = 0,
    input CI = 0, ACCUMCI = 0, SIGNEXTIN = 0,
    output [31:0] O, output CO, ACCUMCO, SIGNEXTOUT
);
    parameter [0:0] NEG_TRIGGER = 0, C_REG = 0, A_REG = 0, B_REG = 0, D_REG = 0, MODE_8x8 = 0, A_SIGNED = 0, B_SIGNED = 0;
    parameter [0:0] TOP_8x8_MULT_REG = 0, BOT_8x8_MULT_REG = 0;
    parameter [0:0] PIPELINE_16x16_MULT_REG1 = 0, PIPELINE_16x16_MULT_REG2 = 0;
    parameter [1:0] TOPOUTPUT_SELECT = 0, TOPADDSUB_LOWERINPUT = 0, TOPADDSUB_CARRYSELECT = 0;
    parameter [1:0] BOTOUTPUT_SELECT = 0, BOTADDSUB_LOWERINPUT = 0, BOTADDSUB_CARRYSELECT = 0;
    parameter [0:0] TOPADDSUB_UPPERINPUT = 0, BOTADDSUB_UPPERINPUT = 0;
    `ONLY(NEG_TRIGGER, 0)
    `ONLY(A_REG, 1)
    `ONLY(B_REG, 1)
    `ONLY(A_SIGNED, 1)
    `ONLY(B_SIGNED, 1)
    `ONLY(TOPOUTPUT_SELECT, (MODE_8x8 ? 2 : 3))
    `ONLY(BOTOUTPUT_SELECT, (MODE_8x8 ? 2 : 3))
    `ONLY(TOP_8x8_MULT_REG, MODE_8x8)
    `ONLY(BOT_8x8_MULT_REG, MODE_8x8)
    `ONLY(PIPELINE_16x16_MULT_REG1, 0)
    `ONLY(PIPELINE_16x16_MULT_REG2, !MODE_8x8)
    `NEVER(CLK, !CE | AHOLD | BHOLD | IRSTTOP | IRSTBOT)
    reg signed [15:0] a = 0, b = 0;
    reg [31:0] product = 0;
    wire signed [15:0] top = $signed(a[15:8]) * $signed(b[15:8]);
    wire signed [15:0] bottom = $signed(a[7:0]) * $signed(b[7:0]);
    wire signed [31:0] whole = a * b;
    always @(posedge CLK) begin
        a <= A;
        b <= B;
        product <= MODE_8x8 ? {top, bottom} : whole;
    end
    assign O = product;
endmodule
