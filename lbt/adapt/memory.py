"""What a method needs to keep on the device, in bytes.

Counted, not measured: images as uint8 pixels; weights, activations and optimizer state in the bits of the recipe.
Activations are what backward needs: the inputs of convolutions, linear layers and norms in the format A, and one bit
per element for each ReLU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from lbt.adapt.method import Base

FLOAT_BITS = 32


def device_memory(method: Base) -> dict[str, int]:
    """Bytes by purpose and their sum, for training with the method's batch size."""
    task, recipe = method.task, method.task.recipe
    shape = task.source.images.shape[1:]
    weights = sum(p.numel() for p in method.student.parameters())
    trained = {id(p) for one in method.optimizers.values() for group in one.param_groups for p in group["params"]}
    parameters = sum(p.numel() for net in method.networks.values() for p in net.parameters() if id(p) in trained)
    moments = {"sgd": 1 if task.params.momentum else 0, "adam": 2}[task.params.optimizer]
    others = sum(p.numel() for name, net in method.networks.items() if name != "student" for p in net.parameters())
    labels = task.params.labels_per_class * len(task.target.classes) if hasattr(method, "labels") else 0
    labelled = labels if "few" in task.params.method[0] or task.params.method[0] == "fixmatch" else 0
    training = method.graphs > 0
    # The master weights are what the optimizer updates: float32 unless the recipe says otherwise.
    bits = recipe.bits("U") if training else recipe.bits("W")
    memory = {
        "source_data": pixels(len(task.source), shape) if method.uses_source else 0,
        "target_data": pixels(len(task.target), shape) if method.uses_target else pixels(labelled, shape),
        "weights": bytes_of(weights, bits),
        "second_network": bytes_of(others, FLOAT_BITS),
        "optimizer": bytes_of(parameters * moments, recipe.bits("U")) if training else 0,
        "activations": method.graphs * task.params.batch * activation_bits(task.model, shape, recipe) // 8,
    }
    return {**memory, "total": sum(memory.values())}


def pixels(count: int, shape: torch.Size) -> int:
    """Bytes of ``count`` uint8 images."""
    return count * shape.numel()


def bytes_of(count: int, bits: float) -> int:
    """Bytes of ``count`` numbers, rounded up."""
    return -int(-count * bits // 8)


@torch.no_grad()
def activation_bits(model: nn.Module, shape: torch.Size, recipe: Any) -> int:
    """Bits that backward needs to keep of one image of ``shape`` (C, H, W) in the float network ``model``."""
    total = 0.0

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        nonlocal total
        total += inputs[0].numel() * (1 if isinstance(module, nn.ReLU | nn.ReLU6) else recipe.bits("A"))

    kinds = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.ReLU, nn.ReLU6)
    hooks = [module.register_forward_pre_hook(count) for module in model.modules() if isinstance(module, kinds)]
    was_training = model.training
    model.eval()(torch.zeros(1, *shape))
    model.train(was_training)
    for hook in hooks:
        hook.remove()
    return int(total)
