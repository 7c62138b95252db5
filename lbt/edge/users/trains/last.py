"""Last: the last n layers move, with the norms behind them; without a number as many as the budgets allow."""

from __future__ import annotations

from lbt.edge.users.trains import Scene
from lbt.errors import LbtError


def choose(scene: Scene) -> set[str]:
    """The parameters of the last layers.

    Raises:
        LbtError: there are not so many layers.
    """
    blocks = scene.blocks()
    if scene.last is not None:
        if scene.last > len(blocks):
            raise LbtError(f"last: found {scene.last}; accepted: 1 to {len(blocks)}, the layers of this network")
        return {name for block in blocks[-scene.last :] for name in block}
    chosen: set[str] = set(blocks[-1])
    for block in reversed(blocks[:-1]):
        if not scene.fits(chosen | set(block)):
            break
        chosen |= set(block)
    return chosen
