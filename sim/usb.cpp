// The board in simulation on USB: the verilated top level at full speed, and a host at a pseudo-terminal.
//
// The host resets the bus, reads the descriptors, takes the first configuration, and moves bytes between the terminal and
// the bulk endpoints of the serial port that it finds there, bit by bit: NRZI, stuffed bits, CRCs, handshakes, frames.
// It prints the path of the terminal once that is done, and lives until its standard input closes. The bus stands still
// while there is nothing to do. What a device must not do ends it with a message.

#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <deque>
#include <vector>

#include "Vtop.h"
#include "simulated.h"
#include "verilated.h"

namespace {

using Bytes = std::vector<uint8_t>;

constexpr unsigned LED_LINK = 1u << 1;
constexpr unsigned LED_BUSY = 1u << 2;
constexpr unsigned TICKS = 4;                 // of 48 MHz in a bit
constexpr unsigned RESET_TICKS = 48 * 10000;  // 10 ms
constexpr unsigned FRAME_TICKS = 48 * 1000;   // 1 ms
constexpr unsigned TURN_BITS = 18;            // in which a device answers
constexpr unsigned QUIET_POLLS = 8;           // of a bulk endpoint that has nothing, before the bus stands still
constexpr unsigned RETRIES = 1000;            // of what a device is not ready for
constexpr size_t PACKET = 64, UNREAD = 1u << 14;

enum Pid : uint8_t { OUT = 0x1, IN = 0x9, SOF = 0x5, SETUP = 0xd, DATA0 = 0x3, DATA1 = 0xb, ACK = 0x2, NAK = 0xa, STALL = 0xe };

[[noreturn]] void fail(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

struct Bus {
    VerilatedContext context;
    Vtop top{&context};
    uint64_t ticks = 0, frame_at = 0;
    unsigned frame = 0;
    bool device_drives = false, device_j = true, device_se0 = false;

    // One cycle of 48 MHz, with the host's levels on the wires unless the device drives them.
    void tick(bool p, bool n) {
        top.d_p = top.oe ? top.d_p_o : p;
        top.d_n = top.oe ? top.d_n_o : n;
        top.clk = top.usb_io_clk = 1;
        top.usb_clk = ticks % TICKS < TICKS / 2;
        top.eval();
        top.clk = top.usb_io_clk = 0;
        top.eval();
        ++ticks;
        device_drives = top.oe;
        device_j = top.d_p_o && !top.d_n_o;
        device_se0 = !top.d_p_o && !top.d_n_o;
    }
    void bits(unsigned count, bool p, bool n) {
        for (unsigned tick_of = 0; tick_of < count * TICKS; ++tick_of) tick(p, n);
    }
    void idle(unsigned count) { bits(count, true, false); }

    void send(const Bytes& bytes) {
        bool level = true;
        unsigned ones = 0;
        const auto bit = [&](bool value) {
            if (!value) level = !level;
            bits(1, level, !level);
        };
        const auto byte = [&](uint8_t value) {
            for (int n = 0; n < 8; ++n) {
                const bool one = value >> n & 1;
                bit(one);
                ones = one ? ones + 1 : 0;
                if (ones == 6) { bit(false); ones = 0; }
            }
        };
        byte(0x80);
        for (uint8_t value : bytes) byte(value);
        bits(2, false, false);
        idle(1);
    }

    // The packet that the device sends within the time that it has, without its synchronization; empty if there is none.
    Bytes receive() {
        unsigned waited = 0;
        while (!device_drives || device_j) {
            if (++waited > TURN_BITS * TICKS) return {};
            tick(true, false);
        }
        tick(true, false);  // into the middle of a bit
        Bytes bytes;
        unsigned ones = 0, count = 0;
        uint8_t shift = 0;
        bool before = true;
        while (!device_se0) {
            if (!device_drives) fail("the device stopped in the middle of a packet");
            const bool one = device_j == before;
            before = device_j;
            if (ones == 6) {
                if (one) fail("the device did not stuff a bit");
                ones = 0;
            } else {
                ones = one ? ones + 1 : 0;
                shift = shift >> 1 | one << 7;
                if (++count % 8 == 0) bytes.push_back(shift);
            }
            for (unsigned n = 0; n < TICKS; ++n) tick(true, false);
        }
        if (count % 8 || bytes.size() < 2 || bytes[0] != 0x80) fail("the device sent %u bits, no packet", count);
        while (device_drives) tick(true, false);
        idle(2);
        bytes.erase(bytes.begin());
        if ((bytes[0] & 0xf) != (~bytes[0] >> 4 & 0xf)) fail("the device sent the packet identifier %02x", bytes[0]);
        return bytes;
    }
};

uint8_t identifier(Pid pid) { return pid | (~pid & 0xf) << 4; }

uint8_t crc5(unsigned value) {
    unsigned crc = 0x1f;
    for (int n = 0; n < 11; ++n) crc = (crc ^ value >> n) & 1 ? crc >> 1 ^ 0x14 : crc >> 1;
    return ~crc & 0x1f;
}

uint16_t crc16(const uint8_t* data, size_t size) {
    uint16_t crc = 0xffff;
    for (size_t at = 0; at < size; ++at) {
        crc ^= data[at];
        for (int n = 0; n < 8; ++n) crc = crc & 1 ? crc >> 1 ^ 0xa001 : crc >> 1;
    }
    return ~crc;
}

struct Host {
    Bus bus;
    uint8_t address = 0, in_end = 0, out_end = 0;
    bool in_toggle = false, out_toggle = false;

    void token(Pid pid, unsigned value) {
        const unsigned word = value | crc5(value) << 11;
        bus.send({identifier(pid), uint8_t(word), uint8_t(word >> 8)});
    }
    void frames() {
        if (bus.ticks < bus.frame_at) return;
        bus.frame_at = bus.ticks + FRAME_TICKS;
        token(SOF, bus.frame++ & 0x7ff);
        bus.idle(4);
    }
    void data(bool toggle, const uint8_t* bytes, size_t size) {
        Bytes packet{identifier(toggle ? DATA1 : DATA0)};
        packet.insert(packet.end(), bytes, bytes + size);
        const uint16_t crc = crc16(bytes, size);
        packet.push_back(crc);
        packet.push_back(crc >> 8);
        bus.send(packet);
    }
    // Whether a packet to an endpoint was taken; false if the device was not ready.
    bool out(Pid pid, unsigned end, bool toggle, const uint8_t* bytes, size_t size) {
        frames();
        token(pid, address | end << 7);
        bus.idle(3);
        data(toggle, bytes, size);
        const Bytes answer = bus.receive();
        bus.idle(3);
        if (answer.empty()) fail("no answer to a packet for endpoint %u", end);
        const uint8_t said = answer[0] & 0xf;
        if (said == STALL) fail("endpoint %u stalled", end);
        if (said != ACK && said != NAK) fail("endpoint %u answered %02x", end, answer[0]);
        return said == ACK;
    }
    // Whether an endpoint gave a packet, whose contents are put behind `to`.
    bool in(unsigned end, bool& toggle, Bytes& to) {
        frames();
        token(IN, address | end << 7);
        const Bytes answer = bus.receive();
        if (answer.empty()) fail("no answer from endpoint %u", end);
        const uint8_t said = answer[0] & 0xf;
        if (said == STALL) fail("endpoint %u stalled", end);
        if (said == NAK) { bus.idle(3); return false; }
        if (said != DATA0 && said != DATA1) fail("endpoint %u sent %02x", end, answer[0]);
        const size_t size = answer.size() - 3;
        if (answer.size() < 3 || crc16(&answer[1], size) != (answer[size + 1] | answer[size + 2] << 8))
            fail("endpoint %u sent a wrong CRC", end);
        if ((said == DATA1) != toggle) fail("endpoint %u sent a packet twice", end);
        toggle = !toggle;
        to.insert(to.end(), answer.begin() + 1, answer.end() - 2);
        bus.send({identifier(ACK)});
        bus.idle(3);
        return true;
    }
    Bytes control(uint8_t type, uint8_t request, unsigned value, unsigned index, Bytes given, unsigned wanted) {
        const unsigned length = type & 0x80 ? wanted : given.size();
        const uint8_t setup[] = {type, request, uint8_t(value), uint8_t(value >> 8), uint8_t(index), uint8_t(index >> 8),
                                 uint8_t(length), uint8_t(length >> 8)};
        if (!out(SETUP, 0, false, setup, sizeof setup)) fail("a setup packet was not taken");
        Bytes got;
        bool toggle = true;
        const auto until = [this](auto done) {
            for (unsigned n = 0; !done(); ++n)
                if (n == RETRIES) fail("endpoint 0 is never ready");
        };
        if (type & 0x80) {
            size_t before;
            do {
                before = got.size();
                until([&] { return in(0, toggle, got); });
            } while (got.size() < wanted && got.size() - before == PACKET);
            until([&] { return out(OUT, 0, true, nullptr, 0); });
            return got;
        }
        if (!given.empty()) until([&] { return out(OUT, 0, true, given.data(), given.size()); });
        toggle = true;
        until([&] { return in(0, toggle, got); });
        if (!got.empty()) fail("a status stage has %zu bytes", got.size());
        return got;
    }
    // Return the vendor and the product.
    std::pair<unsigned, unsigned> enumerate() {
        for (unsigned n = 0; !bus.top.pullup; ++n) {
            if (n == RESET_TICKS) fail("the device does not appear");
            bus.tick(true, false);
        }
        for (unsigned n = 0; n < RESET_TICKS; ++n) bus.tick(false, false);
        bus.idle(100);
        if (control(0x80, 6, 0x100, 0, {}, 8).size() != 8) fail("a short device descriptor");
        control(0x00, 5, 1, 0, {}, 0);
        bus.idle(3000);
        address = 1;
        const Bytes device = control(0x80, 6, 0x100, 0, {}, 18);
        if (device.size() != 18) fail("a device descriptor of %zu bytes", device.size());
        const Bytes head = control(0x80, 6, 0x200, 0, {}, 9);
        const Bytes all = control(0x80, 6, 0x200, 0, {}, head.at(2) | head.at(3) << 8);
        uint8_t kind = 0;
        for (size_t at = 0; at + 1 < all.size() && all[at]; at += all[at]) {
            if (all[at + 1] == 4) kind = all.at(at + 5);
            if (all[at + 1] == 5 && kind == 0x0a) (all.at(at + 2) & 0x80 ? in_end : out_end) = all[at + 2] & 0xf;
        }
        if (!in_end || !out_end) fail("no data endpoints of a serial port");
        control(0x00, 9, head.at(5), 0, {}, 0);
        control(0x21, 0x20, 0, 0, {0x00, 0xc2, 0x01, 0x00, 0, 0, 8}, 0);
        return {device[8] | device[9] << 8, device[10] | device[11] << 8};
    }
};

}  // namespace

int main() {
    const Terminal terminal;
    const int master = terminal.master;

    Host host;
    host.bus.top.rst = 0;
    const auto [vendor, product] = host.enumerate();
    printf("%s\n%04x:%04x\n", terminal.path, vendor, product);
    fflush(stdout);

    std::deque<uint8_t> out;
    Bytes queue, came;
    unsigned quiet = 0;
    while (true) {
        const bool idle = quiet > QUIET_POLLS && queue.empty();
        pollfd fds[2] = {{0, POLLIN, 0}, {master, short((out.size() < UNREAD ? POLLIN : 0) | (out.empty() ? 0 : POLLOUT)), 0}};
        poll(fds, 2, idle ? -1 : 0);
        char byte;
        if (fds[0].revents && read(0, &byte, 1) <= 0) return 0;
        if (fds[1].revents & POLLIN && queue.size() < PACKET) {
            uint8_t bytes[PACKET];
            const ssize_t count = read(master, bytes, sizeof bytes);
            if (count > 0) queue.insert(queue.end(), bytes, bytes + count);
        }
        while (!out.empty()) {
            Bytes bytes(out.begin(), out.end());
            const ssize_t written = write(master, bytes.data(), bytes.size());
            if (written <= 0) break;
            out.erase(out.begin(), out.begin() + written);
        }
        if (idle && queue.empty()) continue;

        if (!queue.empty()) {
            const size_t size = queue.size() < PACKET ? queue.size() : PACKET;
            if (host.out(OUT, host.out_end, host.out_toggle, queue.data(), size)) {
                host.out_toggle = !host.out_toggle;
                queue.erase(queue.begin(), queue.begin() + size);
            }
            quiet = 0;
        }
        came.clear();
        if (host.in(host.in_end, host.in_toggle, came)) quiet = 0;
        out.insert(out.end(), came.begin(), came.end());
        quiet = host.bus.top.leds & (LED_LINK | LED_BUSY) ? 0 : quiet + 1;
    }
}
