"""Running statistics kept apart per domain.

A network that sees two domains in turn should not mix their statistics. Every buffer whose name starts with
``running_`` or ``num_batches_tracked``, of any module, gets one copy per domain beside it (``running_mean`` →
``running_mean@target``); inside ``domain(model, "target")`` that copy stands in its place. The copies are ordinary
buffers: they are in the state dict, follow ``deepcopy`` and ``to(device)``, and a resumed run continues with them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from lbt.errors import LbtError, unknown

_PREFIXES = ("running_", "num_batches_tracked")


def _statistics(module: nn.Module) -> list[str]:
    return [n for n, b in module._buffers.items() if b is not None and n.startswith(_PREFIXES) and "@" not in n]


def separate_statistics(model: nn.Module, domains: Sequence[str]) -> None:
    """Give every norm of ``model`` its own statistics for each of ``domains``, starting from the present ones.

    A domain that is there already keeps its statistics. Load a state dict of a model with domains after this call.

    Raises:
        LbtError: a domain's name is empty or contains ``.`` or ``@``, or the model keeps no statistics.
    """
    for name in domains:
        if not name or set(name) & set(".@"):
            raise LbtError(f"domain {name!r}: a domain's name must not be empty or contain '.' or '@'")
    found = False
    for module in model.modules():
        for buffer in _statistics(module):
            found = True
            tensor: Tensor = module._buffers[buffer]  # type: ignore[assignment]
            persistent = buffer not in module._non_persistent_buffers_set
            for name in domains:
                if f"{buffer}@{name}" not in module._buffers:
                    module.register_buffer(f"{buffer}@{name}", tensor.clone(), persistent=persistent)
    if not found:
        raise LbtError(f"{type(model).__name__} has no running statistics to keep apart per domain")


def domains_of(model: nn.Module) -> list[str]:
    """Names of the domains that :func:`separate_statistics` was called with."""
    return sorted({b.split("@", 1)[1] for m in model.modules() for b in m._buffers if "@" in b})


@contextlib.contextmanager
def domain(model: nn.Module, name: str) -> Iterator[None]:
    """Within this context ``model`` reads and updates the statistics of the domain ``name``.

    Contexts nest. Save and load state dicts outside of them.

    Raises:
        LbtError: :func:`separate_statistics` was not called with ``name``.
    """
    if name not in domains_of(model):
        raise unknown("domain", name, domains_of(model), where="domain statistics")
    before: list[tuple[nn.Module, str, Tensor | None]] = []
    for module in model.modules():
        for buffer in _statistics(module):
            if f"{buffer}@{name}" in module._buffers:
                before.append((module, buffer, module._buffers[buffer]))
                module._buffers[buffer] = module._buffers[f"{buffer}@{name}"]
    try:
        yield
    finally:
        for module, buffer, tensor in reversed(before):
            module._buffers[f"{buffer}@{name}"] = module._buffers[buffer]  # a norm may have replaced the tensor
            module._buffers[buffer] = tensor
