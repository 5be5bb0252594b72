// What the simulated boards have in common: cycles of the one clock, and a pseudo-terminal.

#pragma once

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>

// Runs the clock for so many cycles.
template <class Top>
void run(Top& top, unsigned cycles) {
    for (unsigned n = 0; n < cycles; ++n) {
        top.clk = 1;
        top.eval();
        top.clk = 0;
        top.eval();
    }
}

struct Terminal {
    int master, slave;  // both stay open, so that clients may come and go
    char path[256];

    Terminal() {
        if (openpty(&master, &slave, path, nullptr, nullptr) != 0) { perror("openpty"); exit(1); }
        termios raw;
        tcgetattr(slave, &raw);
        cfmakeraw(&raw);
        tcsetattr(slave, TCSANOW, &raw);
        fcntl(master, F_SETFL, O_NONBLOCK);
        signal(SIGPIPE, SIG_IGN);
    }
};
