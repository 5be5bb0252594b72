"""Faults that no test notices, with the reason: ``make mutate`` takes no others."""

SURVIVORS: dict[str, str] = {}
