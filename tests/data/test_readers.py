"""The formats in which images lie on disks: each is read as the same forty images."""

from __future__ import annotations

import builtins
import io
import json
from pathlib import Path

import numpy as np
import published
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from lbt.data import DomainSpec, load_domain, matlab, readers
from lbt.data.readers import READERS
from lbt.data.splits import Splits
from lbt.errors import LbtError
from lbt.params import load_params
from lbt.pipeline.stages import data as stage

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 12, 12, 1), dtype=np.uint8)
LABELS = np.arange(40) % 4
EXPECTED = {pixels.tobytes(): int(label) for pixels, label in zip(PIXELS, LABELS, strict=True)}


def load(path: str, **more: object) -> Splits:
    return load_domain(DomainSpec(kind="arrays", path=path, **more))


def is_whole(splits: Splits, expected: dict[bytes, int] = EXPECTED) -> bool:
    found = {
        pixels.tobytes(): int(label)
        for _, images in splits.items()
        for pixels, label in zip(images.pixels, images.labels, strict=True)
    }
    return found == expected


def test_npy_with_labels_beside_it(workspace: Path) -> None:
    np.save("mine.npy", PIXELS)
    assert (load("mine.npy").train.labels == -1).all()
    np.save("mine_labels.npy", LABELS)
    assert is_whole(load("mine.npy"))
    for kind in ("images", "labels"):
        np.save(f"{kind}_a.npy", {"images": PIXELS, "labels": LABELS}[kind])
    assert is_whole(load("images_a.npy"))


def test_idx_in_a_folder_is_a_split_of_its_own(workspace: Path) -> None:
    for prefix, part in (("train", slice(30)), ("t10k", slice(30, 40))):
        Path("mine").mkdir(exist_ok=True)
        Path(f"mine/{prefix}-images-idx3-ubyte.gz").write_bytes(published.idx(PIXELS[part, ..., 0]))
        Path(f"mine/{prefix}-labels-idx1-ubyte.gz").write_bytes(published.idx(LABELS[part]))
    splits = load("mine")
    assert is_whole(splits)
    assert {p.tobytes() for p in splits.test.pixels} == {p.tobytes() for p in PIXELS[30:]}


def test_one_idx_file_plain_or_packed(workspace: Path) -> None:
    import gzip

    for name, pack in (("{}.gz", bytes), ("{}", gzip.decompress)):
        Path(name.format("my-images-idx3-ubyte")).write_bytes(pack(published.idx(PIXELS[..., 0])))
        Path(name.format("my-labels-idx1-ubyte")).write_bytes(pack(published.idx(LABELS)))
        assert is_whole(load(name.format("my-images-idx3-ubyte")))


@pytest.mark.parametrize("name", ["mine.bz2", "mine.libsvm"])
def test_libsvm(workspace: Path, name: str) -> None:
    import bz2

    packed = published.libsvm(PIXELS.reshape(40, -1), LABELS)
    Path(name).write_bytes(packed if name.endswith("bz2") else bz2.decompress(packed))
    splits = load(name)
    assert is_whole(splits)
    assert splits.notes == (
        f"{name}: labels are floats that hold whole numbers",
        f"{name}: images: pixels are from 0 to 255: taken as 8-bit numbers",
    )
    Path("odd.libsvm").write_text("0 1:1 5:2\n1 1:1 5:2\n")
    with pytest.raises(LbtError, match=r"odd\.libsvm: 5 values an image; accepted: a square number"):
        load("odd.libsvm")


@pytest.mark.parametrize("layout", ["svhn", "plain"])
def test_mat(workspace: Path, layout: str) -> None:
    colour = PIXELS.repeat(3, axis=3)
    if layout == "svhn":
        Path("mine.mat").write_bytes(published.mat(colour, LABELS))
    else:
        savemat("mine.mat", {"images": colour, "labels": LABELS})
    expected = {pixels.tobytes(): int(label) for pixels, label in zip(colour, LABELS, strict=True)}
    assert is_whole(load("mine.mat"), expected)


@pytest.mark.parametrize("packed", [False, True])
def test_matlab_files_are_read_as_scipy_reads_them(workspace: Path, packed: bool) -> None:
    held = {
        "x": PIXELS,
        "y": LABELS.astype(np.uint8),
        "single": np.float32([[1.5, -2]]),
        "long_name_of_an_array": np.arange(6, dtype=np.int16).reshape(3, 2),
        "one": np.array([[7.0]]),
        "empty": np.zeros((0, 3)),
        "text": "left out",
        "cell": np.array(["a", 1], dtype=object),
        "z": np.array([1j]),
    }
    savemat("mine.mat", held, do_compression=packed)
    found = {name: variable.read() for name, variable in matlab.variables(Path("mine.mat")).items()}
    expected = loadmat("mine.mat")
    assert sorted(found) == ["empty", "long_name_of_an_array", "one", "single", "x", "y"]
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name])
        assert array.dtype == expected[name].dtype


def test_what_is_no_matlab_5_file_is_one_line(workspace: Path) -> None:
    savemat("mine.mat", {"images": PIXELS, "labels": LABELS})
    whole = Path("mine.mat").read_bytes()
    for content in (b"", b"x" * 300, whole[:3000], whole[:130] + b"\xff" * 40 + whole[170:]):
        Path("mine.mat").write_bytes(content)
        with pytest.raises(LbtError, match=r"mine\.mat: "):
            load("mine.mat")


