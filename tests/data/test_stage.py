from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lbt.artifacts import read_images, sha256
from lbt.config import parse
from lbt.data.params import DataParams
from lbt.data.stage import Inputs, Outputs, run
from lbt.errors import LbtError


def outputs(folder: Path) -> Outputs:
    splits = {name: folder / f"{name}.parquet" for name in ("train", "validation", "test")}
    return Outputs(**splits, sheet=folder / "sheet.png")


PARAMS = parse(DataParams, {"domains": {"optdigits": {"train": 50, "validation": 20, "test": 20}}}, "params.yaml")


def test_writes_splits_sheet_and_counts(tmp_path: Path) -> None:
    files = outputs(tmp_path)
    metrics = run(PARAMS, Inputs(domain="optdigits"), files)
    train = read_images(files.train)
    assert metrics["train/count"] == len(train) == 50
    assert metrics["skipped"] == metrics["train/unlabelled"] == 0
    assert [metrics[f"train/class/{d}"] for d in range(10)] == np.bincount(train.labels, minlength=10).tolist()
    with Image.open(files.sheet) as sheet:
        assert sheet.height == 10 * 48
        assert len(sheet.getcolors(1 << 16) or []) > 50


def test_bytes_are_the_same_twice(tmp_path: Path) -> None:
    first, second = outputs(tmp_path / "a"), outputs(tmp_path / "b")
    assert run(PARAMS, Inputs(domain="optdigits"), first) == run(PARAMS, Inputs(domain="optdigits"), second)
    for part in ("train", "validation", "test", "sheet"):
        assert sha256(getattr(first, part)) == sha256(getattr(second, part))


def test_unknown_domain(tmp_path: Path) -> None:
    with pytest.raises(LbtError, match=r"unknown domain 'optdigit'.*did you mean 'optdigits'"):
        run(PARAMS, Inputs(domain="optdigit"), outputs(tmp_path))
    assert not list(tmp_path.iterdir())
