"""What core is behind a device, and whether a program was compiled for it."""

from dataclasses import dataclass, fields

from rtl.spec.config import Config
from rtl.spec.errors import WrongCore
from rtl.spec.registers import MAGIC, VERSION, Register

from .device import Device


@dataclass(frozen=True)
class CoreInfo:
    """The identification registers of a device.

    ``sizes`` has the sizes that the registers tell, by their names in :class:`~rtl.spec.config.Config`.
    """

    core_identity: int
    build_identity: int
    clock_hz: int
    sizes: dict[str, int]


def read_core_info(device: Device) -> CoreInfo:
    """Read the identification registers.

    Raises
    ------
    WrongCore
        If there is no core behind the device, or one with another layout of the registers.
    """
    words = [int(word) for word in device.read(0, max(Register) + 1)]
    if words[Register.MAGIC] != MAGIC:
        raise WrongCore(
            f"the device answers, but not as a core of this project: expected the word 0x{MAGIC:08x} at address 0, "
            f"not 0x{words[Register.MAGIC]:08x}; load a bitstream made by 'fpga-accel bitstream'"
        )
    if words[Register.VERSION] != VERSION:
        raise WrongCore(
            f"the core has register layout {words[Register.VERSION]}, this software expects {VERSION}; "
            "build the bitstream with the same version of fpga-accel"
        )
    return CoreInfo(
        core_identity=words[Register.CORE_IDENTITY],
        build_identity=words[Register.BUILD_IDENTITY],
        clock_hz=words[Register.CLOCK_HZ],
        sizes={field.name: words[Register[field.name.upper()]] for field in fields(Config)},
    )


def core_of(info: CoreInfo) -> Config:
    """Return the core that a device says it has.

    Raises
    ------
    WrongCore
        If its identity is not that of its sizes.
    """
    config = Config(**info.sizes)
    check_core(info, config)
    return config


def check_core(info: CoreInfo, config: Config) -> None:
    """Refuse a program for ``config`` on another core.

    Raises
    ------
    WrongCore
        If the identities differ; the message has both, and each size that differs.
    """
    if info.core_identity == config.identity:
        return
    differing = [
        f"{name} {getattr(config, name)} / {size}" for name, size in info.sizes.items() if size != getattr(config, name)
    ]
    raise WrongCore(
        f"the program was compiled for the core {config.name} (identity {config.identity:08x}), the device has "
        f"{info.sizes['rows']}x{info.sizes['columns']} (identity {info.core_identity:08x}); "
        f"sizes of program / device: {', '.join(differing) or 'all equal'}; "
        f"compile for this device, or load a bitstream of the program's core"
    )
