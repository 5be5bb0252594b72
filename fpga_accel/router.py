"""nextpnr's router2 while it works: whether it still comes nearer to its end."""

import re

PATIENCE = 100
"""Iterations without a new best after which a router is stuck; one that ends has new ones every few iterations."""
TIMING_DRIVEN = "--tmg-ripup"
"""Option of nextpnr with which the router also ends no sooner than all wires are in time."""

_ITERATION = re.compile(r"iter=\d+ wires=\d+ overused=(\d+) overuse=\d+(?: tmgfail=(\d+))?")


def is_stuck(log: str) -> bool:
    """Tell from nextpnr's log whether fewer wires were overused or late at some time long ago than ever since."""
    left = [int(overused) + int(late or 0) for overused, late in _ITERATION.findall(log)]
    return bool(left) and len(left) - 1 - left.index(min(left)) >= PATIENCE
