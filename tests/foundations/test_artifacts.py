import contextlib
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open

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
