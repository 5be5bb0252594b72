"""How a bitstream gets onto a board: which program does it, and with which arguments."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Programmer:
    """A program that is called as ``program [arguments] FILE``.

    Members
    -------
    program : str
        Its name on PATH; `fpga_accel.flash` knows how each is installed.
    ram : tuple of str, or None
        Arguments before the file that load it into the FPGA, where it stays until power goes; None if the board cannot.
    flash : tuple of str
        Arguments before the file that write it to the flash from which the FPGA starts.
    """

    program: str
    ram: tuple[str, ...] | None
    flash: tuple[str, ...]


def open_fpga_loader(board: str, *cable: str) -> Programmer:
    """Return openFPGALoader for what it calls ``board``; ``cable`` are further arguments for both ways."""
    common = ("-b", board, *cable)
    return Programmer("openFPGALoader", ram=common, flash=(*common, "--write-flash"))


def ecpprog() -> Programmer:
    """Return ecpprog, for an ECP5 or a Nexus behind an FTDI's first channel."""
    return Programmer("ecpprog", ram=("-S",), flash=())


def iceprog(*, jumpers: bool = False) -> Programmer:
    """Return iceprog, for an iCE40 behind an FTDI, which is wired to the flash.

    ``jumpers`` if the board has some that wire it to the FPGA itself instead.
    """
    return Programmer("iceprog", ram=("-S",) if jumpers else None, flash=())


def icesprog() -> Programmer:
    """Return icesprog, for an iCESugar, whose debugger writes the flash."""
    return Programmer("icesprog", ram=None, flash=())


def tinyprog() -> Programmer:
    """Return tinyprog, for a TinyFPGA, whose bootloader writes the flash."""
    return Programmer("tinyprog", ram=None, flash=("-p",))


def dfu_util(usb: str, alternate: int) -> Programmer:
    """Return dfu-util for a bootloader, which writes to flash alone.

    ``usb`` is its "vendor:product", and ``alternate`` the number of its setting for the user's bitstream: another one
    may well be the bootloader itself. Named like that, a file needs no suffix of DFU.
    """
    return Programmer("dfu-util", ram=None, flash=("--device", usb, "--alt", str(alternate), "--download"))
