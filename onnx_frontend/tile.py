"""Graph nodes to core operations: what each needs of array, vector lanes and memory, before it has an address."""

from collections.abc import Callable
from typing import Any

from rtl.spec import graph
from rtl.spec.config import Config
from rtl.spec.errors import DoesNotFit

from .operation import Lattice
from .pack import packed_input
from .plan import Plan, image_shape
from .tile_conv import conv, conv_transpose
from .tile_matmul import mat_mul
from .tile_move import move
from .tile_pointwise import binary, channel_affine, rescale, table, unchanged
from .tile_pool import average_pool, max_pool
from .tile_reshape import input_shape, reshape


def constant(node: graph.Constant, plan: Plan) -> None:
    """Plan a Constant: memory that the host writes once."""
    plan.store(node.output, image_shape(plan.tensors[node.output]))
    plan.constants.append(node.output)


TILERS: dict[type[graph.Node], Callable[[Any, Plan], None]] = {
    graph.Add: binary,
    graph.AveragePool: average_pool,
    graph.ChannelAffine: channel_affine,
    graph.Constant: constant,
    graph.Conv: conv,
    graph.ConvTranspose: conv_transpose,
    graph.MatMul: mat_mul,
    graph.MaxPool: max_pool,
    graph.Move: move,
    graph.Mul: binary,
    graph.Rescale: rescale,
    graph.Reshape: reshape,
    graph.Sub: binary,
    graph.Table: table,
}


def tile(model: graph.Graph, config: Config, *, packed: bool) -> Plan:
    """Return the plan of a graph. If ``packed``, the host lays inputs out as patches where that saves cycles.

    Raises
    ------
    DoesNotFit
        If a node needs more than the core has.
    """
    plan = Plan(config, model.tensors)
    for port in model.inputs:
        found = packed_input(port.tensor, model, config.rows) if packed else None
        if found is None:
            plan.store(port.tensor, input_shape(port.tensor, model.tensors, model.nodes))
            continue
        plan.packings[port.tensor], plan.patches[port.tensor] = found
        plan.store(port.tensor, plan.packings[port.tensor].packed)
    for node in model.nodes:
        if type(node) not in TILERS:
            raise DoesNotFit(f"{type(node).__name__} '{node.name}': the compiler has no operation for it")
        TILERS[type(node)](node, plan)
    if not plan.operations:
        _run_nothing(model, plan)
    return plan


def _run_nothing(model: graph.Graph, plan: Plan) -> None:
    """Plan something for a model of constants and Reshapes alone, as a program must have an end."""
    if not model.nodes:
        raise DoesNotFit(f"model '{model.name}': it has no operator")
    node = model.nodes[-1]
    plan.begin(node, type(node).__name__)
    stored, shape = plan.lies(node.output)
    plan.add(stored, (1, shape[1] * shape[2]), Lattice(0, 0, 1), unchanged(stored, shape, plan.config.rows))
