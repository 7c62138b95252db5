from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from lbt import cli
from lbt.data.look import describe, look
from lbt.errors import LbtError


def draw(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.arange(144, dtype=np.uint8).reshape(12, 12) + value).save(path)


def test_a_folder_is_told(workspace: Path) -> None:
    for n in range(20):
        draw(Path("mine/cup", f"{n}.png"), n)
        draw(Path("mine/mug", f"{n}.png"), n + 50)
    for n in range(5):
        draw(Path("mine/_unlabelled", f"{n}.png"), n + 90)
    for n in range(30):
        Path("mine/cup", f"{n}.raw").touch()
    result = CliRunner().invoke(cli.cli, ["look", "mine", "--sheet", "sheet.png"], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "mine: folder of images, 45 images",
        "  size     12×12, grey",
        "  classes  2: cup 20, mug 20",
        "  labels   40 images with, 5 without",
        "  split    train 33, validation 6, test 6 (lbt's)",
        "  note     skipped 30 files, no image by its suffix .raw: cup/0.raw, cup/1.raw, cup/10.raw and 27 more",
        "  params   {kind: folder, path: mine}",
        "sheet.png: contact sheet",
    ]
    with Image.open("sheet.png") as sheet:
        assert sheet.height == 3 * 48


def test_arrays_are_told(workspace: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 2, (40, 12, 10, 3), dtype=np.uint8)
    np.savez("mine.npz", x_train=pixels[:30], x_test=pixels[30:])
    assert list(describe(look(Path("mine.npz")))) == [
        "mine.npz: .npz arrays, 40 images",
        "  size     10×12, colour",
        "  classes  none is labelled",
        "  labels   0 images with, 40 without",
        "  split    train 26, validation 4, test 10 (the data's own)",
        "  note     no array y_train or y_test: images without labels",
        "  note     x_train, x_test: pixels are from 0 to 1: taken as masks, 1 becomes 255",
        "  params   {kind: arrays, path: mine.npz}",
    ]


def test_nothing_there_is_one_line(workspace: Path) -> None:
    with pytest.raises(LbtError, match="none: no such file or folder"):
        look(Path("none"))
