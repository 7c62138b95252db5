"""Free scores: what an untrained network says about its accuracy once trained.

``parameters``; ``nwot``, how well the signs of its activations tell images apart (Mellor et al., arXiv 2006.04647v3);
``jacov``, how little the gradients of the images' outputs correlate (the same, v1; here the log
determinant of their correlations, since batch statistics make one eigenvalue zero); ``synflow``, the saliency of all
weights without data (Tanaka et al., arXiv 2006.05467). Abdelfattah et al. (arXiv 2101.08134) compare them.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor, nn

NAMES = ("parameters", "nwot", "jacov", "synflow")


def free_scores(network: nn.Module, images: Tensor) -> dict[str, float]:
    """Scores of a freshly initialised network, larger is better; the network is not changed.

    Args:
        network: maps (N, C, H, W) to (N, classes).
        images: (N, C, H, W), from 8 to some tens of them.
    """
    whole = copy.deepcopy(network).train()
    return {
        "parameters": float(np.log(sum(p.numel() for p in whole.parameters()))),
        "nwot": _nwot(whole, images),
        "jacov": _jacov(whole, images),
        "synflow": _synflow(whole, images[:1]),
    }


def rank_sum(scores: Sequence[dict[str, float]], names: Sequence[str] = NAMES) -> np.ndarray:
    """Sum of the ranks in each score, 0…1, float64 (N,)."""
    ranks = [rankdata([one[name] for one in scores]) for name in names]
    return np.asarray(np.mean(ranks, axis=0) / len(scores))


@torch.no_grad()
def _nwot(network: nn.Module, images: Tensor) -> float:
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64)

    def see(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        on = (output.flatten(1) > 0).float()
        kernel.add_((on @ on.T + (1 - on) @ (1 - on).T).double())

    hooks = [m.register_forward_hook(see) for m in network.modules() if isinstance(m, nn.ReLU)]
    network(images)
    for hook in hooks:
        hook.remove()
    size = max(1.0, float(kernel[0, 0]))
    return float(torch.linalg.slogdet(kernel / size + 1e-3 * torch.eye(len(images), dtype=torch.float64))[1])


def _jacov(network: nn.Module, images: Tensor) -> float:
    inputs = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(inputs).sum(), inputs)
    rows = gradient.flatten(1).double()
    rows = rows - rows.mean(1, keepdim=True)
    rows = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return float(torch.linalg.slogdet(rows @ rows.T + 0.05 * torch.eye(len(rows), dtype=torch.float64))[1])


def _synflow(network: nn.Module, image: Tensor) -> float:
    """Batch norms pass their input on: without data they would only rescale."""
    network = network.eval()
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    hooks = [norm.register_forward_hook(lambda _module, inputs, _output: inputs[0]) for norm in norms]
    network = network.double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    network.zero_grad()
    network(torch.ones_like(image, dtype=torch.float64)).sum().backward()
    found = sum(float((p.detach() * p.grad).abs().sum()) for p in network.parameters() if p.grad is not None)
    for hook in hooks:
        hook.remove()
    return float(np.log(found + 1e-30))
