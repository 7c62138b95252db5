"""Random: every image is worth the same chance. The yardstick of the others."""

from __future__ import annotations

from lbt.edge.users.questions import Look


def worth(look: Look) -> float:
    """The image's random number."""
    return look.draw
