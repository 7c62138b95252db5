"""Norm (BN-1): each batch is normalised with its own statistics, and nothing is learnt.

Nado et al. 2020, arXiv 2006.10963 (prediction-time batch norm); Schneider et al. 2020, arXiv 2006.16971, with N = 0.
"""

from __future__ import annotations

from lbt.edge.online import BatchStatistics, Device


class Method(BatchStatistics):
    """Statistics of the batch."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.check_norms()
