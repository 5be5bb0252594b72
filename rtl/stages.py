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
