// Cells of a Nexus as nextpnr writes them after routing.
//
// Yosys has models of what goes into place and route (LUT4, WIDEFN9, CCU2, DPR16X4, PDPSC16K, MULT18X18), and none of what
// comes out. These were written from what nextpnr makes of the former, and from the memories and multipliers of an ECP5,
// whose ports these have. There are no delays. Only what the core uses is modelled, and anything else is refused. A pin
// without a net has the level that is the default of the port here.

// A look-up table with its half of a carry chain, or a column of a memory of 16 words. UPPER: it is that of its slice.
module OXIDE_COMB(
    input A = 1, B = 1, C = 1, D = 1, SEL = 1, FCI = 1, F1 = 1,
    input WDI = 1, WAD0 = 1, WAD1 = 1, WAD2 = 1, WAD3 = 1, WRE = 1, WCK = 0,
    output F, FCO, OFX
);
    parameter MODE = "LOGIC";
    parameter [15:0] INIT = 0;
    parameter INJECT = "NO";
    parameter UPPER = 0;
    `ONLY(INJECT, "NO")

    if (MODE == "LOGIC") begin
        assign F = INIT[{D, C, B, A}];
        assign FCO = 1'bx;
    end else if (MODE == "CCU2") begin
        wire four = INIT[{D, C, B, A}];
        wire three = INIT[{1'b0, C, B, A}];
        assign F = four ^ FCI;
        assign FCO = four ? FCI : three;
    end else if (MODE == "DPRAM") begin
        // The lines of a read address, from the lowest on, are D, B, C, A, and in the upper half C, B, D, A.
        if (INIT != 0) $fatal(1, "a memory of look-up tables that holds words from the start on");
        reg words [0:15];
        integer word;
        initial for (word = 0; word < 16; word = word + 1) words[word] = 0;
        always @(posedge WCK) if (WRE) words[{`BITS_4(WAD)}] <= WDI;
        assign F = words[UPPER ? {A, D, B, C} : {A, C, B, D}];
        assign FCO = 1'bx;
    end else begin
        $fatal(1, "MODE %s is not modelled", MODE);
    end
    assign OFX = SEL ? F1 : F;
endmodule

// What brings address and data to the four columns of a memory of 16 words.
module RAMW(
    input A0 = 1, B0 = 1, C0 = 1, D0 = 1, A1 = 1, B1 = 1, C1 = 1, D1 = 1, CLK, LSR = 1,
    output `BITS_4(WADO), `BITS_4(WDO), WCKO, WREO
);
    assign {`BITS_4(WADO)} = {A0, C0, B0, D0};
    assign {`BITS_4(WDO)} = {B1, A1, C1, D1};
    assign WCKO = CLK;
    assign WREO = LSR;
endmodule

// FROM_M: its input is M, which has no look-up table before it.
module OXIDE_FF(input CLK, CE = 1, LSR = 0, DI = 1, M = 1, output reg Q);
    parameter GSR = "ENABLED";
    parameter CEMUX = "CE";
    parameter CLKMUX = "CLK";
    parameter LSRMUX = "LSR";
    parameter LSRMODE = "LSR";
    parameter SRMODE = "LSR_OVER_CE";
    parameter REGSET = "RESET";
    parameter SEL = "DL";
    parameter FROM_M = 0;
    `ONLY(GSR, "DISABLED")
    `ONLY(CLKMUX, "CLK")
    `ONLY(LSRMODE, "LSR")
    `ONLY(SRMODE, "LSR_OVER_CE")
    `ONLY(SEL, "DL")

    initial Q = REGSET == "SET";
    always @(posedge CLK)
        if (LSR ^ (LSRMUX == "INV")) Q <= REGSET == "SET";
        else if (CE ^ (CEMUX == "INV")) Q <= FROM_M ? M : DI;
endmodule

module SEIO33_CORE_INPUT(input B, I = 1, T = 1, I3CRESEN = 1, I3CWKPU = 1, output O);
    assign O = B;
endmodule

module SEIO33_CORE_OUTPUT(input I, T = 0, I3CRESEN = 1, I3CWKPU = 1, output B);
    assign B = I;
    `NEVER(I, T)
endmodule

