"""What runs an attack: a process forked from a warm one, limited in memory and time, that calls the command line."""

import contextlib
import json
import resource
import sys
from pathlib import Path

from fpga_accel import cli

GIB = 1 << 30
SECONDS = 10
"""Of the processor: how many others run beside it does not matter."""


def call(arguments: list[str], folder: Path) -> None:
    """Run the command line as a process of its own would; write what came of it to ``answer.json`` in the folder."""
    # Not RLIMIT_AS, which counts what ONNX Runtime merely maps; this counts what a process can write to.
    resource.setrlimit(resource.RLIMIT_DATA, (GIB, GIB))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    code: object = 1
    sys.argv = ["fpga-accel", *arguments]
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(stack.enter_context((folder / "stdout").open("w"))))
        stack.enter_context(contextlib.redirect_stderr(stack.enter_context((folder / "stderr").open("w"))))
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
    used = resource.getrusage(resource.RUSAGE_SELF)
    answer = {"code": code, "peak": used.ru_maxrss << 10, "seconds": used.ru_utime}
    (folder / "answer.json").write_text(json.dumps(answer))