@pytest.mark.parametrize("name", ["mine.h5", "mine.mat"])
def test_hdf5_without_h5py_says_what_to_install(workspace: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(module: str, *rest: object, **more: object) -> object:
        if module == "h5py":
            raise ImportError(module)
        return real(module, *rest, **more)

    Path(name).write_bytes(b"\x89HDF\r\n\x1a\n and more")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(LbtError, match=f"{name}: an HDF5 file needs the package h5py: pip install h5py"):
        load(name)


def test_hdf5(workspace: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File("mine.h5", "w") as file:
        file["train/x"], file["train/y"], file["test/x"], file["test/y"] = (
            PIXELS[:30],
            LABELS[:30],
            PIXELS[30:],
            LABELS[30:],
        )
    assert is_whole(load("mine.h5"))


def encoded(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0]).save(file, "PNG")
    return file.getvalue()


NAMES = ["north", "east", "south", "west"]


def shard(path: str, part: slice, names: list[str] | None = NAMES, **columns: list[object]) -> None:
    """As the Hugging Face hub has them: a struct of bytes, numbered labels, names in the schema."""
    cells = [{"bytes": encoded(pixels), "path": None} for pixels in PIXELS[part]]
    table = pa.table({"img": cells, "label": LABELS[part], **columns})
    features = {"label": {"names": names, "_type": "ClassLabel"}, "img": {"_type": "Image"}}
    schema = {"huggingface": json.dumps({"info": {"features": features}})}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(schema if names else None), path)


def test_shards_of_parquet_with_names_in_the_schema(workspace: Path) -> None:
    shard("mine/data/train-00000-of-00002.parquet", slice(15))
    shard("mine/data/train-00001-of-00002.parquet", slice(15, 30))
    shard("mine/data/test-00000-of-00001.parquet", slice(30, 40))
    splits = load("mine")
    assert splits.train.classes == tuple(NAMES)
    assert splits.train.pixels.shape[1:] == (12, 12, 1)  # their own size and colour
    assert is_whole(splits)
    assert len(splits.test) == 10


def test_names_of_parquet_classes_in_the_params(workspace: Path) -> None:
    shard("mine.parquet", slice(40), names=None)
    assert load("mine.parquet").train.classes == ("0", "1", "2", "3")
    assert load("mine.parquet", classes=NAMES).train.classes == tuple(NAMES)


def test_a_column_of_splits_and_columns_that_are_not_read(workspace: Path) -> None:
    parts = ["train"] * 20 + ["val"] * 10 + ["test"] * 10
    shard("mine.parquet", slice(40), split=parts, user=["ann"] * 40, weather=["rain"] * 40)
    splits = load("mine.parquet")
    assert [len(images) for _, images in splits.items()] == [20, 10, 10]
    assert splits.train.columns == {"user": ["ann"] * 20, "split": ["train"] * 20}
    assert splits.notes == ("mine.parquet: columns that are not read: weather",)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: shard("mine.parquet", slice(40), names=[*"aacd"]), "class 'a' is named twice"),
        (lambda: shard("mine.parquet", slice(40), names=[*"ab"]), "row 3: label 3, but there are 2 classes"),
        (lambda: shard("mine.parquet", slice(40), split=["trn"] * 40), "split: found 'trn'; accepted: train"),
        (
            lambda: pq.write_table(pa.table({"imag": [b""], "label": [0]}), "mine.parquet"),
            "no column 'image'; found imag",
        ),
        (lambda: pq.write_table(pa.table({"image": [b"x"], "label": [0]}), "mine.parquet"), "found 1 class"),
    ],
)
def test_mistakes_in_parquet(workspace: Path, make: object, words: str) -> None:
    make()
    with pytest.raises(LbtError, match=words):
        load("mine.parquet")


def test_parquet_without_labels(workspace: Path) -> None:
    pq.write_table(pa.table({"image": [encoded(pixels) for pixels in PIXELS]}), "mine.parquet")
    splits = load("mine.parquet")
    assert (splits.train.labels == -1).all()
    assert splits.notes == ("mine.parquet: no column 'label' in mine.parquet: images without labels",)


def test_shards_of_different_types_are_refused(workspace: Path) -> None:
    shard("mine/train-0.parquet", slice(20), names=None)
    pq.write_table(pa.table({"img": [encoded(p) for p in PIXELS[20:]], "label": LABELS[20:]}), "mine/train-1.parquet")
    with pytest.raises(LbtError, match=r"train-1\.parquet: column img is binary, in train-0\.parquet struct"):
        load("mine")
    shard("mine/train-1.parquet", slice(20, 40))
    with pytest.raises(LbtError, match=r"train-1\.parquet: other class names than in train-0\.parquet"):
        load("mine")


def test_every_reader_says_what_it_reads() -> None:
    for name in READERS.names():
        module = READERS.load(name)
        assert module.__doc__
        assert callable(module.read)
        assert all(suffix.startswith(".") for suffix in module.SUFFIXES)


def test_nothing_there(workspace: Path) -> None:
    with pytest.raises(LbtError, match="none: no such file or folder"):
        readers.read(Path("none"))
    Path("empty").mkdir()
    with pytest.raises(LbtError, match="empty: no image in this folder"):
        readers.read(Path("empty"))


def test_a_file_of_labels_is_an_input_of_the_job(workspace: Path) -> None:
    np.save("mine.npy", PIXELS)
    np.save("mine_labels.npy", LABELS)
    Path("p.yaml").write_text("data: {domains: {mine: {kind: arrays, path: mine.npy}, mnist: {}, optdigits: {}}}")
    jobs = {job.name: job for job in stage.jobs(load_params("p.yaml"), {})}
    assert jobs["mine"].files == ("mine.npy", "mine_labels.npy")
    assert jobs["mnist"].files == ()