// A memory written on port A and read on port B, both equally wide; words of 36 bits use the data pins of both.
module OXIDE_EBR(
    input `BITS_18(DIA), `BITS_14(ADA), CLKA, CEA = 1, WEA = 1, RSTA = 0, CSA2 = 1, CSA1 = 1, CSA0 = 1,
    input `BITS_18(DIB), `BITS_14(ADB), CLKB, CEB = 1, WEB = 0, RSTB = 0, CSB2 = 1, CSB1 = 1, CSB0 = 1,
    input DWS4 = 1, DWS3 = 1, DWS2 = 1, DWS1 = 1, DWS0 = 1,
    output `BITS_18(DOA), `BITS_18(DOB)
);
    parameter MODE = "NONE";
    parameter WID = 0;
    parameter DATA_WIDTH_W = "X36";
    parameter DATA_WIDTH_R = "X36";
    parameter OUTREG = "BYPASSED";
    parameter RESETMODE = "SYNC";
    parameter ASYNC_RST_RELEASE = "SYNC";
    parameter CSDECODE_W = "111";
    parameter CSDECODE_R = "111";
    parameter ECC = "DISABLED";
    parameter GSR = "DISABLED";
    parameter CEAMUX = "CEA";
    parameter CEBMUX = "CEB";
    `ONLY(MODE, "PDPSC16K")
    `ONLY(DATA_WIDTH_R, DATA_WIDTH_W)
    `ONLY(OUTREG, "BYPASSED")
    `ONLY(CSDECODE_W, 3'b111)
    `ONLY(CSDECODE_R, 3'b111)
    `ONLY(ECC, "DISABLED")
    `ONLY(GSR, "DISABLED")
    `NEVER(CLKA, RSTA | ~WEA | ~(CSA2 & CSA1 & CSA0))
    `NEVER(CLKB, RSTB | WEB | ~(CSB2 & CSB1 & CSB0))

    localparam WIDTH = DATA_WIDTH_W == "X36" ? 36 : DATA_WIDTH_W == "X18" ? 18 : DATA_WIDTH_W == "X9" ? 9
        : DATA_WIDTH_W == "X4" ? 4 : DATA_WIDTH_W == "X2" ? 2 : 1;
    wire [35:0] read;
    LATTICE_WORDS #(.WIDTH(WIDTH)) words(
        .CLKA, .writing(CEA ^ (CEAMUX == "INV")), .to({`BITS_14(ADA)}), .written({`BITS_18(DIB), `BITS_18(DIA)}),
        .CLKB, .reading(CEB ^ (CEBMUX == "INV")), .from({`BITS_14(ADB)}), .found(read)
    );
    assign {`BITS_18(DOA), `BITS_18(DOB)} = read;
endmodule

// A register of a multiplier, or none.
module MAYBE_REGISTER(CLK, CE, d, q);
    parameter MODE = "BYPASS";
    parameter WIDTH = 1;
    input CLK, CE;
    input [WIDTH-1:0] d;
    output [WIDTH-1:0] q;
    reg [WIDTH-1:0] later = 0;
    always @(posedge CLK) if (CE) later <= d;
    assign q = MODE == "REGISTER" ? later : d;
endmodule

// Half of both operands of a multiplier, the first with or without its register; its own product is not used.
module MULT9_CORE(
    input `BITS_9(A), ASIGNED, `BITS_9(BR), BRSIGNED, CLK, CEA = 1, CEP = 1, RSTA = 0, RSTP = 0, `BITS_9(AS1), ASSIGNED1,
    output `BITS_9(AR), ARSIGNED, `BITS_9(AO), AOSIGNED, `BITS_9(BO), BOSIGNED,
    output P1819, P1818, P1817, P1816, P1815, P1814, P1813, P1812, P1811, P1810, `BITS_9(P18), P189
);
    parameter REGBYPSA1 = "BYPASS";
    parameter REGBYPSA2 = "BYPASS";
    parameter REGBYPSB = "BYPASS";
    parameter SHIFTA = "DISABLED";
    parameter SR_18BITSHIFT_EN = "DISABLED";
    parameter SIGNEDSTATIC_EN = "DISABLED";
    parameter ASIGNED_OPERAND_EN = "DISABLED";
    parameter BYPASS_MULT9 = "USED";
    parameter RESET = "SYNC";
    parameter GSR = "DISABLED";
    `ONLY(REGBYPSA2, "BYPASS")
    `ONLY(REGBYPSB, "BYPASS")
    `ONLY(SHIFTA, "DISABLED")
    `NEVER(CLK, RSTA)
    MAYBE_REGISTER #(.MODE(REGBYPSA1), .WIDTH(10)) register(
        .CLK, .CE(CEA), .d({ASIGNED, `BITS_9(A)}), .q({AOSIGNED, `BITS_9(AO)})
    );
    assign {BOSIGNED, `BITS_9(BO)} = {BRSIGNED, `BITS_9(BR)};
endmodule

