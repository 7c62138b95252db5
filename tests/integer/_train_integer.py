"""Trains an integer network of the tests and prints its hash: ``python _train_integer.py NETWORK STEPS PARTS``.

A script, so that several processes can run it together (as ``torchrun`` would start them) and one alone.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn

from lbt.distributed import joined
from lbt.fixed.update import IntegerSGD
from lbt.integer.network import IntegerNetwork


def digits() -> tuple[Tensor, Tensor]:
    """scikit-learn's 1,797 digits as int8 codes."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = torch.from_numpy(data.images).round().to(torch.int64) * 127 // 16
    return images.to(torch.int8)[:, None], torch.from_numpy(data.target).to(torch.int64)


def hashed(*shape: int, scale: float, seed: int) -> Tensor:
    """Weights from integer arithmetic alone: the same on any machine and with any version of PyTorch."""
    count = torch.Size(shape).numel()
    numbers = (torch.arange(1, count + 1) * 2654435761 + seed) % 2**32 // 2**16 % 2001 - 1000
    return (numbers.double() * scale / 2**16).view(shape).float()


def plain() -> nn.Sequential:
    """No biases, average pooling."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(32 * 4, 10, bias=False),
    )  # fmt: skip


def pooled() -> nn.Sequential:
    """Biases, overlapping maximum pooling, a depthwise convolution, an average over 9 values."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.ReLU(),
        nn.Conv2d(16, 32, 2), nn.BatchNorm2d(32), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip


NETWORKS = {"plain": (plain, False), "pooled": (pooled, False), "pooled-frozen": (pooled, True)}


def network(name: str, seed: int = 0) -> IntegerNetwork:
    build, frozen = NETWORKS[name]
    model = build()
    with torch.no_grad():
        for layer in model:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                fan = layer.weight[0].numel()
                scale = {9: 30, 144: 8, 128: 8}.get(fan, 8 + 200 / fan)
                layer.weight.copy_(hashed(*layer.weight.shape, scale=scale, seed=seed))
                if layer.bias is not None:
                    layer.bias.copy_(hashed(len(layer.bias), scale=1, seed=seed))
    return IntegerNetwork(model, (1, 8, 8), IntegerSGD(lr=0.05, momentum=0.9), seed, frozen=frozen)


def train(steps: int, parts: int = 1, seed: int = 0, name: str = "plain") -> tuple[IntegerNetwork, int]:
    images, labels = digits()
    net, right = network(name, seed), 0
    for step in range(steps):
        batch = (torch.arange(64) + 64 * step) % 1500
        right = net.step(images[batch], labels[batch], parts)
    return net, right


def main() -> None:
    name, steps, parts = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    with joined() as world:
        net, right = train(steps, parts, name=name)
        print(world.size, right, net.fingerprint())


if __name__ == "__main__":
    main()
