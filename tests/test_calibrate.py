"""The costs of a linear model are found again from what it makes, and none is negative."""

from dataclasses import replace

from calibrate import SIZES, least_squares

import boards
from boards import fit
from boards.board import LutCosts

BOARD = boards.get("ulx3s-85f")
CONFIGS = [replace(BOARD.config, **sizes) for sizes in SIZES]


def luts(costs):
    family = replace(BOARD.part.family, lut_costs=costs)
    return [fit.need(config, replace(BOARD.part, family=family)).luts for config in CONFIGS]


def test_the_measured_cores_tell_the_costs_apart():
    costs = LutCosts(fixed=2000.0, pair=50.0, row=30.0, bank=40.0, lane=500.0, window=700.0)
    found = least_squares(CONFIGS, luts(costs))
    assert luts(found) == luts(costs)
    assert {name: round(value) for name, value in vars(found).items()} == vars(costs)


def test_no_cost_is_negative():
    found = least_squares(CONFIGS, [5000 - 10 * config.lanes for config in CONFIGS])
    assert min(vars(found).values()) >= 0
