"""Prints a digest of the circuits of cores of all kinds, for ``mutate.py`` to see whether a fault changes any."""

import hashlib
from dataclasses import replace

from amaranth.back import rtlil

from rtl.spec.config import core
from rtl.top import Top

CONFIGS = (
    replace(core("2x1"), weight_words=256),
    replace(core("4x4"), lanes=2, weight_rows=2, weight_words=256, window=8),
    replace(core("2x2"), lanes=1, weight_words=256, compact=1),
)


def main() -> None:
    """Print it."""
    digest = hashlib.sha256()
    for config in CONFIGS:
        top = Top(config, divisor=4, clock_hz=1_000_000, build_identity=0)
        digest.update(rtlil.convert(top, name="top", emit_src=False).encode())
    print(digest.hexdigest())


if __name__ == "__main__":
    main()
