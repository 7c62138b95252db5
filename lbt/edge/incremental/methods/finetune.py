"""Finetune: each batch is learnt and forgotten; the lower bound."""

from __future__ import annotations

from lbt.edge.incremental.learner import Learner
from lbt.edge.incremental.options import Options as Options


class Method(Learner):
    """Cross-entropy of the batch alone."""
