"""Which boards hold a model: found out by compiling it for the core of each."""

from dataclasses import dataclass

import boards
from onnx_frontend.partition import compile_plan
from rtl.spec.errors import FpgaAccelError
from rtl.spec.plan import Plan


@dataclass(frozen=True)
class Held:
    """A board, the size of its core, the cycles of one sample on it, or (None) the reason why it does not hold it."""

    board: str
    core: str
    cycles: int | None
    reason: str


def holds(plan: Plan) -> list[Held]:
    """Return what each known board says to a plan that is not compiled."""
    result = []
    for name in boards.names():
        config = boards.get(name).config
        try:
            result.append(Held(name, config.name, compile_plan(plan, config).cycles, ""))
        except FpgaAccelError as error:
            result.append(Held(name, config.name, None, str(error)))
    return result
