"""Machines that run a program without hardware: NumPy reference, interpreter, Verilated core."""
