"""Claims about the link: what a damaged frame leads to."""

from typing import Any

from amaranth.hdl import Signal

from rtl.frames import FrameReceiver

from .harness import Claim, Harness, opened


def damaged_frames(harness: Harness) -> None:
    """A receiver shows a request only if the CRC was right at its end, and nothing that came while it had one."""
    m = harness.m
    unit = harness.unit(FrameReceiver())
    module = opened(unit, "crc", "words")
    right = harness.anything(1, "right")
    m.d.comb += module.submodules.crc.match_detected.eq(right)
    valid = harness.anything(1, "valid")
    end, bad = harness.anything(1, "end"), harness.anything(1, "bad")
    gap = Signal(2)
    m.d.comb += unit.i.valid.eq(valid & (gap == 0))
    m.d.comb += unit.i.payload.byte.eq(harness.anything(8, "byte"))
    m.d.comb += [unit.i.payload.end.eq(end), unit.i.payload.bad.eq(bad)]
    with m.If(unit.i.valid):
        m.d.sync += gap.eq(3)
    with m.Elif(gap != 0):
        m.d.sync += gap.eq(gap - 1)
    harness.free(unit.done, "done")
    harness.free(unit.data_at, "data_at")
    # The end of a frame, and what was so a cycle later, when it is looked at.
    sound = Signal()
    bytes_of_frame = Signal(5)
    in_frame = unit.i.valid & ~end
    with m.If(unit.i.valid & end):
        m.d.sync += bytes_of_frame.eq(0)
    with m.Elif(in_frame & (bytes_of_frame != 31)):
        m.d.sync += bytes_of_frame.eq(bytes_of_frame + 1)
    m.d.comb += sound.eq(unit.i.valid & end & ~bad & (bytes_of_frame >= 10))
    judged = harness.past(sound, 2, "sound")
    rises = unit.pending & ~harness.past(unit.pending, 1, "pending")
    harness.check(harness.past(judged & harness.past(right, 1, "right"), 1, "judged"), rises)
    # What is kept stays as it is.
    kept = harness.past(unit.header.as_value(), 1, "header")
    harness.check(unit.header.as_value() == kept, unit.pending & ~rises)


def _believe(m: Any, unit: Any) -> None:
    """Plant a fault: every end makes a request."""
    with m.If(unit.i.valid & unit.i.payload.end):
        m.d.sync += unit.pending.eq(1)


LINK = (
    Claim(
        "damaged-frames",
        "a frame becomes a request only if its CRC is right, and the request is kept as it is",
        48,
        damaged_frames,
        (FrameReceiver, _believe),
    ),
)
