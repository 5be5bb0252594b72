"""What travels with each activation word from the sequencer to the accumulators."""

from amaranth.lib import data

from .spec.formats import ACT, FACTOR
from .spec.isa import COUNT


class Beat(data.Struct):
    """One activation word on its way: where its result goes, and how.

    ``first`` begins a step (new weights or factor); ``clear`` overwrites the accumulator; ``last`` ends an
    instruction. ``outside`` makes every channel read as ``pad``. With ``vector`` the word goes through the vector
    lanes: ``own`` takes the weight of each lane, else ``factor``; ``maximum`` keeps the maximum instead of the sum.
    With ``product`` a beat that is ``first`` is not ``valid``: its word, plus ``factor``, becomes the factor of the
    lanes; the words of the others are multiplied less ``pad``.
    """

    valid: 1
    first: 1
    last: 1
    clear: 1
    half: 1
    pixel: 10
    outside: 1
    pad: ACT
    vector: 1
    own: 1
    maximum: 1
    product: 1
    factor: FACTOR


class WindowBeat(data.Struct):
    """One position of the window unit, with the activation word of lane 0.

    Without ``valid`` nothing comes. ``first`` begins a group: the first position of a row, with the taps of the group.
    ``columns`` is the words of a row less one. ``outside`` makes the word read as ``pad``. With ``sum`` there are no
    rows: the second three taps work on the newest words, and count 256 times.
    """

    valid: 1
    first: 1
    outside: 1
    pad: ACT
    sum: 1
    columns: COUNT
