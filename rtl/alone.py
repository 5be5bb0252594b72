"""Registers that synthesis must not share."""

from amaranth.hdl import Signal

ALONE = {"alone": 1}
"""Attributes of a signal that is a register.

Where the same value is needed in many places at once, as at the cells of an anti-diagonal of the array, each place has
its register; synthesis would take equal registers for one, whose wires then reach across the part. A family whose tools
do so looks for this attribute.
"""


def take(m, target, value, when):
    """Take ``value`` into the register ``target``, both of one Struct, in the cycle after ``when``.

    Each field has an enable of its own, not far away.
    """
    for name, _ in target.shape().as_shape():
        now = Signal(name=f"now_{name}", attrs=ALONE)
        m.d.sync += now.eq(when)
        with m.If(now):
            m.d.sync += target[name].eq(value[name])
