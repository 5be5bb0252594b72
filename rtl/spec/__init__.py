"""Facts shared by every layer: number rules, geometry, instructions, registers, graph and program formats."""
