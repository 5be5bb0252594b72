"""What Yosys does with a design before it knows the family."""

SMALL_PRODUCTS_IN_LUTS = "proc; alumacc t:$mul r:A_WIDTH<=6 %i r:B_WIDTH<=6 %i; maccmap t:$macc*"
"""Products of up to 6x6 bits: synthesis would take a multiplier block for any of two bits or more."""
