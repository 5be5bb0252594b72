"""Commands for Yosys that several families need before it maps a design to their cells."""

SMALL_PRODUCTS_IN_LUTS = "proc; alumacc t:$mul r:A_WIDTH<=6 %i r:B_WIDTH<=6 %i; maccmap t:$macc*"
"""Products of up to 6x6 bits: synthesis would take a multiplier block for any of two bits or more."""
