"""A workspace of a test's own, with this tree's code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: this tree's code, recipes and boards, no params, no inputs."""
    for name in ("lbt", "workflow", "dvc.yaml", "params/recipes", "params/boards"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def bars(checkout: Path) -> Callable[[int, bool], str]:
    """``bars(count, labels)``: 60 images of a bar at the top or the bottom, and ``count`` of the field, without labels
    or with theirs; the head of a params file that names both domains.
    """

    def drawn(count: int, labels: bool) -> str:
        random = np.random.default_rng(0)
        for n in range(60):
            pixels = random.integers(0, 60, (16, 16)).astype(np.uint8)
            pixels[8 * (n % 2) : 8 * (n % 2) + 8] += 120
            kind = ("top", "bottom")[n % 2]
            for folder in [f"bars/{kind}"] + ([f"field/{kind}" if labels else "field"] if n < count else []):
                (checkout / "inputs" / folder).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(checkout / "inputs" / folder / f"{n}.png")
        return """
reproducible: false
data:
  domains:
    bars: {kind: folder, path: inputs/bars}
    field: {kind: folder, path: inputs/field}
pretrain: {steps: 6, batch: 16, evaluate_every: 3, size: 16, channels: 1, pair_augmentation: {}}
"""

    return drawn
