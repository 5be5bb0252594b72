"""A simulated circuit as a function of arrays: a row of inputs for each clock cycle, and a row of outputs after it."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from amaranth.lib import wiring

from sim import verilog

MAIN = """
#include <cstdint>
#include <cstdio>
#include "Vtop.h"

int main() {
    Vtop top;
    uint32_t in[INPUTS];
    while (fread(in, sizeof in, 1, stdin) == 1) {
        ASSIGNMENTS
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
        uint32_t out[] = {OUTPUTS};
        fwrite(out, sizeof out, 1, stdout);
    }
}
"""


def build(
    component: wiring.Component,
    name: str,
    folder: Path,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    sources: Sequence[Path],
    libraries: Sequence[Path] = (),
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from integers (cycles, inputs) to integers (cycles, outputs), which are unsigned.

    Ports have at most 32 bits, of which an input's higher ones do not count. Of ``sources``, Verilog files, the
    component takes modules by name, of ``libraries`` those that are still missing. The first cycle of each call is that
    of a circuit that was just switched on.
    """
    assignments = [
        f"top.{port} = in[{index}] & {(1 << len(getattr(component, port))) - 1:#x}u;"
        for index, port in enumerate(inputs)
    ]
    text = MAIN.replace("INPUTS", str(len(inputs))).replace("ASSIGNMENTS", "\n        ".join(assignments))
    main = folder / "main.cpp"
    main.write_text(text.replace("OUTPUTS", ", ".join(f"uint32_t(top.{port})" for port in outputs)))
    program = verilog.build_program(component, name, main, sources=sources, libraries=libraries)

    def run(given: np.ndarray) -> np.ndarray:
        cycles = (given & 0xFFFFFFFF).astype(np.uint32)
        assert cycles.shape[1:] == (len(inputs),)
        result = subprocess.run([program], input=cycles.tobytes(), stdout=subprocess.PIPE, check=True)
        return np.frombuffer(result.stdout, np.uint32).reshape(len(given), len(outputs)).astype(np.int64)

    return run
