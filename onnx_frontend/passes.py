"""Passes over the imported graph, Graph to Graph, in the order in which they are applied."""

from dataclasses import replace

from rtl.spec.graph import Graph, Node, Reshape


def finish(graph: Graph) -> Graph:
    """Return the graph after all passes."""
    for each in (fold_input_reshape, drop_unread):
        graph = each(graph)
    return graph


def fold_input_reshape(graph: Graph) -> Graph:
    """Return the graph with a Reshape directly behind an input left to the host, which gives the same bytes."""
    for port in graph.inputs:
        readers = [node for node in graph.nodes if port.tensor in node.inputs]
        shown = any(output.tensor == port.tensor for output in graph.outputs)
        if len(readers) == 1 and isinstance(readers[0], Reshape) and not shown:
            node = readers[0]
            graph = replace(
                graph,
                inputs=tuple(replace(p, tensor=node.output) if p is port else p for p in graph.inputs),
                tensors={name: tensor for name, tensor in graph.tensors.items() if name != port.tensor},
                nodes=tuple(other for other in graph.nodes if other is not node),
            )
    return graph


def drop_unread(graph: Graph) -> Graph:
    """Return the graph without nodes whose results nobody reads (a part of a Split, a tensor seen in another order)."""
    read = {port.tensor for port in graph.outputs}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node.output in read:
            kept.append(node)
            read.update(node.inputs)
    written = {node.output for node in kept} | {port.tensor for port in graph.inputs}
    tensors = {name: tensor for name, tensor in graph.tensors.items() if name in written}
    return replace(graph, nodes=tuple(reversed(kept)), tensors=tensors)
