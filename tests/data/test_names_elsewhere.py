"""Words for the same things that users bring from elsewhere: taken, or told, never passed over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lbt.data.look import look
from lbt.errors import LbtError


def test_arrays_named_in_capitals(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8), np.uint8)
    np.savez(tmp_path / "a.npz", X=images, Y=np.arange(12) % 3)
    assert look(tmp_path / "a.npz").classes == ("0", "1", "2")
    np.savez(tmp_path / "b.npz", X=images, y=np.arange(12) % 2)
    assert look(tmp_path / "b.npz").classes == ("0", "1")
    np.savez(tmp_path / "c.npz", X=images)
    assert look(tmp_path / "c.npz").classes == ()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for n in range(4):
        Image.fromarray(np.full((8, 8), 40 * n, np.uint8)).save(tmp_path / f"{n}.png")
    return tmp_path


@pytest.mark.parametrize("header", ["filename,class", "Image, Label", "path,category"])
def test_a_table_of_labels_under_other_headers_is_told(pictures: Path, header: str) -> None:
    rows = "".join(f"{n}.png,{'ab'[n % 2]}\n" for n in range(4))
    (pictures / "labels.csv").write_text(f"{header}\n{rows}")
    with pytest.raises(LbtError, match=r"labels\.csv: found columns .*; accepted: file \(the image's path\), label"):
        look(pictures)


def test_another_table_is_no_table_of_labels(pictures: Path) -> None:
    (pictures / "boxes.csv").write_text("image,x,y\n0.png,1,2\n")
    assert look(pictures).classes == ()
