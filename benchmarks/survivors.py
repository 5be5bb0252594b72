"""Faults that no test notices, with the reason: ``make mutate`` takes no others."""

SURVIVORS: dict[str, str] = {
    "rtl/compact/drain.py: first = Signal(): reset: Signal() -> Signal(init=1)": (
        "loads the place of the first group a cycle after the reset, too, as it is loaded again when that group begins"
    ),
}
