"""The command line ``fpga-accel``: one command for each step from a float model to an answer of the hardware."""

import gc
import signal
import sys
from types import FrameType

import typer

from . import (
    cli_board,
    cli_check,
    cli_debug,
    cli_demo,
    cli_device,
    cli_devices,
    cli_explore,
    cli_model,
    cli_postroute,
    cli_quantize,
    cli_report,
    cli_run,
    cli_selftest,
    cli_simulate,
)

EXIT_CODES = (
    "Exit codes: 0 done, 1 internal error, 2 usage or bad input, "
    "3 the model does not fit or has nodes that the core cannot run, 4 a device or tool failed."
)

app = typer.Typer(
    name="fpga-accel",
    help="ONNX models on FPGA boards, bit for bit equal to ONNX Runtime.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _example(text: str) -> str:
    return f"Example: fpga-accel {text}"


app.command("check", epilog=_example("check models/digits.onnx"))(cli_check.check)
app.command(
    "quantize",
    epilog=_example("quantize models/digits.onnx --calibration models/digits_calibration.npz -o build/digits.qdq.onnx"),
)(cli_quantize.quantize)
app.command("oracle", epilog=_example("oracle build/digits.qdq.onnx -o build/digits.qop.onnx"))(cli_model.oracle)
app.command("compile", epilog=_example("compile build/digits.qdq.onnx --core 8x8 -o build/digits.fpga"))(
    cli_model.compile_program
)
app.command("explore", epilog=_example("explore build/digits.qdq.onnx --board ulx3s-85f"))(cli_explore.explore)
app.command(
    "run", epilog=_example("run build/digits.fpga --input models/digits_test.npz --device program -o build/logits.npz")
)(cli_run.run)
app.command(
    "evaluate", epilog=_example("evaluate build/digits.fpga --data models/digits_test.npz --device sim --limit 64")
)(cli_run.evaluate)
app.command("simulate", epilog=_example("simulate build/digits.fpga --serve --tcp 0"))(cli_simulate.simulate)
app.command("debug", epilog=_example("debug build/digits.fpga --input models/digits_test.npz"))(cli_debug.debug_core)
app.command(
    "report",
    epilog=_example(
        "report build/digits.qdq.onnx --board ulx3s-85f --input models/digits_test.npz --float models/digits.onnx "
        "-o build/report.html"
    ),
)(cli_report.report)
app.command("devices", epilog=_example("devices"))(cli_devices.devices)
app.command("info", epilog=_example("info serial:/dev/ttyUSB0"))(cli_board.info)
app.command("load", epilog=_example("load build/digits.fpga --device serial:/dev/ttyUSB0"))(cli_device.load)
app.command("profile", epilog=_example("profile build/digits.fpga --device sim"))(cli_device.profile)
app.command("selftest", epilog=_example("selftest sim --core 4x4"))(cli_selftest.selftest)
app.command("bitstream", epilog=_example("bitstream --board ulx3s-85f --model build/digits.fpga --seeds 4"))(
    cli_board.bitstream
)
app.command("flash", epilog=_example("flash --board ulx3s-85f --model build/digits.fpga"))(cli_board.flash)
app.command(
    "postroute",
    epilog=_example("postroute build/digits.qdq.onnx --board tang-nano-20k --input models/digits_test.npz --limit 2"),
)(cli_postroute.postroute)
app.command("boards", epilog=_example("boards"))(cli_board.boards)
app.command("demo", epilog=_example("demo --core 8x8 --images 64 --output build/demo"))(cli_demo.demo)


def _terminate(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def main() -> None:
    """Run the command line."""
    # A model is made of many small objects, which the collector would look through again and again.
    gc.set_threshold(100_000, 50, 50)
    # As an exception, so that temporary files are removed and simulators stopped.
    signal.signal(signal.SIGTERM, _terminate)
    app()
