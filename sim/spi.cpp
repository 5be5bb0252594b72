// The board in simulation behind a serial peripheral interface: the verilated top level, its controller at standard input.
//
// Of each transfer it reads the number of bytes, 32 bits, the lowest byte first, and the bytes; it writes the bytes that
// came meanwhile. The clock runs during transfers alone, and a little before and after each, while the board is not chosen.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <vector>

#include "Vtop.h"
#include "simulated.h"
#include "verilated.h"

namespace {

constexpr unsigned POWER_UP_CYCLES = 256;
constexpr unsigned APART_CYCLES = 16;  // between transfers

bool read_all(void* to, size_t size) { return fread(to, 1, size, stdin) == size; }

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2 || atoi(argv[1]) < 2) {
        fprintf(stderr, "usage: %s CYCLES_PER_BIT\n", argv[0]);
        return 2;
    }
    const unsigned low = atoi(argv[1]) / 2, high = atoi(argv[1]) - low;

    VerilatedContext context;
    Vtop top(&context);
    top.rst = 0;
    top.cs_n = 1;
    top.sck = 0;
    top.sdi = 0;
    top.clk = 0;
    top.eval();
    run(top, POWER_UP_CYCLES);

    uint8_t length[4];
    std::vector<uint8_t> bytes;
    while (read_all(length, sizeof length)) {
        bytes.resize(length[0] | length[1] << 8 | length[2] << 16 | uint32_t(length[3]) << 24);
        if (!read_all(bytes.data(), bytes.size())) break;
        top.cs_n = 0;
        for (uint8_t& byte : bytes) {
            uint8_t came = 0;
            for (int bit = 7; bit >= 0; --bit) {
                top.sck = 0;
                top.sdi = byte >> bit & 1;
                run(top, low);
                came = came << 1 | (top.sdo & 1);
                top.sck = 1;
                run(top, high);
            }
            byte = came;
        }
        top.sck = 0;
        run(top, low);
        top.cs_n = 1;
        run(top, APART_CYCLES);
        fwrite(bytes.data(), 1, bytes.size(), stdout);
        fflush(stdout);
    }
    return 0;
}
