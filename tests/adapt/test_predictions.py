"""The predictions that a person reads: one row an image, the least sure first, and a sheet by predicted class."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from lbt.adapt.predictions import COLUMNS, write_confidence_sheet, write_predictions
from lbt.artifacts import Images
from lbt.data.sheet import CELL

CLASSES = ("cat", "dog")
AFTER = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
BEFORE = torch.tensor([[0.5, 0.5], [0.7, 0.3], [0.1, 0.9]])


def images(columns):
    pixels = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1).repeat(8, 1).repeat(8, 2) * 100
    return Images(pixels, np.array([1, -1, 0]), ("dog", "cat"), columns)


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_row_an_image_the_least_sure_first(tmp_path):
    path = tmp_path / "p.csv"
    write_predictions(path, images({"file": ["a,b.png", None, 'c".png']}), CLASSES, AFTER, BEFORE)
    found = rows(path)
    assert tuple(found[0]) == COLUMNS
    assert [row["image"] for row in found] == ["1", "2", "0"]
    assert [row["file"] for row in found] == ["", 'c".png', "a,b.png"]
    assert [row["label"] for row in found] == ["", "dog", "cat"]  # by the table's numbers, not the network's
    assert [row["predicted"] for row in found] == ["dog", "dog", "cat"]
    assert [row["confidence"] for row in found] == ["0.6000", "0.8000", "0.9000"]
    assert [(row["before"], row["before_confidence"]) for row in found[:2]] == [("cat", "0.7000"), ("dog", "0.9000")]


def test_a_table_without_file_names(tmp_path):
    write_predictions(tmp_path / "p.csv", images({}), CLASSES, AFTER, BEFORE)
    assert [row["file"] for row in rows(tmp_path / "p.csv")] == ["", "", ""]


def test_the_sheet_has_a_row_for_each_predicted_class(tmp_path):
    write_confidence_sheet(tmp_path / "s.png", images({}), CLASSES, AFTER)
    sheet = np.asarray(Image.open(tmp_path / "s.png").convert("L"))
    assert sheet.shape[0] == 2 * CELL
    first = [sheet[CELL // 2 + row * CELL, 96 + CELL // 2] for row in range(2)]
    assert first == [0, 200]  # the cat is image 0; of the dogs image 2 is the surest


def test_a_job_writes_them(bench):
    from dataclasses import replace

    from lbt.adapt.params import AdaptParams
    from lbt.adapt.stage import run

    folder = bench.folder
    outputs = replace(bench.outputs("job"), predictions=folder / "p.csv", sheet=folder / "s.png")
    params = AdaptParams.model_validate({"steps": 2, "batch": 12}).job("bars-grey", "adabn", "fp32", 0)
    metrics = run(params, bench.inputs, outputs)
    found = rows(folder / "p.csv")
    right = 100 * np.mean([row["predicted"] == row["label"] for row in found])
    assert right == pytest.approx(metrics["target_accuracy"])
    assert len(found) == metrics["labelled_test_images"] == 30
    assert metrics["target_accuracy_low"] < right < metrics["target_accuracy_high"] or right == 100
    assert (folder / "s.png").is_file()
