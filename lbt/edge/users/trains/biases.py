"""Biases: those of layers and the offsets of norms move (as in TinyTL, Cai et al. 2020, arXiv 2007.11622).

A bias's gradient needs no activation, but lbt's account of memory counts a layer's input for it (``Account.peak``).
"""

from __future__ import annotations

from lbt.edge.users.trains import Scene


def choose(scene: Scene) -> set[str]:
    """The parameters that are called bias."""
    return {name for name in scene.names() if name.rpartition(".")[2] == "bias"}
