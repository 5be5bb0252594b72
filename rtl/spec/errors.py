"""Every failure a user can meet, by kind; the command line turns the kind into its exit code."""


class FpgaAccelError(Exception):
    """A failure with a message for the user: it names the thing concerned and the remedy.

    Members
    -------
    exit_code : int
        Exit code of the command line for this kind of failure.
    """

    exit_code = 1


class BadInput(FpgaAccelError):
    """A file, an array or an argument from the user is not what it must be."""

    exit_code = 2


class DoesNotFit(FpgaAccelError):
    """The model is sound, but has nodes that the core cannot run or is larger than the core."""

    exit_code = 3


class DeviceError(FpgaAccelError):
    """A device is absent, does not answer, or is not the one the program was compiled for."""

    exit_code = 4


class NoDevice(DeviceError):
    """There is no such port, or it may not be opened, or another program has it."""


class NoAnswer(DeviceError):
    """A port is open, and nothing behind it answers in time, or nothing that can be understood."""


class LinkCut(DeviceError):
    """The port went away while it was in use."""


class WrongCore(DeviceError):
    """What answers is no core, one of another version, or another one than the program was compiled for."""


class StillBusy(DeviceError):
    """The core does not come to the end of a run in time."""


class BoardReset(DeviceError):
    """The board was reset, or lost its power, while something was under way; nothing that it holds is a result."""


class Refused(DeviceError):
    """The board understood a request and refuses it, or speaks another version of the link."""


class Upset(DeviceError):
    """Memory does not hold what was written: a weight of a run had changed, and reloading was no remedy."""


class ToolError(FpgaAccelError):
    """An external tool (synthesis, place and route, simulator) is absent or failed."""

    exit_code = 4
