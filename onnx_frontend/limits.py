"""The most that a model file may ask for: what lies beyond is refused before anything is allocated for it."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits for one model. The defaults are far above any model that a small FPGA holds.

    Members
    -------
    file_bytes : int
        Of the file, and of the external data beside it, together. 512 MiB unless said otherwise.
    fields : int
        Fields of the file's protobuf encoding, weights not counted: a node takes about 15.
    nesting : int
        Messages inside messages: 8 is usual, and each level of a subgraph or of a type adds some.
    nodes : int
        After local functions are inlined. MobileNet has some 120, a small transformer some hundreds; the time that a
        model takes grows with them.
    """

    file_bytes: int = 512 * MIB
    fields: int = 1_000_000
    nesting: int = 24
    nodes: int = 4_000


TENSOR_ELEMENTS = 1 << 26
"""Of one tensor that is declared or computed, for one sample (or the batch that is written in the model)."""
TOTAL_ELEMENTS = 1 << 28
"""Of all computed tensors together."""
SHAPE_ELEMENTS = 1 << 16
"""Of all computed lists of whole numbers together, which shape inference keeps number by number."""
FOLDED_ELEMENTS = 1 << 20
"""Of a constant that is computed while a model is simplified."""
