"""Joint: every image stays, and is learnt beside the new ones; the upper bound, whose bytes grow without end."""

from __future__ import annotations

from lbt.edge.incremental.methods import replay
from lbt.edge.incremental.options import Rehearsed


class Options(Rehearsed):
    """Everything is kept."""


class Method(replay.Method):
    """Replay without a bound."""
