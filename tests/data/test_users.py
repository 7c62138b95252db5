"""Users, times and splits: from folders, file names and columns into the image table that the other stages read."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from lbt.artifacts import read_images
from lbt.config import parse
from lbt.data import DomainSpec, load_domain
from lbt.data.columns import column, rows_of
from lbt.data.layout import parse as levels
from lbt.data.layout import recognise
from lbt.data.names import compiled, fields
from lbt.data.params import DataParams
from lbt.data.splits import Splits
from lbt.data.stage import Inputs, Outputs, run
from lbt.errors import LbtError

SPEC = DomainSpec(kind="folder", path="inputs/mine")


def draw(path: str, value: int = 0) -> None:
    file = Path("inputs/mine", path)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.arange(144, dtype=np.uint8) + value).reshape(12, 12)).save(file)


def rows(splits: Splits) -> set[tuple[object, ...]]:
    """(file, class, user) of every image."""
    found = set()
    for _, images in splits.items():
        users = images.columns.get("user", [None] * len(images))
        for file, label, user in zip(images.columns["file"], images.labels, users, strict=True):
            found.add((file, images.classes[label] if label >= 0 else None, user))
    return found


def staged(domain: dict[str, object]) -> Path:
    params = parse(DataParams, {"domains": {"mine": domain}}, "params.yaml")
    run(params, Inputs(domain="mine"), Outputs(**{n: Path(n) for n in ("train", "validation", "test", "sheet")}))
    return Path("train")


def test_a_folder_per_user_is_no_class(workspace: Path) -> None:
    paths = [f"{user}/{cup}/{n}.png" for user in ("ann", "ben", "u3") for cup in ("cup", "mug") for n in range(5)]
    for n, path in enumerate(paths):
        draw(path, n)
    splits = load_domain(SPEC)
    assert rows(splits) == {(path, path.split("/")[1], path.split("/")[0]) for path in paths}
    assert splits.notes == (
        "inputs/mine: read as users ann, ben, u3 and classes cup, mug (layout: user/class); layout: class reads "
        "classes ann, ben, u3",
    )
    as_asked = load_domain(SPEC.model_copy(update={"layout": "class"}))
    assert as_asked.train.classes == ("ann", "ben", "u3")
    assert "user" not in as_asked.train.columns
    assert not as_asked.notes
    assert load_domain(SPEC.model_copy(update={"layout": "user"})).train.classes == ()


def test_the_stages_table_has_the_users(workspace: Path) -> None:
    for n in range(40):
        draw(f"{'u1' if n % 2 else 'u2'}/{'cup' if n % 4 > 1 else 'mug'}/{n}.png", n)
    table = pq.read_table(staged({"kind": "folder", "path": "inputs/mine"}))
    assert table.schema.field("user").type == pa.string()
    images = read_images("train")
    assert [int(file.split("/")[2][:-4]) % 2 == 1 for file in images.columns["file"]] == [
        user == "u1" for user in images.columns["user"]
    ]


A, B, C, D = "a", "b", "c", "d"


@pytest.mark.parametrize(
    ("files", "expected", "words"),
    [
        ([(A,), (B,)], "class", ""),
        ([(A, "deeper"), (B,)], "class", ""),
        ([(A, "deeper"), (B, "deeper")], "class", ""),
        ([("u1", A), ("u1", B), ("u2", A)], "user/class", "read as users u1, u2 and classes a, b"),
        ([(A, "u1"), (A, "u2"), (B, "u1"), (B, "u2")], "class/user", "read as classes a, b and users u1, u2"),
        ([(A, C), (A, D), (B, C), (B, "e")], "class", "names in common"),
        ([(A, C), (A, D), (B, "e"), (B, "f")], "class", "names in common|^$"),
        ([("train", A), ("train", B), ("test", A)], "split/class", ""),
        ([("train", "u1", A), ("train", "u1", B), ("val", "u2", A), ("val", "u2", B)], "split/user/class", "users u1"),
        ([("u1", "train", A), ("u1", "test", A), ("u2", "train", B), ("u2", "test", B)], "user/split/class", ""),
        ([(A, "train"), (A, "test"), (B, "train"), (B, "test")], "class/split", ""),
        ([()], "", ""),
    ],
)
def test_layouts_by_their_names(files: list[tuple[str, ...]], expected: str, words: str) -> None:
    found = recognise(files, [file for file in files if file], "mine")
    assert "/".join(found.levels) == expected
    assert re.search(words, " ".join(found.notes))
    assert bool(found.notes) <= bool(words)


@pytest.mark.parametrize("text", ["people", "user/user", "", "class,user"])
def test_no_layout(text: str) -> None:
    with pytest.raises(ValueError, match="accepted: different ones of class, user, split, such as user/class"):
        levels(text)


def test_a_users_own_split_inside(workspace: Path) -> None:
    for user in ("ann", "ben"):
        for part in ("train", "test"):
            for n in range(6):
                draw(f"{user}/{part}/{'cup' if n % 2 else 'mug'}/{n}.png", n)
    splits = load_domain(SPEC)
    assert splits.test.columns["split"] == ["test"] * 12
    assert sorted(set(splits.test.columns["user"])) == ["ann", "ben"]
    assert all("/test/" in file for file in splits.test.columns["file"])
    assert splits.train.classes == ("cup", "mug")


def test_columns_from_file_names(workspace: Path) -> None:
    for n in range(40):
        draw(f"{n % 2}_{('jackson', 'theo_b')[n % 4 // 2]}_{n}.png", n)
    draw("readme.png")
    splits = load_domain(SPEC.model_copy(update={"name": "{label}_{user}_{index}"}))
    assert splits.skipped == {"a name not like {label}_{user}_{index}": ("readme.png",)}
    found = rows(splits)
    assert len(found) == 40
    assert ("2_x", None, None) not in found
    assert {(label, user) for _, label, user in found} == {(a, b) for a in "01" for b in ("jackson", "theo_b")}
    assert all(file.startswith(f"{label}_{user}_") for file, label, user in found)


def test_folders_and_file_names_together(workspace: Path) -> None:
    for n in range(40):
        draw(f"{('ann', 'ben')[n % 4 // 2]}/{n % 2}-{n}.png", n)
    spec = SPEC.model_copy(update={"name": "{label}-{n}", "layout": "user"})
    assert {(label, user) for _, label, user in rows(load_domain(spec))} == {
        (a, b) for a in "01" for b in ("ann", "ben")
    }
    spec = SPEC.model_copy(update={"name": "{label}-{n}"})
    assert {user for _, _, user in rows(load_domain(spec))} == {None}


@pytest.mark.parametrize(
    "name", ["{index}", "{label}{user}", "plain", "{label}_{label}", "{label}/{user}", "{label", "{0}_{label}"]
)
def test_no_pattern(name: str) -> None:
    with pytest.raises(ValueError, match=r"found .*; accepted: "):
        compiled(name)
    with pytest.raises(LbtError, match=r"domains\.mine\.name: found"):
        parse(DataParams, {"domains": {"mine": {"kind": "folder", "path": "inputs/x", "name": name}}}, "p.yaml")


def test_fields_of_a_name() -> None:
    assert fields("{label}_{user}_{index}", "7_jackson_32") == {"label": "7", "user": "jackson"}
    assert fields("{label}_{user}_{index}", "7_jackson") is None
    assert fields("s{user}.{time}", "s12.2020-01-01") == {"user": "12", "time": "2020-01-01"}


def test_times_are_seconds() -> None:
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC).timestamp()
    given = [
        noon,
        str(noon),
        "2024-05-01T12:00:00",
        "2024-05-01T14:00:00+02:00",
        datetime(2024, 5, 1, 12),
        None,
        "",
        np.nan,
    ]
    assert column("time", given, rows_of("mine")) == [noon] * 5 + [None] * 3
    assert column("user", ["ann", 7, None, "", float("nan"), b"x"], rows_of("mine")) == [
        "ann",
        "7",
        None,
        None,
        None,
        "x",
    ]
    for wrong in ("noon", float("inf"), [1]):
        with pytest.raises(
            LbtError, match=r"mine: row 1: time: found .*; accepted: seconds since 1970, or an ISO date"
        ):
            column("time", [None, wrong], rows_of("mine"))


def png(value: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray((np.arange(144, dtype=np.uint8) + value).reshape(12, 12)).save(file, "PNG")
    return file.getvalue()


def test_users_times_and_paths_of_parquet(workspace: Path) -> None:
    Path("inputs").mkdir()
    held = {
        "image": [{"bytes": png(n), "path": f"shot/{n}.png"} for n in range(40)],
        "label": [n % 2 for n in range(40)],
        "user": pa.array([n % 3 for n in range(40)]),
        "time": pa.array([datetime(2024, 5, 1, 12, n, tzinfo=UTC) for n in range(40)], pa.timestamp("us", "UTC")),
        "split": ["train"] * 30 + ["test"] * 10,
    }
    pq.write_table(pa.table(held), "inputs/mine.parquet")
    staged({"kind": "arrays", "path": "inputs/mine.parquet"})
    images = read_images("test")
    numbers = [int(file[5:-4]) for file in images.columns["file"]]
    assert sorted(numbers) == list(range(30, 40))
    assert images.columns["user"] == [str(n % 3) for n in numbers]
    first = datetime(2024, 5, 1, 12, tzinfo=UTC).timestamp()
    assert images.columns["time"] == [first + 60 * n for n in numbers]
    assert images.columns["split"] == ["test"] * 10


def test_users_and_times_of_a_table_beside_images(workspace: Path) -> None:
    lines = ["file,label,user,time,split"]
    for n in range(40):
        draw(f"{n}.png", n)
        lines.append(
            f"{n}.png,{'ab'[n % 2]},{'xy'[n % 4 // 2]},2024-05-01T12:{n:02}:00Z,{'train' if n < 30 else 'test'}"
        )
    Path("inputs/mine/labels.csv").write_text("\n".join(lines))
    test = load_domain(SPEC).test
    numbers = [int(file[:-4]) for file in test.columns["file"]]
    assert test.columns["user"] == ["xy"[n % 4 // 2] for n in numbers]
    assert [round(time) % 3600 // 60 for time in test.columns["time"]] == numbers
