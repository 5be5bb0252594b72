"""The command selftest."""

from typing import Annotated, Any

import typer

from rtl.spec.errors import BadInput, DeviceError

from .cli_model import BoardOption, CoreOption, chosen_core
from .cli_run import BaudOption
from .console import Answer, DebugOption, JsonOption, answers, count, table
from .open_device import check_device_name, device_options, open_device
from .progress import Progress


@answers
def selftest(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="program, sim or serial:PORT.")],
    board: BoardOption = None,
    core: CoreOption = None,
    baud: BaudOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Try every unit and memory of a core, and name the first that is wrong; what was loaded there is lost."""
    from . import selftest as test
    from .identity import core_of, read_core_info

    check_device_name(device)
    if device == "numpy":
        raise BadInput("device 'numpy': has no core to test; expected program, sim or serial:PORT")
    is_board = device.startswith("serial:")
    if is_board and (board or core):
        raise BadInput(f"device '{device}': a board says itself which core it has; leave --board and --core out")
    config = None if is_board else chosen_core(board, core)
    options: dict[str, Any] = device_options(device, baud)
    with Progress(stages=2) as progress:
        progress.stage(f"open {device}")
        if device == "sim":
            options["note"] = progress
        with open_device(device, config, **options) as opened:
            config = core_of(read_core_info(opened))
            progress.stage("test")
            checks = list(test.selftest(opened, config, progress))
    wrong = [check for check in checks if check.different]
    rows = [
        (check.name, check.what, count(check.compared), count(check.different), check.first or "-") for check in checks
    ]
    total = count(sum(check.compared for check in checks))
    verdict = f"selftest passed: core {config.name} on {device}, {total} values compared"
    if wrong:
        verdict = (
            f"selftest FAILED: core {config.name} on {device}, {len(wrong)} of {len(checks)} checks; "
            f"first '{wrong[0].name}' ({wrong[0].what}): {wrong[0].first}"
        )
    return Answer(
        {"device": device, "core": config.name, "passed": not wrong, "checks": [vars(check) for check in checks]},
        [table("Self-test", ("check", "of", "compared", "different", "first difference"), rows), verdict],
        exit_code=DeviceError.exit_code if wrong else 0,
    )