// Half of the second operand, with or without its register.
module PREADD9_CORE(
    input `BITS_9(B), BSIGNED, `BITS_9(C), C9, CLK, CEB = 1, CECL = 1, RSTB = 0, RSTCL = 0,
    input `BITS_9(BRS1), BRSS1, `BITS_9(BLS1), BLSS1, PRCASIN,
    output `BITS_9(BR), BRSIGNED, `BITS_9(BRSO), BRSOSGND, `BITS_9(BLSO), BLSOSGND, PRCASOUT
);
    parameter REGBYPSBR0 = "BYPASS";
    parameter REGBYPSBR1 = "BYPASS";
    parameter REGBYPSBL = "BYPASS";
    parameter SHIFTBR = "REGISTER";
    parameter SHIFTBL = "BYPASS";
    parameter SUBSTRACT_EN = "SUBTRACTION";
    parameter SR_18BITSHIFT_EN = "DISABLED";
    parameter SIGNEDSTATIC_EN = "DISABLED";
    parameter PREADDCAS_EN = "DISABLED";
    parameter OPC = "INPUT_B_AS_PREADDER_OPERAND";
    parameter CSIGNED = "DISABLED";
    parameter BYPASS_PREADD9 = "BYPASS";
    parameter RESET = "SYNC";
    parameter GSR = "DISABLED";
    `ONLY(REGBYPSBR1, "BYPASS")
    `ONLY(OPC, "INPUT_B_AS_PREADDER_OPERAND")
    `ONLY(BYPASS_PREADD9, "BYPASS")
    `NEVER(CLK, RSTB)
    MAYBE_REGISTER #(.MODE(REGBYPSBR0), .WIDTH(10)) register(
        .CLK, .CE(CEB), .d({BSIGNED, `BITS_9(B)}), .q({BRSIGNED, `BITS_9(BR)})
    );
endmodule

// The product of 18 bits by 18; those of the halves come in, too, and are not looked at.
module MULT18_CORE(
    input `BITS_9(ARL), `BITS_9(ARH), ARHSIGN, `BITS_9(BRL), `BITS_9(BRH), BRHSIGN, ROUNDEN,
    input SFTCTRL3 = 1, SFTCTRL2 = 1, SFTCTRL1 = 1, SFTCTRL0 = 1,
    input PL1819, PL1818, PL1817, PL1816, PL1815, PL1814, PL1813, PL1812, PL1811, PL1810, `BITS_9(PL18), PL189,
    input PH1819, PH1818, PH1817, PH1816, PH1815, PH1814, PH1813, PH1812, PH1811, PH1810, `BITS_9(PH18), PH189,
    output P3635, P3634, P3633, P3632, P3631, P3630, P3629, P3628, P3627, P3626, P3625, P3624, P3623, P3622, P3621, P3620,
    output P3619, P3618, P3617, P3616, P3615, P3614, P3613, P3612, P3611, P3610, P369, `BITS_9(P36)
);
    parameter MULT18X18 = "DISABLED";
    parameter SFTEN = "DISABLED";
    parameter ROUNDRTZI = "ROUND_TO_ZERO";
    parameter ROUNDHALFUP = "DISABLED";
    parameter ROUNDBIT = "ROUND_TO_BIT0";
    `ONLY(MULT18X18, "ENABLED")
    `ONLY(SFTEN, "DISABLED")
    wire signed [18:0] a = {ARHSIGN & ARH8, `BITS_9(ARH), `BITS_9(ARL)};
    wire signed [18:0] b = {BRHSIGN & BRH8, `BITS_9(BRH), `BITS_9(BRL)};
    wire signed [37:0] product = a * b;
    assign {P3635, P3634, P3633, P3632, P3631, P3630, P3629, P3628, P3627, P3626, P3625, P3624, P3623, P3622, P3621, P3620,
        P3619, P3618, P3617, P3616, P3615, P3614, P3613, P3612, P3611, P3610, P369, `BITS_9(P36)} = product[35:0];
endmodule

// Half of the register behind a product.
module REG18_CORE(input `BITS_18(PM), CLK, CEP = 1, RSTP = 0, output `BITS_18(PP));
    parameter REGBYPS = "BYPASS";
    parameter RESET = "SYNC";
    parameter GSR = "DISABLED";
    `NEVER(CLK, RSTP)
    MAYBE_REGISTER #(.MODE(REGBYPS), .WIDTH(18)) register(.CLK, .CE(CEP), .d({`BITS_18(PM)}), .q({`BITS_18(PP)}));
endmodule

module VCC_DRV(output Z);
    assign Z = 1;
endmodule

// Its clock is that of the simulation.
module OSC_CORE(
    input OSCILLATOR, HFOUTEN = 1, HFSDSCEN, `BITS_9(LFTRMFAB), `BITS_9(HFTRMFAB),
    output HFCLKOUT
);
    parameter HF_OSC_EN = "DISABLED";
    parameter HF_CLK_DIV = "1";
    `ONLY(HF_OSC_EN, "ENABLED")
    assign HFCLKOUT = OSCILLATOR & HFOUTEN;
endmodule

module DCC(input CLKI, CE = 1, output CLKO);
    CLOCK_GATE gate(.CLKI, .CE, .CLKO);
endmodule
