"""Units of a compact core: what takes the place of the units of the same names in `rtl`.

The cells of a compact core work at the same time, where those of others work one after the other so that nothing has a
longer way than to its neighbour; it begins an instruction of COMPUTE or DRAIN when the one before has come to its end,
so that a register has only what is on its way. The clock is slower for it, and most registers are gone.
"""

from .accumulator import Accumulators
from .compute import Compute
from .drain import Drain
from .fetch import Fetch
from .memory import HostMemory
from .product import Product
from .program_memory import HALVES, ProgramMemory
from .requantize import Requantizer

__all__ = [
    "HALVES",
    "Accumulators",
    "Compute",
    "Drain",
    "Fetch",
    "HostMemory",
    "Product",
    "ProgramMemory",
    "Requantizer",
]
