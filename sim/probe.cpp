// A core in simulation, cycle by cycle: writes what the host writes, lets it run, and keeps what its probes say.
//
// usage: probe WRITES RECORDS CYCLES
//
// WRITES is a file of pairs of 32-bit words, address and data. One is written every other cycle, the last to RUN. Then
// `record`, the vector of all probes, goes to the file RECORDS in each cycle in which the core is busy, CYCLES at most,
// and in some behind them: the last lanes work after the first one.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "Vtop.h"
#include "verilated.h"

namespace {

constexpr unsigned START_CYCLES = 64;  // from the last write to a core that is busy
constexpr unsigned LAST_CYCLES = 32;   // that are kept of the time after it

bool step(Vtop& top) {
    top.clk = 1;
    top.eval();
    top.clk = 0;
    top.eval();
    return top.busy;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s WRITES RECORDS CYCLES\n", argv[0]);
        return 2;
    }
    FILE* writes = fopen(argv[1], "rb");
    FILE* records = fopen(argv[2], "wb");
    if (!writes || !records) {
        perror("probe");
        return 1;
    }
    VerilatedContext context;
    Vtop top(&context);
    top.rst = 0;
    top.clk = 0;
    top.i_write = 0;
    top.eval();
    uint32_t pair[2];
    while (fread(pair, sizeof pair, 1, writes) == 1) {
        top.i_address = pair[0];
        top.i_data = pair[1];
        top.i_write = 1;
        step(top);
        // Address and data stand still for another cycle.
        top.i_write = 0;
        step(top);
    }
    unsigned waited = 0;
    while (!top.busy && waited++ < START_CYCLES) step(top);
    const uint64_t limit = strtoull(argv[3], nullptr, 0);
    unsigned left = LAST_CYCLES;
    for (uint64_t cycle = 0; left > 0 && cycle < limit; ++cycle) {
        fwrite(&top.record[0], sizeof top.record, 1, records);
        if (!step(top)) --left;
    }
    return fclose(records) == 0 ? 0 : 1;
}
