"""Tables into the layer before: DRAIN looks bytes up on their way to memory, which takes no time."""

import dataclasses
from collections.abc import Set

from .operation import Operation
from .plan import Plan


def fuse_tables(plan: Plan, kept: Set[str]) -> None:
    """Let the operations before a Table write its output, where nothing else reads theirs and it is not ``kept``.

    The tensor between them is in memory no more, and the two nodes are one layer.
    """
    index = 0
    while index < len(plan.operations):
        table = plan.operations[index]
        producers = _producers(plan, table, kept)
        if not producers:
            index += 1
            continue
        (between,) = table.sources
        for number in producers:
            plan.operations[number] = dataclasses.replace(
                plan.operations[number], output=table.output, table=table.table
            )
        del plan.operations[index]
        del plan.shapes[between]
        plan.stored = {name: stored for name, stored in plan.stored.items() if stored != between}
        _join_layers(plan, plan.operations[producers[-1]].layer, table.layer)


def _producers(plan: Plan, table: Operation, kept: Set[str]) -> list[int]:
    """Return the operations before a Table that can do its work; none if they cannot."""
    if not table.table or plan.layers[table.layer].operator != "Table":
        return []
    (between,) = table.sources
    readers = [each for each in plan.operations if between in each.sources]
    producers = [number for number, each in enumerate(plan.operations) if each.output == between]
    writers = [plan.operations[number] for number in producers]
    # What an operation keeps of its own output would go through the table twice.
    alone = all(each.table == 0 and between not in each.tensors for each in writers)
    return producers if len(readers) == 1 and between not in kept and alone else []


def _join_layers(plan: Plan, layer: int, table: int) -> None:
    """Make the layer of a Table part of another one."""
    first, second = plan.layers[layer], plan.layers[table]
    plan.layers[layer] = dataclasses.replace(first, operator=f"{first.operator}, {second.operator}")
    del plan.layers[table]
    for number, each in enumerate(plan.operations):
        if each.layer > table:
            plan.operations[number] = dataclasses.replace(each, layer=each.layer - 1)
