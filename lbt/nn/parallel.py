"""Training in several processes (``torch.distributed``): every process must quantize alike."""

from __future__ import annotations

import torch
from torch import nn

from lbt.errors import LbtError
from lbt.nn.context import context_of, unwrapped
from lbt.nn.flow import flows
from lbt.nn.layer import QuantizedLayer
from lbt.numerics.ranges._shared import Shared, make_group
from lbt.numerics.recipe import Roles
from lbt.numerics.spec import RoleSpec


def share_ranges(model: nn.Module) -> None:
    """Let all processes use the same limits for A, E and G, found over the whole batch.

    Without it each process quantizes its part of the batch with that part's range, as if batches were smaller: sound,
    but dependent on the number of processes. Ranges per sample or block belong to one process anyway. With the rule
    ``max`` the limits are those of the whole batch; with other rules the largest of the processes' limits. Call it in
    every process, before or after wrapping in ``DistributedDataParallel``, and say where each part of the batch begins
    with ``set_step(model, step, first_sample=n)``: stochastic rounding then draws what it would have in one process.

    Raises:
        LbtError: the model was not converted, or ``torch.distributed`` is not initialised.
    """
    context_of(model)
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        raise LbtError("share_ranges: torch.distributed is not initialised; call init_process_group first")
    make_group()
    for module in unwrapped(model).modules():
        if isinstance(module, QuantizedLayer):
            changed = {role: _shared(getattr(module.roles, role)) for role in ("A", "E", "EG", "G")}
            module.roles = Roles(**{**dict(module.roles), **changed})
        for flow in flows(module):
            flow.a, flow.e = _shared(flow.a), _shared(flow.e)


def _shared(spec: RoleSpec | None) -> RoleSpec | None:
    if spec is None or spec.granularity not in ("tensor", "channel") or isinstance(spec.range, Shared):
        return spec
    return spec.model_copy(update={"range": Shared(inner=spec.range)})
