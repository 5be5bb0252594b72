// The board in simulation: the verilated top level behind a pseudo-terminal, its line bridged bit by bit to rx and tx.
//
// Prints the path of the terminal and then lives until its standard input closes. The clock runs only while there is
// something to do: bytes to send to the board, a byte on its way from it, or an LED that says link or core are at work.
// For each byte on its standard input it prints the cycles that the clock has run, and the seconds that took; an r resets
// the board first, which keeps what its memories hold. It takes no more from a client that does not take its answers.
//
// With a clock the line has the rate that a client gives the terminal, like that of an adapter, and what is sent at a rate
// above the adapter's is lost.

#include <poll.h>
#include <sys/ioctl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmath>
#include <deque>
#include <utility>

#include "Vtop.h"
#include "simulated.h"
#include "verilated.h"

namespace {

constexpr unsigned LED_LINK = 1u << 1;
constexpr unsigned LED_BUSY = 1u << 2;
constexpr unsigned SETTLE_CYCLES = 64;  // from a level on a pin to the LEDs that tell of it
constexpr unsigned POWER_UP_CYCLES = 256;
constexpr unsigned RESET_CYCLES = 16;
constexpr size_t UNREAD_BYTES = 1u << 14;  // that are kept for a client
constexpr unsigned POLL_CYCLES = 256;   // how often a running clock looks at terminal and parent

double now() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

// What a terminal was told last; termios.h has no numbers for rates of its own.
struct Termios2 {
    tcflag_t iflag, oflag, cflag, lflag;
    cc_t line, cc[19];
    speed_t ispeed, ospeed;
};
constexpr unsigned long GET = _IOR('T', 0x2a, Termios2);

// Bytes to the board, each with the cycles of its bits: start bit, eight bits from the lowest, stop bit.
struct Driver {
    unsigned bits = 0;
    double divisor = 1, timer = 0;
    uint16_t shift = 1;
    std::deque<std::pair<uint8_t, double>> queue;

    bool idle() const { return bits == 0 && queue.empty(); }
    bool level() {
        if (timer <= 0) {
            if (bits > 0) { --bits; shift = shift >> 1 | 1u << 15; }
            if (bits == 0 && !queue.empty()) {
                shift = 0xfe00 | queue.front().first << 1;
                divisor = queue.front().second;
                queue.pop_front();
                bits = 10;
            }
            timer = bits == 0 ? 0 : timer + divisor;
        }
        if (timer > 0) --timer;
        return bits == 0 || (shift & 1);
    }
};

// Bytes from the board, sampled in the middle of each bit.
struct Sampler {
    double divisor, timer = 0;
    unsigned bits = 0;
    uint8_t shift = 0;

    bool idle() const { return bits == 0; }
    bool sample(bool level) {
        if (bits == 0) {
            if (!level) { bits = 9; timer = std::floor(1.5 * divisor); }
            return false;
        }
        if (--timer > 0) return false;
        timer += divisor;
        if (--bits > 0) { shift = shift >> 1 | level << 7; return false; }
        return level;
    }
};

}  // namespace

int main(int argc, char** argv) {
    if ((argc != 2 && argc != 4) || atoi(argv[1]) < 1) {
        fprintf(stderr, "usage: %s CYCLES_PER_BIT [CLOCK_HZ FASTEST_RATE]\n", argv[0]);
        return 2;
    }
    const unsigned divisor = atoi(argv[1]);
    const double clock_hz = argc == 4 ? atof(argv[2]) : 0, fastest = argc == 4 ? atof(argv[3]) : 0;

    const Terminal terminal;
    const int master = terminal.master;

    VerilatedContext context;
    Vtop top(&context);
    Driver driver;
    Sampler sampler{double(divisor)};
    std::deque<uint8_t> out;
    uint64_t cycles = 0;
    double seconds = 0;

    top.rst = 0;
    top.rx = 1;
    top.clk = 0;
    top.eval();
    // The board has had its power for a while: its PLL has locked before anybody can ask.
    run(top, POWER_UP_CYCLES);
    printf("%s\n", terminal.path);
    fflush(stdout);
    unsigned quiet = 0, pause = 0;
    while (true) {
        const bool idle = quiet > SETTLE_CYCLES;
        const bool takes = out.size() < UNREAD_BYTES;
        pollfd fds[2] = {{0, POLLIN, 0}, {master, short((takes ? POLLIN : 0) | (out.empty() ? 0 : POLLOUT)), 0}};
        poll(fds, 2, idle ? -1 : 0);
        if (fds[0].revents) {
            char question;
            if (read(0, &question, 1) <= 0) return 0;
            if (question == 'r') {
                top.rst = 1;
                run(top, RESET_CYCLES);
                top.rst = 0;
                quiet = 0;
            }
            printf("%llu %.6f\n", static_cast<unsigned long long>(cycles), seconds);
            fflush(stdout);
        }
        if (fds[1].revents & POLLIN) {
            uint8_t bytes[4096];
            const ssize_t count = driver.queue.size() < sizeof bytes ? read(master, bytes, sizeof bytes) : 0;
            Termios2 told;
            if (clock_hz && ioctl(master, GET, &told) == 0) sampler.divisor = clock_hz / told.ospeed;
            if (!clock_hz || told.ospeed <= fastest)
                for (ssize_t n = 0; n < count; ++n) driver.queue.emplace_back(bytes[n], sampler.divisor);
        }
        while (!out.empty()) {
            uint8_t bytes[256];
            size_t count = 0;
            while (count < sizeof bytes && count < out.size()) { bytes[count] = out[count]; ++count; }
            const ssize_t written = write(master, bytes, count);
            if (written <= 0) break;
            out.erase(out.begin(), out.begin() + written);
        }
        if (idle && driver.idle()) continue;

        const double begin = now();
        for (unsigned n = 0; n < POLL_CYCLES; ++n) {
            top.rx = driver.level();
            run(top, 1);
            if (sampler.sample(top.tx)) { out.push_back(sampler.shift); pause = 0; }
            // Hand over what came when the board pauses: a client that wakes up for each byte is slower than the board.
            if (!out.empty() && sampler.idle() && ++pause > 2 * divisor) n = POLL_CYCLES;
            const bool working = !driver.idle() || !sampler.idle() || !top.tx || (top.leds & (LED_LINK | LED_BUSY));
            quiet = working ? 0 : quiet + 1;
            ++cycles;
        }
        seconds += now() - begin;
    }
}
