"""Faults that no test notices, with the reason: ``make mutate`` takes no others."""

SURVIVORS: dict[str, str] = {
    "rtl/compact/drain.py: first = Signal(): reset: Signal() -> Signal(init=1)": (
        "loads the place of the first group a cycle after the reset, too, as it is loaded again when that group begins"
    ),
    "rtl/compact/drain.py: m.d.comb += self.o_half.eq(now.half): register: m.d.comb -> m.d.sync": (
        "the instruction is there a cycle before it begins, and until its last position was read"
    ),
    "rtl/registers.py: to_run, to_output, to_free, new, begin = Signal(), Signal(), Signal(), Signal(), Signal(): "
    "reset: Signal() -> Signal(init=1)": (
        "RUN seems to be written in the first cycle, with the number that it has: no run begins, as `new` is 0"
    ),
    'rtl/requantize.py: below = piped(m, "below", moved < low): operator: moved < low -> (moved <= low)': (
        "what equals the bound is the bound"
    ),
    "rtl/ram.py: m.d.comb += read.en.eq(1): register: m.d.comb -> m.d.sync": (
        "but for the first cycle it is 1 all the same, and nothing is read in that"
    ),
    "rtl/sequencer.py: running = Signal(): reset: Signal() -> Signal(init=1)": (
        "the start of a run sets it to 0, and what is accumulated before that is overwritten"
    ),
    "rtl/drain_loops.py: last_column, last_row = Signal(), Signal(): reset: Signal() -> Signal(init=1)": (
        "both are loaded when the loops begin, and mean nothing while `valid` is 0"
    ),
    "rtl/registers.py: time, cycles = Signal(32), Signal(32): width: 32 -> 31": (
        "tells from a run of 2**31 cycles on, which at 100 MHz takes 21 s and in simulation days: a fault, but untested"
    ),
}
