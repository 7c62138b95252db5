"""Searching a space for its best architecture with few evaluations."""

from lbt.registry import Registry

STRATEGIES = Registry("search strategy", "lbt.nas.search.strategies")
"""One file per strategy; each holds a generator function ``propose``."""
