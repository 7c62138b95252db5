from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from lbt import cli
from lbt.config import parse
from lbt.data import DomainSpec, load_domain
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
        "  note     a run refuses it: mine: 30 of 75 files would be skipped (30 no image by its suffix .raw: "
        "cup/0.raw, cup/1.raw, cup/10.raw and 27 more); max_skipped allows more than 0.1",
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


def test_a_run_refuses_in_the_words_of_the_look(workspace: Path) -> None:
    for n in range(20):
        draw(Path("inputs/mine", "cup" if n % 2 else "mug", f"{n}.png"), n)
        Path("inputs/mine", f"{n}.raw").touch()
    with pytest.raises(LbtError) as refused:
        load_domain(DomainSpec(kind="folder", path="inputs/mine"))
    seen = look(Path("inputs/mine"))
    assert str(refused.value) == f"data.domains.folder: {seen.refusal}"
    assert f"  note     a run refuses it: {seen.refusal}" in list(describe(seen))
    assert not look(Path("inputs/mine"), {"max_skipped": 0.5}).refusal


def told(*options: str) -> list[str]:
    result = CliRunner().invoke(cli.cli, ["look", "mine", *options], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout.splitlines()


def test_the_options_of_a_domain(workspace: Path) -> None:
    for n in range(60):
        draw(Path("mine", f"s{n % 5}", f"{'ab'[n % 2]}-{n}.png"), n)
    lines = told("--layout", "user", "--name", "{label}-{n}", "--split-by", "image", "--size", "16")
    assert lines[:5] == [
        "mine: folder of images, 60 images",
        "  size     16×16, grey",
        "  classes  2: a 30, b 30",
        "  users    5",
        "  split    train 42, validation 9, test 9 (lbt's)",
    ]
    assert lines[-1] == (
        '  params   {kind: folder, path: mine, layout: user, name: "{label}-{n}", split_by: image, size: 16}'
    )
    keys = yaml.safe_load(lines[-1].removeprefix("  params "))
    keys["path"] = "mine"
    assert len(load_domain(parse(DomainSpec, keys, "params")).test) == 9  # the line is a domain of the params
    assert "  split    train 36, validation 12, test 12 (lbt's, by user)" in told(
        "--layout", "user", "--name", "{label}-{n}"
    )
    assert "  classes  2: s4 12, s0 12" in told("--layout", "class", "--classes", "s4,s0")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layout": "class/people"}, r"options: layout: found 'class/people'; accepted: different ones of class, user"),
        ({"name": "plain"}, r"options: name: found 'plain'; accepted"),
        ({"size": 4}, r"options: size: found 4"),
        ({"split_by": "hour"}, r"options: split_by: found 'hour'; accepted: image, user, time"),
        ({"split_by": "user"}, r"mine: split_by: no split by user: not every image has one"),
        ({"classes": ["cup", "plate"]}, "unknown class 'plate'"),
        ({"max_skipped": 2.0}, "options: max_skipped: found 2"),
    ],
)
def test_mistakes_in_options(workspace: Path, options: dict[str, object], words: str) -> None:
    for n in range(20):
        draw(Path("mine", "cup" if n % 2 else "mug", f"{n}.png"), n)
    with pytest.raises(LbtError, match=words):
        look(Path("mine"), options)


def test_arrays_are_shown_as_they_would_be_prepared(workspace: Path) -> None:
    np.savez("mine.npz", images=np.random.default_rng(0).integers(0, 256, (40, 9, 9), dtype=np.uint8))
    lines = list(describe(look(Path("mine.npz"), {"size": 16, "channels": 3})))
    assert lines[1] == "  size     16×16, colour"
    assert lines[-1] == "  params   {kind: arrays, path: mine.npz, size: 16, channels: 3}"


def test_an_option_of_folders_is_refused_for_arrays(workspace: Path) -> None:
    for key, value in (("layout", "user/class"), ("name", "{label}_{n}")):
        with pytest.raises(LbtError, match=f"{key}: would do nothing for kind arrays; it is for kind folder"):
            parse(DomainSpec, {"kind": "arrays", "path": "mine.npz", key: value}, "params")
    with pytest.raises(LbtError, match="split_by: would do nothing for kind mnist"):
        parse(DomainSpec, {"kind": "mnist", "split_by": "user"}, "params")


def test_what_arrays_are_is_told_where_folders_are_asked_for(workspace: Path) -> None:
    np.savez("mine.npz", images=np.zeros((40, 9, 9), np.uint8))
    for key, value in (("layout", "NCHW"), ("layout", "class"), ("name", "{label}_{n}")):
        words = (
            rf"{key}: is for a folder of image files, and mine.npz is a file; arrays are \(N, H, W\), .* C is 1 or 3"
        )
        with pytest.raises(LbtError, match=words):
            look(Path("mine.npz"), {key: value})


@pytest.mark.parametrize(
    ("shape", "hint"),
    [((40, 81), "; rows of 9×9 pixels\\? reshape them$"), ((40, 80), "C is 1 or 3$"), ((40, 9, 9, 2), "C is 1 or 3$")],
)
def test_axes_that_are_not_accepted(workspace: Path, shape: tuple[int, ...], hint: str) -> None:
    np.savez("mine.npz", images=np.zeros(shape, np.uint8))
    with pytest.raises(LbtError, match=r"images has shape \(40, .*; accepted: \(N, H, W\), .*" + hint):
        look(Path("mine.npz"))


def test_axes_that_have_two_readings_are_told(workspace: Path) -> None:
    np.savez("mine.npz", images=np.random.default_rng(0).integers(0, 256, (40, 3, 12, 3), dtype=np.uint8))
    assert "mine.npz: images of shape (40, 3, 12, 3): read as (N, H, W, C); transpose it if it is (N, C, H, W)" in (
        look(Path("mine.npz")).notes()
    )


def test_nothing_there_is_one_line(workspace: Path) -> None:
    with pytest.raises(LbtError, match="none: no such file or folder"):
        look(Path("none"))
