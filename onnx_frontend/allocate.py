"""Memory plan: a place in activation memory for every tensor, reusing what is no longer needed."""

from collections.abc import Sequence

from rtl.spec.errors import DoesNotFit
from rtl.spec.layout import Placement

from .plan import Plan


def allocate(plan: Plan, inputs: Sequence[str], outputs: Sequence[str], *, keep_tensors: bool) -> dict[str, Placement]:
    """Place all tensors, first fit in the order in which they appear.

    ``inputs`` are there from the start, ``outputs`` live to the end, as do all tensors of the graph if
    ``keep_tensors``. Constants have their memory alone.

    Raises
    ------
    DoesNotFit
        If the activation memory is too small; the message names the layer and the bytes needed.
    """
    config, end = plan.config, len(plan.operations)
    last_use = dict.fromkeys((*inputs, *plan.constants), -1)
    for index, operation in enumerate(plan.operations):
        for name in (operation.output, *operation.sources):
            last_use[name] = index
    for name in last_use:
        if (keep_tensors and name in plan.tensors) or name in outputs or name in plan.constants:
            last_use[name] = end

    placed: dict[str, Placement] = {}
    live: dict[str, Placement] = {}

    def place(name: str, user: str) -> None:
        shape = plan.shapes[name]
        size = Placement(0, shape).lines(config)
        base = 0
        for other in sorted(live.values(), key=lambda placement: placement.base):
            if base + size <= other.base:
                break
            base = max(base, other.base + other.lines(config))
        if base + size > config.act_words:
            used = sum(placement.lines(config) for placement in live.values())
            raise DoesNotFit(
                f"{user}: activations need {(base + size) * config.rows} bytes, {used * config.rows} of them for "
                f"tensors still in use; core {config.name} has {config.act_words * config.rows}: "
                "choose a core with more activation memory, or a smaller input"
            )
        placed[name] = live[name] = Placement(base, shape)

    for name in plan.constants:
        place(name, f"constant '{name}'")
    for name in inputs:
        place(name, f"input '{name}'")
    for index, operation in enumerate(plan.operations):
        if operation.output not in live:
            place(operation.output, str(plan.layers[operation.layer]))
        for name in [name for name in live if last_use[name] <= index]:
            del live[name]
    return placed
