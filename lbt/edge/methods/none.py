"""None: the deployed network as it is, with its running statistics; what every method is compared with."""

from __future__ import annotations

from lbt.edge.online import Base


class Method(Base):
    """Predicts only."""
