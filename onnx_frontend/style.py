"""Ways to lay out a program in time, of which the compiler takes the fastest that fits."""

from dataclasses import dataclass

from rtl.spec.config import Config


@dataclass(frozen=True)
class Style:
    """One way.

    Members
    -------
    ends : tuple
        The rows at which a grid is cut that nothing else cuts, as fractions of its height.
    alternate : bool
        Whether COMPUTE takes a short job after a long one and a long one after a short one, if it has the choice, so
        that the accumulators of the short one are written meanwhile; else the order is that of the plan.
    all_cut : bool
        Whether operations that read several blocks of channels are cut as well, though they could begin with the first
        blocks.
    ahead : int
        How many operations that are not done are looked at for what may be next.
    """

    ends: tuple[float, ...]
    alternate: bool
    all_cut: bool
    ahead: int


PLAIN = Style((), alternate=False, all_cut=False, ahead=1)
"""The order of the plan."""
EAGER = Style((1 / 3, 2 / 3), alternate=False, all_cut=False, ahead=8)
ENDS = ((1 / 3, 2 / 3), (0.42, 0.78), (0.3, 0.55, 0.8), (0.25, 0.5, 0.7, 0.85), (0.15, 0.35, 0.55, 0.75, 0.9))
"""The last chunk small: the next operation waits for it alone. The first large: those of the next end before it."""


def styles(config: Config) -> tuple[Style, ...]:
    """Return the styles to try on a core, other than `PLAIN`."""
    if not config.window:
        return (EAGER,)
    return tuple(
        Style(ends, alternate, all_cut, EAGER.ahead)
        for ends in ENDS
        for alternate in (False, True)
        for all_cut in (False, True)
    )
