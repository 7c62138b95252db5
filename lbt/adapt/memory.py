"""What a method needs to keep on the device, in bytes.

Counted, not measured: images as uint8 pixels; weights, activations and optimizer state in the bits of the recipe.
Activations are what backward needs: the inputs of convolutions, linear layers and norms in the format A, one bit per
element for each ReLU, and which element of its window each maximum was. Preparation on the source happens before
deployment and is not counted.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from lbt.adapt.method import Base
from lbt.recipe import Recipe

FLOAT_BITS = 32


def device_memory(method: Base) -> dict[str, int]:
    """Bytes by purpose and their sum, for training with the method's batch size."""
    task, recipe = method.task, method.task.recipe
    shape = task.source.images.shape[1:]
    training = method.graphs > 0
    # What the optimizer updates is float32 unless the recipe keeps integer masters; inference needs the format W only.
    master = recipe.update.bits if recipe.update.master == "integer" else FLOAT_BITS
    weights = sum(p.numel() for p in method.student.parameters())
    others = sum(p.numel() for name, net in method.networks.items() if name != "student" for p in net.parameters())
    updated = {
        id(p): p.numel() for one in used_optimizers(method) for group in one.param_groups for p in group["params"]
    }
    moments = {"sgd": 1 if task.params.momentum else 0, "adam": 2}[task.params.optimizer]
    targets = len(task.target) if method.uses_target else len(method.labels or ())
    memory = {
        "source_data": pixels(len(task.source), shape) if method.uses_source else 0,
        "target_data": pixels(targets, shape),
        "weights": bytes_of(weights, master if training else recipe.bits("W")),
        "second_network": bytes_of(others, FLOAT_BITS),
        "optimizer": bytes_of(sum(updated.values()) * moments, recipe.bits("U")) if training else 0,
        "activations": method.graphs * task.params.batch * activation_bits(task.model, shape, recipe) // 8,
    }
    return {**memory, "total": sum(memory.values())}


def used_optimizers(method: Base) -> list[torch.optim.Optimizer]:
    """The optimizers of adaptation itself: a prepared method that has its own leaves the student's behind."""
    own = [one for name, one in method.optimizers.items() if name != "student"]
    return own if method.prepared and own else list(method.optimizers.values())


def pixels(count: int, shape: torch.Size) -> int:
    """Bytes of ``count`` uint8 images."""
    return count * shape.numel()


def bytes_of(count: int, bits: float) -> int:
    """Bytes of ``count`` numbers, rounded up."""
    return -int(-count * bits // 8)


@torch.no_grad()
def activation_bits(model: nn.Module, shape: torch.Size, recipe: Recipe) -> int:
    """Bits that backward needs to keep of one image of ``shape`` (C, H, W) in the float network ``model``."""
    total = 0.0

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        nonlocal total
        elements = inputs[0].numel()
        if isinstance(module, nn.MaxPool2d):
            window = int(module.kernel_size) ** 2  # type: ignore[arg-type]
            total += elements // window * math.ceil(math.log2(window))
        else:
            total += elements * (1 if isinstance(module, nn.ReLU | nn.ReLU6) else recipe.bits("A"))

    kinds = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.MaxPool2d)
    hooks = [module.register_forward_pre_hook(count) for module in model.modules() if isinstance(module, kinds)]
    was_training = model.training
    model.eval()(torch.zeros(1, *shape))
    model.train(was_training)
    for hook in hooks:
        hook.remove()
    return int(total)
