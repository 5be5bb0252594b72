"""Memory plan: a place in activation memory for every tensor, reusing what is no longer needed."""

from collections.abc import Mapping, Sequence

from rtl.spec.config import Config
from rtl.spec.errors import DoesNotFit
from rtl.spec.layout import Placement

from .tile import Operation


def allocate(
    operations: Sequence[Operation],
    inputs: Mapping[str, tuple[int, int, int]],
    outputs: Sequence[str],
    config: Config,
    *,
    keep_tensors: bool,
) -> dict[str, Placement]:
    """Place all tensors, first fit in the order in which they appear.

    ``inputs`` gives the shapes of the graph's inputs; ``outputs`` live to the end, as do all tensors if
    ``keep_tensors``.

    Raises
    ------
    DoesNotFit
        If the activation memory is too small; the message names the layer and the bytes needed.
    """
    end = len(operations)
    last_use = {name: end if keep_tensors or name in outputs else -1 for name in inputs}
    for index, operation in enumerate(operations):
        for source in operation.sources:
            last_use[source] = max(last_use[source], index)
        last_use[operation.output] = end if keep_tensors or operation.output in outputs else index

    placed: dict[str, Placement] = {}
    live: dict[str, Placement] = {}

    def place(name: str, shape: tuple[int, int, int], user: str) -> None:
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

    for name, shape in inputs.items():
        place(name, shape, f"input '{name}'")
    for index, operation in enumerate(operations):
        place(operation.output, operation.out_shape, f"{operation.operator} '{operation.name}'")
        for name in [name for name in live if last_use[name] <= index]:
            del live[name]
    return placed
