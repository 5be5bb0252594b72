"""What users touch: sessions, devices, builds, the command line.

from fpga_accel import Session

with Session("model.fpga", device="sim") as session:
    (logits,) = session.run(None, {"image": images})
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtl.spec.errors import (
        BadInput,
        BoardReset,
        DeviceError,
        DoesNotFit,
        FpgaAccelError,
        LinkCut,
        NoAnswer,
        NoDevice,
        Refused,
        StillBusy,
        ToolError,
        Upset,
        WrongCore,
    )

    from .open_device import open_device
    from .ports import devices
    from .session import Session

__all__ = [
    "BadInput",
    "BoardReset",
    "DeviceError",
    "DoesNotFit",
    "FpgaAccelError",
    "LinkCut",
    "NoAnswer",
    "NoDevice",
    "Refused",
    "Session",
    "StillBusy",
    "ToolError",
    "Upset",
    "WrongCore",
    "devices",
    "open_device",
]


def __getattr__(name: str) -> Any:
    # Imported when used, so that the command line does not wait for what a command does not need.
    if name == "Session":
        from .session import Session

        return Session
    if name == "devices":
        from .ports import devices

        return devices
    if name == "open_device":
        from .open_device import open_device

        return open_device
    if name in __all__:
        from rtl.spec import errors

        return getattr(errors, name)
    raise AttributeError(f"module 'fpga_accel' has no attribute '{name}'")
