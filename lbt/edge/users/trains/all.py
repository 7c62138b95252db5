"""All: every parameter moves."""

from __future__ import annotations

from lbt.edge.users.trains import Scene


def choose(scene: Scene) -> set[str]:
    """Every parameter."""
    return set(scene.names())
