"""Norms: scale and offset of every batch norm move (as in Tent, arXiv 2006.10726)."""

from __future__ import annotations

from lbt.edge.users.trains import Scene
from lbt.errors import LbtError


def choose(scene: Scene) -> set[str]:
    """The parameters of the norms.

    Raises:
        LbtError: the network has none.
    """
    from lbt.nn.norms import norm_layers

    norms = {id(norm) for norm in norm_layers(scene.network)}
    paths = {path for path, module in scene.network.named_modules() if id(module) in norms}
    if not paths:
        raise LbtError(f"train: norms: {type(scene.network).__name__} has no batch norm; try biases or last")
    return {name for name in scene.names() if name.rpartition(".")[0] in paths}
