"""``lbt choose`` on folders that nobody prepared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lbt.errors import LbtError
from lbt.hardware.boards import Board
from lbt.models import resolved
from lbt.nas.choose.answer import Answer
from lbt.nas.choose.images import prepare
from lbt.nas.choose.limits import Limits
from lbt.nas.choose.options import Options
from lbt.nas.choose.run import choose

QUICK = Options(waves=1, wave=1, pool=2, points=2, trial_steps=2, steps=2, adapt_steps=1, source_steps=1, batch=8)


def quiet(images: Path, target: str, out: Path, **given: Any) -> Answer:
    """A choice on zcu102 with one seed that says nothing."""
    silent = {"say": lambda line: None, "options": QUICK, "seeds": 1}
    return choose(images / "shop", images / target, "zcu102", out, **{**silent, **given})


def draw(folder: Path, count: int, colour: bool, seed: int) -> None:
    """Upright and level bars."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for n in range(count):
        pixels = random.integers(0, 60, (24, 24), dtype=np.uint8)
        at = int(random.integers(4, 14))
        pixels[(slice(None), slice(at, at + 4)) if folder.name == "up" else slice(at, at + 4)] = 220
        Image.fromarray(np.repeat(pixels[..., None], 3, 2) if colour else pixels).save(folder / f"{n}.png")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey labelled bars, coloured ones without labels, and some with."""
    folder = tmp_path_factory.mktemp("bars")
    for seed, name in enumerate(("up", "level")):
        draw(folder / "shop" / name, 9, False, seed)
        draw(folder / "labelled" / name, 9, True, seed + 5)
    draw(folder / "phone", 12, True, 9)
    return folder


@pytest.fixture(scope="module")
def chosen(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("choice")
    quiet(images, "phone", out)
    return out


def test_the_answer_is_written_and_meets_its_limit(chosen: Path, images: Path) -> None:
    found = json.loads((chosen / "report.json").read_text())
    assert found["energy_ratio"] <= 0.5
    assert 0 < found["found/seconds"] < 0.1  # of the accelerator, not of the search
    assert found["network"] == resolved(str(chosen / "network.yaml"))
    assert found["found_minus_handmade"] is None
    assert found["front_kendall_tau"] is None
    report = (chosen / "report.md").read_text()
    assert report.count("not measured") > 4
    assert "→" in report
    assert {path.name for path in chosen.glob("front.*")} == {"front.svg", "front.png"}


def test_a_second_run_does_nothing_anew(chosen: Path, images: Path) -> None:
    def state() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in (chosen / "state").iterdir() if path.is_file()}

    before, report = state(), (chosen / "report.md").read_bytes()
    quiet(images, "phone", chosen)
    assert state() == before
    assert (chosen / "report.md").read_bytes() == report


@pytest.mark.slow
def test_a_killed_run_ends_as_one_that_was_not(chosen: Path, images: Path, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    lines = []

    def say(line: str) -> None:
        lines.append(line)
        if line.lstrip().startswith("full:"):
            raise Killed

    with pytest.raises(Killed):
        quiet(images, "phone", tmp_path, say=say)
    quiet(images, "phone", tmp_path)
    for name in ("report.md", "network.yaml", "recipe.yaml", "front.svg"):
        assert (tmp_path / name).read_bytes() == (chosen / name).read_bytes(), name


@pytest.mark.slow
def test_labels_of_the_target_enter_the_last_table_only(images: Path, tmp_path: Path, chosen: Path) -> None:
    outcome = quiet(images, "labelled", tmp_path)
    assert all(run.accuracy is not None for run in outcome.runs)
    assert json.loads((tmp_path / "report.json").read_text())["found_minus_handmade"] is not None
    assert outcome.points[-1].name == "digit_cnn"


@pytest.mark.slow
def test_what_time_did_not_allow_is_told(images: Path, tmp_path: Path) -> None:
    options = QUICK.model_copy(update={"waves": 3, "wave": 2, "pool": 4})
    quiet(images, "phone", tmp_path, options=options, minutes=0)
    report = (tmp_path / "report.md").read_text()
    assert "Left out for want of time: 2 of 3 waves of short trainings." in report
    assert "Left out for want of time: 1 of 2 full trainings." in report


@pytest.mark.slow
def test_a_tight_memory_takes_smaller_batches(images: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    options = QUICK.model_copy(update={"batch": 32})
    limits = Limits(memory=260e3)
    quiet(images, "phone", tmp_path, limits=limits, options=options, say=lines.append)
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["batch"] < 32
    assert found["found/memory_bytes"] <= 260e3
    assert any("in batches of 32: batches of" in line for line in lines)


@pytest.mark.slow
def test_a_limit_that_nothing_meets_names_the_nearest(images: Path, tmp_path: Path) -> None:
    with pytest.raises(
        LbtError, match=r"no network meets at most 1e-06 mJ .* the nearest, 'chain 8s2 conv3w16d1.* takes .* mJ"
    ):
        quiet(images, "phone", tmp_path, limits=Limits(1e-9))


def test_wrong_images_are_refused(images: Path, tmp_path: Path) -> None:
    with pytest.raises(LbtError, match="no image has a label"):
        prepare(images / "phone", images / "shop", tmp_path)
    with pytest.raises(LbtError, match="no such file or folder"):
        prepare(images / "none", images / "shop", tmp_path)
    draw(tmp_path / "one" / "up", 5, False, 0)
    with pytest.raises(LbtError, match="at least 2"):
        prepare(tmp_path / "one", images / "phone", tmp_path / "out")
    for name in ("up", "other"):
        draw(tmp_path / "renamed" / name, 4, False, 0)
    with pytest.raises(LbtError, match="classes that"):
        prepare(images / "shop", tmp_path / "renamed", tmp_path / "out")
    with pytest.raises(LbtError, match=r"unknown board 'zcu103'.*did you mean 'zcu102'"):
        Board.load("zcu103")
