from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lbt.artifacts import read_images
from lbt.config import parse
from lbt.data import DomainSpec, load_domain
from lbt.data.encoded import why_not
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
    assert metrics["skipped"] == 3
    assert metrics["skipped/not a readable image"] == 2
    assert metrics["skipped/no image by its suffix .txt"] == 1
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
    assert load_domain(SPEC).skipped == {"not a readable image": ("cup/3.png",)}


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


def test_a_folder_without_classes_is_a_domain_without_labels(workspace: Path) -> None:
    for n in range(20):
        picture(workspace / "inputs" / "mine" / f"{n:02}.png", (n, 0, 0))
    splits = load_domain(SPEC)
    assert [len(images) for _, images in splits.items()] == [14, 3, 3]
    assert all((images.labels == -1).all() and images.classes == () for _, images in splits.items())
    files = [name for _, images in splits.items() for name in images.columns["file"]]
    assert sorted(files) == [f"{n:02}.png" for n in range(20)]
    assert int(splits.test.columns["file"][0][:2]) == splits.test.pixels[0, 0, 0, 0]  # the row is that file's


def test_a_table_says_the_labels_of_a_few(workspace: Path) -> None:
    root = workspace / "inputs" / "mine"
    for n in range(40):
        picture(root / "session" / f"{n:02}.png", (n, 0, 0))
    rows = [f"session/{n:02}.png,{'odd' if n % 2 else 'even'},ann" for n in range(20)]
    (root / "labels.csv").write_text("File, label ,user\n" + "\n".join(rows))
    splits = load_domain(SPEC)
    assert [(images.labels >= 0).sum() for _, images in splits.items()] == [14, 3, 3]
    assert splits.train.classes == ("even", "odd")
    assert not splits.skipped
    assert len(splits.train) == 34
    for _, images in splits.items():
        red = images.pixels[:, 8, 8, 0].astype(int)
        assert np.array_equal(images.labels, np.where(red < 20, red % 2, -1))
        assert [user == "ann" for user in images.columns["user"]] == (red < 20).tolist()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,label\nnone.png,a\n", r"labels\.csv: line 2: no image 'none\.png' in its folder \(did you mean"),
        ("file,label\n00.png,a\n00.png,b\n", r"labels\.csv: line 3: file '00\.png' is there twice, in line 2 too"),
        ("file;label\n\n00.png;a\n00.png;b\n", r"labels\.csv: line 4: file '00\.png' is there twice, in line 3 too"),
        ('file,label\n00.png,"a\nb"\nnone.png,a\n', r"labels\.csv: line 4: no image 'none\.png' in its folder"),
        ("file,label\n00.png,a\n,b\n", r"labels\.csv: line 3: no file is named"),
        ("file,label\n00.png,a,b\n", r"labels\.csv: line 2 has 3 cells under 2 names \(a cell with commas needs"),
        ("file,label\n00.png,a\n01.png\n", r"labels\.csv: line 3 has 1 cells under 2 names"),
        ("file,label,label\n00.png,a,b\n", r"labels\.csv: column 'label' is there twice"),
        ("file,label,split\n00.png,a,trian\n", r"line 2: split: found 'trian'; accepted: train"),
        ("file,label,time\n00.png,a,noon\n", r"line 2: time: found 'noon'; accepted: seconds"),
        ("file,lable\n00.png,a\n", r"columns file, lable; accepted beside file: label"),
        ("file,label\n\xff", r"labels\.csv: not a readable CSV file: line 2 is not UTF-8"),
    ],
)
def test_mistakes_in_a_table(workspace: Path, text: str, words: str) -> None:
    root = workspace / "inputs" / "mine"
    for n in range(10):
        picture(root / f"{n:02}.png", (n, 0, 0))
    (root / "labels.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(LbtError, match=words):
        load_domain(SPEC)


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Train", "validation", "TEST")])
def test_the_users_own_split_is_kept(workspace: Path, names: tuple[str, str, str]) -> None:
    for part, name in enumerate(names):
        for n in range(6):
            picture(workspace / "inputs" / "mine" / name / ("cup" if n % 2 else "mug") / f"{n}.png", (50 * part, n, 0))
    splits = load_domain(SPEC)
    assert splits.train.classes == ("cup", "mug")
    for part, (_, images) in enumerate(splits.items()):
        assert (images.pixels[:, 8, 8, 0] == 50 * part).all()
        assert len(images) == 6


def test_parts_that_the_user_leaves_out_are_cut_from_train(tree: Path) -> None:
    for name in ("cup", "mug"):
        (tree / name).rename(tree.parent / name)
    for name in ("cup", "mug"):
        (tree / "train").mkdir(exist_ok=True)
        (tree.parent / name).rename(tree / "train" / name)
    for n in range(5):
        picture(tree / "test" / f"{n}.png", (200, 0, 0))
    splits = load_domain(SPEC)
    assert [len(images) for _, images in splits.items()] == [34, 6, 5]
    assert splits.notes[-1].endswith("no label in the test split: accuracy is not measured")


def test_what_is_skipped_is_named_and_much_of_it_is_an_error(tree: Path) -> None:
    for n in range(30):
        (tree / "cup" / f"{n}.raw").touch()
    words = (
        r"30 of 70 files would be skipped \(30 no image by its suffix \.raw: cup/0\.raw, cup/1\.raw, cup/10\.raw and 27"
    )
    with pytest.raises(LbtError, match=words):
        load_domain(SPEC)
    splits = load_domain(SPEC.model_copy(update={"max_skipped": 0.5}))
    assert len(splits.skipped["no image by its suffix .raw"]) == 30


def test_images_of_16_bits_are_scaled_by_the_range_of_all(workspace: Path) -> None:
    root = workspace / "inputs" / "mine"
    for n in range(20):
        for shape, base in (("cup", 0), ("mug", 2000)):
            (root / shape).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((16, 16), base + 100 * n, np.uint16)).save(root / shape / f"{n}.png")
    splits = load_domain(SPEC)
    assert splits.train.pixels.shape[3] == 1
    assert any("pixels are from 0 to 3900: taken as 12-bit numbers" in note for note in splits.notes)
    found = sorted(int(v) for _, images in splits.items() for v in images.pixels[:, 8, 8, 0])
    values = sorted(base + 100 * n for base in (0, 2000) for n in range(20))
    assert found == [round(value / 4095 * 255) for value in values]


