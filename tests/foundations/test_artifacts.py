import contextlib
import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from lbt import artifacts
from lbt.artifacts import Images
from lbt.errors import LbtError

RECORD = {"stage": "adapt", "seed": 3, "versions": {"torch": "x", "numpy": "y"}}


def sample(channels: int = 3, count: int = 7) -> Images:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 5, 4, channels), dtype=np.uint8)
    return Images(pixels, np.arange(count) % 3 - 1, ("a", "b"))


@pytest.mark.parametrize("count", [0, 1, 7])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_come_back(tmp_path, channels, count):
    images = sample(channels, count)
    artifacts.write_images(tmp_path / "i.parquet", images)
    back = artifacts.read_images(tmp_path / "i.parquet")
    np.testing.assert_array_equal(back.pixels, images.pixels)
    np.testing.assert_array_equal(back.labels, images.labels)
    assert back.classes == images.classes


def test_the_image_table_has_null_labels_and_notes(tmp_path):
    notes = {"file": [f"{n}.png" for n in range(7)], "user": ["ann", None] * 3 + ["bo"], "time": [0.5] * 6 + [None]}
    images = dataclasses.replace(sample(), columns=notes)
    artifacts.write_images(tmp_path / "i.parquet", images)
    table = pq.read_table(tmp_path / "i.parquet")
    assert table.column_names == ["image", "label", "file", "user", "time"]
    assert table.column("label").to_pylist() == [None, 0, 1, None, 0, 1, None]
    back = artifacts.read_images(tmp_path / "i.parquet")
    assert back.columns == notes
    assert back.take(np.array([6, 1])).columns == {
        "file": ["6.png", "1.png"],
        "user": ["bo", None],
        "time": [None, 0.5],
    }
    pq.write_table(table.set_column(3, "user", pa.array([1] * 7)), tmp_path / "i.parquet")
    with pytest.raises(LbtError, match="column user is int64; accepted: string"):
        artifacts.read_images(tmp_path / "i.parquet")


def test_an_image_table_without_any_label_needs_no_class(tmp_path):
    images = dataclasses.replace(sample(), labels=np.full(7, -1), classes=())
    artifacts.write_images(tmp_path / "i.parquet", images)
    assert artifacts.read_images(tmp_path / "i.parquet").labels.tolist() == [-1] * 7


def test_the_same_content_gives_the_same_bytes_and_carries_its_provenance(tmp_path):
    for name in ("one", "two"):
        with artifacts.provenance(RECORD):
            artifacts.write_images(tmp_path / f"{name}.parquet", sample())
            artifacts.write_tensors(tmp_path / f"{name}.safetensors", {"w": torch.ones(3)}, {"model": "m", "size": 32})
    for kind in ("parquet", "safetensors"):
        assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"two.{kind}").read_bytes()
    assert json.loads(pq.read_schema(tmp_path / "one.parquet").metadata[b"lbt"]) == RECORD
    with safe_open(tmp_path / "one.safetensors", "pt") as file:
        assert json.loads(file.metadata()["lbt"])["provenance"] == RECORD
    tensors, extra = artifacts.read_tensors(tmp_path / "one.safetensors")
    assert torch.equal(tensors["w"], torch.ones(3))
    assert extra == {"model": "m", "size": 32}


READERS = {
    "i.parquet": artifacts.read_images,
    "t.parquet": artifacts.read_table,
    "w.safetensors": artifacts.read_tensors,
    "m.json": artifacts.read_json,
}


@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign", "empty"])
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_reported_by_name(tmp_path, name, damage):
    path = tmp_path / name
    artifacts.write_images(tmp_path / "i.parquet", sample())
    artifacts.write_table(tmp_path / "t.parquet", [{"a": 1}])
    artifacts.write_tensors(tmp_path / "w.safetensors", {"w": torch.ones(300)})
    artifacts.write_json(tmp_path / "m.json", {"accuracy": 97.5})
    match damage:
        case "missing":
            path.unlink()
        case "truncated":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        case "foreign":
            path.write_bytes(b"\x80\x04 not what you think" * 9)
        case "empty":
            path.write_bytes(b"")
    with pytest.raises(LbtError) as error:
        READERS[name](path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_flipped_bit_of_a_pixel_is_found(tmp_path):
    path, pixels = tmp_path / "i.parquet", np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)
    artifacts.write_images(path, Images(pixels, np.zeros(40, np.int64), ("a",)))
    content = bytearray(path.read_bytes())
    content[content.index(pixels[20].tobytes()) + 5] ^= 4  # noise cannot be compressed: it is in the file as it is
    path.write_bytes(content)
    with pytest.raises(LbtError, match=r"i\.parquet: not a readable image table file .*CRC checksum"):
        artifacts.read_images(path)


def test_a_table_that_holds_no_images_is_no_image_set(tmp_path):
    artifacts.write_table(tmp_path / "t.parquet", [{"a": 1}])
    with pytest.raises(LbtError, match="not an image table"):
        artifacts.read_images(tmp_path / "t.parquet")


