"""Quantized layers, batch norms, and converting a float model with a recipe; imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbt.lazy import exports

if TYPE_CHECKING:
    from lbt.error_analysis.explain import explain as explain
    from lbt.nn.context import Context as Context
    from lbt.nn.context import set_progress as set_progress
    from lbt.nn.context import set_step as set_step
    from lbt.nn.conversion.convert import float_state as float_state
    from lbt.nn.conversion.convert import quantize as quantize
    from lbt.nn.domains import domain as domain
    from lbt.nn.domains import separate_statistics as separate_statistics
    from lbt.nn.frozen import freeze_ranges as freeze_ranges
    from lbt.nn.layers.flow import Add as Add
    from lbt.nn.optim.build import optimizer as optimizer
    from lbt.nn.optim.scaling import scale_loss as scale_loss
    from lbt.nn.parallel import share_ranges as share_ranges
    from lbt.nn.shares import summary as summary

_PUBLIC = {
    "Add": "lbt.nn.layers.flow",
    "Context": "lbt.nn.context",
    "domain": "lbt.nn.domains",
    "explain": "lbt.error_analysis.explain",
    "float_state": "lbt.nn.conversion.convert",
    "freeze_ranges": "lbt.nn.frozen",
    "optimizer": "lbt.nn.optim.build",
    "quantize": "lbt.nn.conversion.convert",
    "scale_loss": "lbt.nn.optim.scaling",
    "separate_statistics": "lbt.nn.domains",
    "set_progress": "lbt.nn.context",
    "set_step": "lbt.nn.context",
    "share_ranges": "lbt.nn.parallel",
    "summary": "lbt.nn.shares",
}

__getattr__, __dir__ = exports(__name__, _PUBLIC)