@pytest.mark.parametrize("suffix", ["jfif", "avif", "jp2", "webp"])
def test_other_suffixes_of_photos(tree: Path, suffix: str) -> None:
    if why_not(f".{suffix}"):
        pytest.skip(why_not(f".{suffix}"))
    kind = {"jfif": "JPEG", "jp2": "JPEG2000"}.get(suffix, suffix.upper())
    Image.new("RGB", (20, 20), (9, 9, 9)).save(tree / "cup" / f"odd.{suffix}", kind)
    splits = load_domain(SPEC)
    assert not splits.skipped
    assert sum(len(images) for _, images in splits.items()) == 41


def test_a_suffix_that_pillow_cannot_read_here_is_told() -> None:
    assert why_not(".heic") in ("", ".heic needs pillow-heif: pip install pillow-heif")
    assert why_not(".eps") == "no image by its suffix .eps"
    assert why_not(".PNG") == ""


def test_a_postscript_file_is_not_tried_whatever_it_is_called(tree: Path) -> None:
    (tree / "cup" / "trap.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    )
    assert load_domain(SPEC).skipped == {"not a readable image": ("cup/trap.png",)}


def test_squares_of_one_size_keep_it(workspace: Path) -> None:
    for n in range(10):
        picture(workspace / "inputs/mine/cup" / f"{n}.png", (n, 0, 0), (20, 20), "L")
        picture(workspace / "inputs/mine/mug" / f"{n}.png", (n, 9, 0), (20, 20), "L")
    own = SPEC.model_copy(update={"size": None})
    assert load_domain(own).train.pixels.shape == (14, 20, 20, 1)
    picture(workspace / "inputs/mine/mug" / "wide.png", (0, 9, 0), (40, 20))
    assert load_domain(own).train.pixels.shape[1:] == (64, 64, 3)


def test_odd_folders_are_told(tree: Path) -> None:
    picture(tree / "stray.png", (1, 2, 3))
    for n in range(3):
        picture(tree / "Cup" / f"{n}.png", (n, 0, 0))
    notes = load_domain(SPEC).notes
    assert notes[0] == "inputs/mine: 1 image outside the class folders: without labels"
    assert notes[1] == "inputs/mine: classes 'Cup' and 'cup' differ in case or spaces only"


def test_an_empty_class(tree: Path) -> None:
    (tree / "plate").mkdir()
    with pytest.raises(LbtError, match="class plate is empty"):
        load_domain(SPEC)
    assert load_domain(SPEC.model_copy(update={"classes": ["mug", "cup"]})).train.classes == ("mug", "cup")


def test_mistakes(workspace: Path, tree: Path) -> None:
    with pytest.raises(LbtError, match=r"data\.domains\.mine: inputs/none: no such folder"):
        load_domain(SPEC.model_copy(update={"path": "inputs/none"}), "mine")
    with pytest.raises(LbtError, match="found 1 class folder, mine"):
        load_domain(SPEC.model_copy(update={"path": "inputs"}))
    with pytest.raises(LbtError, match=r"unknown class 'cupp'.*did you mean 'cup'"):
        load_domain(SPEC.model_copy(update={"classes": ["cupp", "mug"]}))
