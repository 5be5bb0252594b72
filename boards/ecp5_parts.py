"""The parts of Lattice's ECP5 family that boards carry (FPGA-DS-02012): four dice, two of them the same."""

from .board import Part
from .ecp5 import ECP5


def _part(device: str, speed: str, package: str) -> Part:
    luts, multipliers, block_rams, soft_cells = _DICE[device.split("-")[1]]
    return Part(
        ECP5,
        device,
        package,
        speed,
        name=f"{device}-{speed}{package}",
        luts=luts,
        multipliers=multipliers,
        block_rams=block_rams,
        large_rams=0,
        soft_cells=soft_cells,
    )


# Look-up tables, multipliers, block memories, cells of the array that may do without: an 8x8 core has 12 of these.
# An LFE5U-12F is the die of the 25F, of which the open tools use everything.
_DICE = {
    "12F": (24288, 28, 56, 12),
    "25F": (24288, 28, 56, 12),
    "45F": (43848, 72, 108, 0),
    "85F": (83640, 156, 208, 0),
}

LFE5U_12F_6BG381 = _part("LFE5U-12F", "6", "BG381")
LFE5U_25F_6BG381 = _part("LFE5U-25F", "6", "BG381")
LFE5U_45F_6BG381 = _part("LFE5U-45F", "6", "BG381")
LFE5U_85F_6BG381 = _part("LFE5U-85F", "6", "BG381")
LFE5U_25F_8MG285 = _part("LFE5U-25F", "8", "MG285")
LFE5U_85F_8MG285 = _part("LFE5U-85F", "8", "MG285")
LFE5UM5G_45F_8BG554 = _part("LFE5UM5G-45F", "8", "BG554")
LFE5UM5G_85F_8BG554 = _part("LFE5UM5G-85F", "8", "BG554")
LFE5UM5G_85F_8BG381 = _part("LFE5UM5G-85F", "8", "BG381")
