// What the models of several families need; it comes before them.

`define ONLY(PARAMETER, VALUE) \
    if (PARAMETER != VALUE) $fatal(1, `"PARAMETER must be %s, not %s`", VALUE, PARAMETER);
`define NEVER(CLOCK, SIGNAL) \
    always @(posedge CLOCK) if (SIGNAL) $fatal(1, "%m: a pin has a level that is not modelled");
`define BITS_4(NAME) NAME``3, NAME``2, NAME``1, NAME``0
`define BITS_9(NAME) NAME``8, NAME``7, NAME``6, NAME``5, NAME``4, `BITS_4(NAME)
`define BITS_14(NAME) NAME``13, NAME``12, NAME``11, NAME``10, NAME``9, `BITS_9(NAME)
`define BITS_18(NAME) NAME``17, NAME``16, NAME``15, NAME``14, `BITS_14(NAME)

// The words of one of Lattice's memories of 18 Kbit, written on port A and read on port B, both equally wide. The low
// lines of an address enable bytes of words of 18 bits and more. Read in the cycle in which it is written a word has any
// value: here the complement.
module LATTICE_WORDS(
    input CLKA, writing, input [13:0] to, input [35:0] written, input CLKB, reading, input [13:0] from,
    output [35:0] found
);
    parameter WIDTH = 36;
    localparam LINES = WIDTH == 36 ? 5 : WIDTH == 18 ? 4 : WIDTH == 9 ? 3 : $clog2(WIDTH);
    localparam BYTES = WIDTH > 9 ? WIDTH / 9 : 1;

    wire [3:0] enabled = BYTES == 1 ? 4'b1 : to[3:0] & ((1 << BYTES) - 1);
    wire clash = writing && enabled != 0 && to >> LINES == from >> LINES;

    reg [WIDTH-1:0] words [0:(1 << (14 - LINES)) - 1];
    reg [WIDTH-1:0] early = 0;
    integer i;
    initial for (i = 0; i < 1 << (14 - LINES); i = i + 1) words[i] = 0;
    always @(posedge CLKA) if (writing)
        for (i = 0; i < WIDTH; i = i + 1) if (enabled[i / 9]) words[to >> LINES][i] <= written[i];
    always @(posedge CLKB) if (reading) early <= clash ? ~words[from >> LINES] : words[from >> LINES];
    assign found = 36'(early);
endmodule

// A gate for a clock.
module CLOCK_GATE(input CLKI, CE, output CLKO);
    reg open = 0;
    always @(negedge CLKI) open <= CE;
    assign CLKO = CLKI & open;
endmodule
