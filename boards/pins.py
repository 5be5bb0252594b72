"""Pins as place and route leaves them: those of several bits taken apart, and constants as parameters."""

import re
from typing import Any


def gather(cell: dict[str, Any], bit: re.Pattern[str]) -> None:
    """Make pins of several bits from those of one bit, in place.

    ``bit`` matches the name of a pin of one bit, and its groups are the name of the whole and the number of the bit.
    Inputs that are not there are 0, outputs lead nowhere.
    """
    words: dict[str, dict[int, list[Any]]] = {}
    directions = {}
    for pin, bits in cell["connections"].items():
        match = bit.fullmatch(pin)
        name, index = (match[1], int(match[2])) if match else (pin, 0)
        words.setdefault(name, {})[index] = bits
        directions[name] = cell["port_directions"][pin]
    cell["connections"] = {}
    for name, found in words.items():
        absent = ["0"] if directions[name] == "input" else []
        cell["connections"][name] = [net for index in range(max(found) + 1) for net in found.get(index, absent)]
    cell["port_directions"] = directions


def tie(cell: dict[str, Any]) -> None:
    """Connect inputs without a net that a parameter, the name of the pin and ``MUX``, says to be 0 or 1, in place."""
    pins, parameters = cell["connections"], cell["parameters"]
    for pin, bits in pins.items():
        level = parameters.get(f"{pin}MUX", "").strip()
        if not bits and level in ("0", "1"):
            pins[pin] = [level]
            del parameters[f"{pin}MUX"]
