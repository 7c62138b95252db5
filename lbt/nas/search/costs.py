"""Hardware cost of a cell: a score whose larger values are worse.

``weights`` is the weighted sum of the live operations (``SpaceSpec.weights``: multiplications per pixel, in units of
one 1×1 convolution) and works in every space. ``cycles`` and ``energy`` ask :func:`lbt.cost` what a training
step of the cell's network takes on a board, per image; they know NAS-Bench-201's operations only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lbt.errors import LbtError, unknown
from lbt.nas.space import CellSpace, live_edges

NAMES = ("weights", "cycles", "energy")

CHANNELS, IMAGE, BATCH = 16, (3, 32, 32), 32
"""The network that is costed: two cells of 16 channels on CIFAR-sized images, 32 images per training step."""


def cost_function(
    name: str, space: CellSpace, board: str = "zcu102", recipe: str = "int8"
) -> Callable[[np.ndarray], np.ndarray]:
    """Rows (N, L) → cost float64 (N,): weights in 1×1 convolutions, cycles, or joules per image.

    Two cells with equally many live operations of each kind and equally many live nodes do the same work in another
    order, so each such kind of cell is costed once, the first that is asked for. The order moves what a batch norm can
    do while its product runs, and with it cycles and joules by a few percent.

    Raises:
        LbtError: an unknown cost, board or recipe, or a hardware cost of a space that is not NAS-Bench-201.
    """
    if name not in NAMES:
        raise unknown("cost", name, NAMES)
    if name != "weights" and space.name != "nasbench201":
        raise LbtError(f"search.cost: {name} is known for nasbench201 only; for {space.name} use: weights")
    known: dict[tuple[int, ...], float] = {}

    def cost(rows: np.ndarray) -> np.ndarray:
        found = np.empty(len(rows))
        for index, row in enumerate(rows):
            kind = _kind(space, row)
            if kind not in known:
                known[kind] = _weights(space, kind) if name == "weights" else _on_board(space, row, name, board, recipe)
            found[index] = known[kind]
        return found

    return cost


def _kind(space: CellSpace, row: np.ndarray) -> tuple[int, ...]:
    """Live nodes, then how many of each operation are live."""
    edges = live_edges(space.labelled_edges(np.asarray(row, np.int64)), space.nodes)
    if space.spec.operations_on == "edge":
        used = [operation for _, _, operation in edges]
    else:
        used = list({node: operation for _, node, operation in edges if node < space.nodes - 1}.values())
    counts = np.bincount(np.array(used, np.int64), minlength=len(space.operations))
    return (len({node for edge in edges for node in edge[:2]}), *(int(c) for c in counts))


def _weights(space: CellSpace, kind: tuple[int, ...]) -> float:
    given = space.spec.weights
    each = [given.get(n, 0.0 if given else float(n != space.spec.identity)) for n in space.operations]
    return float(np.dot(each, kind[1:]))


def _on_board(space: CellSpace, row: np.ndarray, name: str, board: str, recipe: str) -> float:
    from lbt.hardware import cost
    from lbt.nas.supernet import cell_network

    network = cell_network(space.format(row), CHANNELS, in_channels=IMAGE[0])
    found = cost(network, IMAGE, recipe=recipe, board=board, batch=BATCH, training=True)
    return found.joules_per_image if name == "energy" else found.cycles / BATCH
