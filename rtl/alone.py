"""Registers that synthesis must not share."""

ALONE = {"alone": 1}
"""Attributes of a signal that is a register.

Where the same value is needed in many places at once, as at the cells of an anti-diagonal of the array, each place has
its register; synthesis would take equal registers for one, whose wires then reach across the part. A family whose tools
do so looks for this attribute.
"""
