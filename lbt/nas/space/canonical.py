"""Cells as lists of edges (from, to, operation): the edges that matter, and a string that equal cells share."""

from __future__ import annotations

from itertools import permutations, product


def live_edges(edges: list[tuple[int, int, int]], nodes: int) -> list[tuple[int, int, int]]:
    """The edges that lie on some path from node 0 to the last node. Edges go from lower to higher numbers."""
    edges = sorted(edges, key=lambda e: (e[1], e[0]))
    forward = {0}
    for i, j, _ in edges:
        if i in forward:
            forward.add(j)
    backward = {nodes - 1}
    for i, j, _ in sorted(edges, key=lambda e: -e[0]):
        if j in backward:
            backward.add(i)
    return [e for e in edges if e[0] in forward and e[1] in backward]


def remove_identity(edges: list[tuple[int, int, int]], identity: int, nodes: int) -> list[tuple[int, int, int]]:
    """The edges without each inner node whose only input is an ``identity`` edge: it is merged with its source."""
    for node in range(1, nodes - 1):
        into = [e for e in edges if e[1] == node]
        if len(into) == 1 and into[0][2] == identity:
            source = into[0][0]
            edges = [(source if i == node else i, j, o) for i, j, o in edges if j != node]
    into = [e for e in edges if e[1] == nodes - 1]
    if len(into) == 1 and into[0][2] == identity and into[0][0] != 0:
        edges = [(i, nodes - 1 if j == into[0][0] else j, o) for i, j, o in edges if j != nodes - 1]
    return edges


def canonical(edges: list[tuple[int, int, int]], nodes: int) -> str:
    """The smallest string over all renumberings of the inner nodes (the graph is a small one: all are tried).

    Nodes are first told apart by how the graph looks from them, so that only nodes that look alike are permuted.
    """
    inner = sorted({n for e in edges for n in e[:2]} - {0, nodes - 1})
    colour = dict.fromkeys(inner, "") | {0: "i", nodes - 1: "o"}
    for _ in range(len(inner)):
        look = {
            n: repr((sorted((o, colour[i]) for i, j, o in edges if j == n),
                     sorted((o, colour[j]) for i, j, o in edges if i == n), colour[n]))
            for n in inner
        }  # fmt: skip
        rank = {text: str(r) for r, text in enumerate(sorted(set(look.values())))}
        colour |= {n: rank[look[n]] for n in inner}
    groups = [[n for n in inner if colour[n] == c] for c in sorted({colour[n] for n in inner})]
    best: str | None = None
    for orders in product(*(permutations(group) for group in groups)):
        number = {0: 0, nodes - 1: nodes - 1}
        number |= {n: position for position, n in enumerate((n for order in orders for n in order), start=1)}
        text = " ".join(f"{i}>{j}:{o}" for i, j, o in sorted((number[i], number[j], o) for i, j, o in edges))
        best = text if best is None or text < best else best
    return best or ""
