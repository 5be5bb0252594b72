"""Which boards hold a model: found out by compiling it for the core of each."""

from dataclasses import dataclass

import boards
from onnx_frontend.partition import compile_plan
from rtl.spec.config import Config
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
    known = [boards.get(name) for name in boards.names()]
    answers = {config: _answer(plan, config) for config in {board.config for board in known}}
    return [Held(board.name, board.config.name, *answers[board.config]) for board in known]


def _answer(plan: Plan, config: Config) -> tuple[int | None, str]:
    """Return the cycles on a core, or why it does not hold the plan."""
    try:
        return compile_plan(plan, config).cycles, ""
    except FpgaAccelError as error:
        return None, str(error)
