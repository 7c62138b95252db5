from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lbt.artifacts import read_images
from lbt.config import parse
from lbt.data import DomainSpec, load_domain
from lbt.data.params import DataParams
from lbt.data.stage import Inputs, Outputs, run
from lbt.errors import LbtError


def picture(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (30, 20), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).convert(mode).save(path)


@pytest.fixture
def tree(workspace: Path) -> Path:
    """Two classes whose images are told apart by their red channel: 10 + n for cups, 100 + n for mugs."""
    root = workspace / "inputs" / "mine"
    for n in range(20):
        picture(root / "cup" / f"{n}.png", (10 + n, 0, 0), (30 + n, 20))
        picture(root / "mug" / "deeper" / f"{n}.bmp", (100 + n, 0, 0), (20, 50))
    return root


SPEC = DomainSpec(kind="folder", path="inputs/mine", size=16)


def test_three_lines_of_params_are_enough(tree: Path) -> None:
    params = parse(DataParams, {"domains": {"mine": {"kind": "folder", "path": "inputs/mine"}}}, "params.yaml")
    (tree / "cup" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    (tree / "mug" / "empty.jpg").touch()
    (tree / "mug" / "notes.txt").write_text("not an image, and not meant as one")
    files = Outputs(**{name: Path("out", name) for name in ("train", "validation", "test", "sheet")})
    metrics = run(params, Inputs(domain="mine"), files)
    assert metrics["skipped"] == 2
    assert (metrics["train/count"], metrics["validation/count"], metrics["test/count"]) == (28, 6, 6)
    assert metrics["test/class/cup"] == metrics["test/class/mug"] == 3
    assert read_images(files.train).pixels.shape == (28, 64, 64, 3)


def test_labels_go_with_their_folders_and_splits_are_disjoint(tree: Path) -> None:
    seen = []
    for _, images in load_domain(SPEC).items():
        red = images.pixels[:, 8, 8, 0]
        assert np.array_equal(red >= 100, images.labels == 1)
        seen += red.tolist()
    assert sorted(seen) == sorted([*range(10, 30), *range(100, 120)])


def test_the_skipped_are_listed(tree: Path) -> None:
    (tree / "cup" / "3.png").write_bytes((tree / "cup" / "3.png").read_bytes()[:40])
    assert load_domain(SPEC).skipped == ("cup/3.png",)


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "I;16", "CMYK"])
def test_any_mode(tree: Path, mode: str) -> None:
    suffix = "tif" if mode == "CMYK" else "png"
    path = tree / "cup" / f"odd.{suffix}"
    Image.new(mode, (9, 33)).save(path)
    splits = load_domain(SPEC)
    assert not splits.skipped
    assert sum(len(images) for _, images in splits.items()) == 41


def test_unlabelled_images_are_for_training_only(tree: Path) -> None:
    for n in range(7):
        picture(tree / "_unlabelled" / f"{n}.png", (200, 0, 0))
    splits = load_domain(SPEC)
    assert (splits.train.labels == -1).sum() == 7
    assert (splits.validation.labels >= 0).all()
    assert (splits.test.labels >= 0).all()
    assert splits.train.classes == ("cup", "mug")


def test_an_empty_class(tree: Path) -> None:
    (tree / "plate").mkdir()
    with pytest.raises(LbtError, match="class plate is empty"):
        load_domain(SPEC)
    assert load_domain(SPEC.model_copy(update={"classes": ["mug", "cup"]})).train.classes == ("mug", "cup")


def test_mistakes(workspace: Path, tree: Path) -> None:
    with pytest.raises(LbtError, match=r"data\.domains\.mine: inputs/none: no such folder"):
        load_domain(SPEC.model_copy(update={"path": "inputs/none"}), "mine")
    with pytest.raises(LbtError, match="found 1 class folders"):
        load_domain(SPEC.model_copy(update={"path": "inputs"}))
    with pytest.raises(LbtError, match=r"unknown class 'cupp'.*did you mean 'cup'"):
        load_domain(SPEC.model_copy(update={"classes": ["cupp", "mug"]}))
