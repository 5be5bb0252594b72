"""Prints a digest of the circuits of a core, for ``mutate.py`` to see whether a fault changes any.

python benchmarks/circuits.py dense|window|compact
"""

import hashlib
import sys
from dataclasses import replace

from amaranth.back import rtlil

from rtl.line import Uart
from rtl.spec.config import core
from rtl.top import Top

CONFIGS = {
    "window": replace(core("4x4"), lanes=2, weight_rows=2, weight_words=256, window=8),
    "dense": replace(core("2x1"), weight_words=256),
    "compact": replace(core("2x2"), lanes=1, weight_words=256, compact=1),
}


def main() -> None:
    """Print it."""
    top = Top(CONFIGS[sys.argv[1]], line=Uart(4), clock_hz=1_000_000, build_identity=0)
    print(hashlib.sha256(rtlil.convert(top, name="top", emit_src=False).encode()).hexdigest())


if __name__ == "__main__":
    main()
