// The board in simulation: the verilated top level behind a pseudo-terminal, its line bridged bit by bit to rx and tx.
//
// Prints the path of the terminal and then lives until its standard input closes. The clock runs only while there is
// something to do: bytes to send to the board, a byte on its way from it, or an LED that says link or core are at work.
// For each byte on its standard input it prints the cycles that the clock has run, and the seconds that took; an r resets
// the board first, which keeps what its memories hold. It takes no more from a client that does not take its answers.

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <deque>

#include "Vtop.h"
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

// Bytes to the board: start bit, eight bits from the lowest, stop bit.
struct Driver {
    unsigned divisor, bits = 0, timer = 0;
    uint16_t shift = 1;
    std::deque<uint8_t> queue;

    bool idle() const { return bits == 0 && queue.empty(); }
    bool level() {
        if (timer == 0) {
            timer = divisor;
            if (bits > 0) { --bits; shift = shift >> 1 | 1u << 15; }
            if (bits == 0 && !queue.empty()) {
                shift = 0xfe00 | queue.front() << 1;
                queue.pop_front();
                bits = 10;
            }
            if (bits == 0) timer = 0;
        }
        if (timer > 0) --timer;
        return bits == 0 || (shift & 1);
    }
};

// Bytes from the board, sampled in the middle of each bit.
struct Sampler {
    unsigned divisor, bits = 0, timer = 0;
    uint8_t shift = 0;

    bool idle() const { return bits == 0; }
    bool sample(bool level) {
        if (bits == 0) {
            if (!level) { bits = 9; timer = divisor + divisor / 2; }
            return false;
        }
        if (--timer > 0) return false;
        timer = divisor;
        if (--bits > 0) { shift = shift >> 1 | level << 7; return false; }
        return level;
    }
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2 || atoi(argv[1]) < 1) {
        fprintf(stderr, "usage: %s CYCLES_PER_BIT\n", argv[0]);
        return 2;
    }
    const unsigned divisor = atoi(argv[1]);

    // The terminal stays open on both sides, so that clients may come and go.
    int master, slave;
    char path[256];
    termios raw;
    if (openpty(&master, &slave, path, nullptr, nullptr) != 0) { perror("openpty"); return 1; }
    tcgetattr(slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    fcntl(master, F_SETFL, O_NONBLOCK);
    signal(SIGPIPE, SIG_IGN);

    VerilatedContext context;
    Vtop top(&context);
    Driver driver{divisor};
    Sampler sampler{divisor};
    std::deque<uint8_t> out;
    uint64_t cycles = 0;
    double seconds = 0;

    top.rst = 0;
    top.rx = 1;
    top.clk = 0;
    top.eval();
    // The board has had its power for a while: its PLL has locked before anybody can ask.
    for (unsigned n = 0; n < POWER_UP_CYCLES; ++n) {
        top.clk = 1;
        top.eval();
        top.clk = 0;
        top.eval();
    }
    printf("%s\n", path);
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
                for (unsigned n = 0; n < RESET_CYCLES; ++n) {
                    top.clk = 1;
                    top.eval();
                    top.clk = 0;
                    top.eval();
                }
                top.rst = 0;
                quiet = 0;
            }
            printf("%llu %.6f\n", static_cast<unsigned long long>(cycles), seconds);
            fflush(stdout);
        }
        if (fds[1].revents & POLLIN) {
            uint8_t bytes[4096];
            const ssize_t count = driver.queue.size() < sizeof bytes ? read(master, bytes, sizeof bytes) : 0;
            if (count > 0) driver.queue.insert(driver.queue.end(), bytes, bytes + count);
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
            top.clk = 1;
            top.eval();
            top.clk = 0;
            top.eval();
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