def test_an_interrupted_writer_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "m.json"
    artifacts.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match=r"nan|NaN|JSON"):
        artifacts.write_json(path, {"a": float("nan")})
    with contextlib.suppress(RuntimeError), artifacts.atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert artifacts.read_json(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["m.json"]


def test_the_bytes_are_on_the_disk_before_the_name(tmp_path, monkeypatch):
    seen = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (seen.append("fsync"), fsync(handle)))
    monkeypatch.setattr(Path, "replace", lambda path, target: (seen.append("replace"), replace(path, target)))
    artifacts.write_json(tmp_path / "m.json", {"a": 1})
    assert seen == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_is_followed(tmp_path, exists):
    real, link = tmp_path / "there" / "real.json", tmp_path / "link.json"
    if exists:
        artifacts.write_json(real, {"a": 0})
    link.symlink_to(real)
    artifacts.write_json(link, {"a": 1})
    assert link.is_symlink()
    assert artifacts.read_json(real) == {"a": 1}
    assert [p.name for p in real.parent.iterdir()] == ["real.json"]


def test_a_pipe_gets_the_bytes_and_stays(tmp_path):
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    artifacts.write_json(pipe, {"a": 1})
    assert json.loads(os.read(reader, 100)) == {"a": 1}
    os.close(reader)
    assert pipe.is_fifo()
    artifacts.write_table(os.devnull, [{"a": 1}])
    assert Path(os.devnull).is_char_device()


def refused_paths(folder: Path) -> dict[str, Path]:
    (folder / "file").write_text("")
    (folder / "loop").symlink_to(folder / "loop")
    paths = {"is a folder": folder, "cannot be written": folder / "file" / "a.json", "symbolic": folder / "loop"}
    return paths | ({"No space left": Path("/dev/full")} if Path("/dev/full").exists() else {})


def test_a_path_that_cannot_be_written_is_one_line(tmp_path):
    for words, path in refused_paths(tmp_path).items():
        for write in (
            lambda to: artifacts.write_json(to, {"a": 1}),
            lambda to: artifacts.write_table(to, [{"a": 1}]),
            lambda to: artifacts.write_tensors(to, {"w": torch.ones(3)}),
        ):
            with pytest.raises(LbtError, match=words) as error:
                write(path)
            assert str(path) in str(error.value)
            assert "\n" not in str(error.value)


def images_with(path: Path, **changes: object) -> Path:
    """An image table of six 5×4 images whose columns or metadata are replaced."""
    artifacts.write_images(path, sample(count=6))
    table = pq.read_table(path)
    metadata = {**table.schema.metadata, **{k.encode(): v for k, v in changes.items() if isinstance(v, bytes)}}
    for name, column in changes.items():
        if isinstance(column, pa.Array):
            table = table.set_column(table.column_names.index(name), name, column)
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shape": b"7"}, "shape: found 7; accepted: .height, width, channels."),
        ({"shape": b"[-5, -4, 3]"}, "shape: found"),
        ({"shape": b"[5, 4]"}, "shape: found"),
        ({"shape": b"[0, 4, 3]"}, "shape: found"),
        ({"shape": b"[5, 6, 2]"}, "1 or 3 channels"),
        ({"shape": b"{"}, "not a readable image table"),
        ({"classes": b"5"}, "classes: found 5"),
        ({"classes": b'["a", 1]'}, "classes: found"),
        ({"classes": b'["a", "a"]'}, "different names"),
        ({"label": pa.array([0.0] * 6)}, "label: found double"),
        ({"label": pa.array([0, 0, 0, 0, 0, 2])}, "row 5: found 2; accepted: .* from 0 to 1"),
        ({"label": pa.array([2**64 - 1] * 6, pa.uint64())}, "row 0: found"),
        ({"image": pa.array([None] * 6, pa.binary(60))}, "row 0 is null; accepted: an image in each row"),
        ({"image": pa.nulls(6)}, "column image is null"),
    ],
)
def test_image_metadata_is_checked(tmp_path, changes, words):
    path = images_with(tmp_path / "i.parquet", **changes)
    with pytest.raises(LbtError, match=words) as error:
        artifacts.read_images(path)
    assert str(path) in str(error.value)


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    pq.write_table(pa.Table.from_arrays([pa.array([1])] * 2, ["a", "a"]), tmp_path / "t.parquet")
    with pytest.raises(LbtError, match="column 'a' is there twice"):
        artifacts.read_table(tmp_path / "t.parquet")


@pytest.mark.parametrize("header", ["[]", "1", '{"extra": []}', '{"extra": null}'])
def test_a_tensor_header_is_a_mapping(tmp_path, header):
    save_file({"w": torch.ones(3)}, tmp_path / "w.safetensors", {"lbt": header})
    with pytest.raises(LbtError, match=r"header.*: found .*; expected a mapping"):
        artifacts.read_tensors(tmp_path / "w.safetensors")


@pytest.mark.parametrize("text", ["[]", "1", "null", "[" * 100_000])
def test_json_is_an_object(tmp_path, text):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(LbtError, match=r"expected a mapping|nested too deeply"):
        artifacts.read_json(tmp_path / "m.json")


def test_files_of_killed_writers_are_removed_and_no_others(tmp_path: Path) -> None:
    with artifacts.atomic(tmp_path / "kept.json") as temporary:
        name = temporary.name
        temporary.write_text("{}")
    (tmp_path / name).write_text("half")
    (tmp_path / ".gitignore").write_text("mine")
    assert artifacts.remove_temporaries(tmp_path, older=60) == []
    assert artifacts.remove_temporaries(tmp_path) == [tmp_path / name]
    assert {path.name for path in tmp_path.iterdir()} == {"kept.json", ".gitignore"}
    assert artifacts.remove_temporaries(tmp_path / "missing") == []
