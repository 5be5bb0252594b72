"""The inference core in Amaranth HDL, one unit a file."""
