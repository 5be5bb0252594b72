"""A signal in the cycles after: registers one behind another."""

from amaranth.hdl import Signal


def stages(m, name, signal, count):
    """Return ``signal`` and what it is 1 to ``count`` cycles later, in registers ``name_0``, ... of ``m``."""
    line = [signal]
    for stage in range(count):
        later = Signal(signal.shape(), name=f"{name}_{stage}")
        m.d.sync += later.eq(line[-1])
        line.append(later)
    return line


def piped(m, name, signal, count=1):
    """Return ``signal`` as it is ``count`` cycles later, through registers ``name_0``, ... that no reset reaches."""
    for stage in range(count):
        later = Signal(signal.shape(), name=f"{name}_{stage}", reset_less=True)
        m.d.sync += later.eq(signal)
        signal = later
    return signal
