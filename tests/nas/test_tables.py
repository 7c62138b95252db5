"""Architecture tables: the embedded benchmark, and what a reader refuses."""

import io
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lbt.artifacts import sha256, write_table
from lbt.errors import LbtError
from lbt.nas import tables
from lbt.nas.predictors.predict import predict
from lbt.nas.space import load
from lbt.nas.spaces import nasbench201

CELLS = [nasbench201.format(row) for row in nasbench201.sample(6, 0)]


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "nb201.parquet"
    counts = tables.write_nasbench201(path)
    assert counts["architectures"] == 15625
    return path


def test_the_benchmark_is_complete_and_known_cells_are_right(benchmark):
    table = tables.read(benchmark, "nasbench201", complete=True)
    assert set(table.targets) == set(tables.NASBENCH201_TARGETS)
    fp = table.target("fp")
    assert (table.rows == nasbench201.SPACE.all()).all()
    empty = nasbench201.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    assert fp[nasbench201.SPACE.index(empty)] == 10.0  # ten classes, nothing arrives: chance
    assert nasbench201.format(table.rows[np.argmax(fp)]).count("nor_conv_3x3") >= 4
    assert 90 < np.median(fp) < 91


def test_isomorphic_cells_have_nearly_equal_accuracy(benchmark):
    """If edges or operations were misread, cells that are the same network would not agree."""
    table = tables.read(benchmark, "nasbench201")
    keys, group = np.unique(nasbench201.SPACE.keys(table.rows), return_inverse=True)
    fp = table.target("fp")
    mean = np.bincount(group, fp) / np.bincount(group)
    assert len(keys) == 8765
    assert np.median(np.abs(fp - mean[group])) < 0.1


def test_writing_twice_gives_the_same_bytes(benchmark, tmp_path):
    tables.write_nasbench201(tmp_path / "again.parquet")
    assert sha256(tmp_path / "again.parquet") == sha256(benchmark)


def test_a_pickle_may_not_name_other_classes():
    with pytest.raises(LbtError, match="not admitted"):
        tables._Restricted(io.BytesIO(pickle.dumps(print))).load()


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"cell": CELLS, "fp": range(6)}, {}, "no column 'architecture'"),
        ({"architecture": CELLS}, {}, "no numeric column"),
        ({"architecture": [*CELLS[:5], CELLS[2]], "fp": range(6)}, {}, "row 5: .* is already in row 2"),
        ({"architecture": [*CELLS[:5], "x"], "fp": range(6)}, {}, "row 5: 'x'"),
        ({"architecture": [CELLS[0].replace("~0", "~0x", 1)], "fp": [1]}, {}, "row 0"),
        ({"architecture": CELLS, "fp": [1, 2, float("nan"), 4, 5, 6]}, {}, "row 2: fp is nan"),
        ({"architecture": CELLS, "fp": [1, 2, 3, None, 5, 6]}, {}, "row 3: fp is nan"),
        ({"architecture": CELLS, "fp": [1, 2, 3, 4, float("inf"), 6]}, {}, "row 4: fp is inf"),
        ({"architecture": CELLS, "fp": range(6)}, {"complete": True}, "15619 of 15625 cells are missing"),
    ],
)
def test_a_table_with_a_mistake_names_the_row(tmp_path, columns, options, message):
    write_table(tmp_path / "t.parquet", {name: list(values) for name, values in columns.items()})
    with pytest.raises(LbtError, match=message):
        tables.read(tmp_path / "t.parquet", "nasbench201", **options)


def test_an_unknown_target_names_the_nearest(tmp_path):
    write_table(tmp_path / "t.parquet", {"architecture": CELLS, "accuracy": list(range(6))})
    assert pq.read_table(tmp_path / "t.parquet").num_rows == 6
    with pytest.raises(LbtError, match="did you mean 'accuracy'"):
        tables.read(tmp_path / "t.parquet", "nasbench201").target("acuracy")


@pytest.mark.parametrize("value", [float("inf"), -1e308])
def test_a_value_too_large_to_compute_with_is_named(tmp_path, value):
    space = load("nasbench201")
    texts = [space.format(row) for row in space.all()[:3]]
    write_table(tmp_path / "t.parquet", {"architecture": texts, "v": [0.0, value, None]})
    with pytest.raises(LbtError, match=r"t.parquet: row 1: v is .*; expected a finite number of at most 1e\+100"):
        predict(tmp_path / "t.parquet", "nasbench201", encoder="best")


@pytest.mark.parametrize(
    "column", [pa.array([1, 2]), pa.nulls(2), pa.array([b"a", b"b"]), pa.array([["a"], ["b"]]), pa.array([1.5, 2.5])]
)
def test_architectures_are_text(tmp_path, column):
    write_table(tmp_path / "t.parquet", {"architecture": column, "v": [1.0, 2.0]})
    with pytest.raises(LbtError, match=r"t.parquet: column architecture holds .*; expected text"):
        tables.read(tmp_path / "t.parquet", "nasbench201")


def test_large_unsigned_numbers_are_read(tmp_path):
    space = load("nasbench201")
    texts = [space.format(row) for row in space.all()[:2]]
    write_table(tmp_path / "t.parquet", {"architecture": texts, "v": pa.array([2**64 - 1, 0], pa.uint64())})
    assert tables.read(tmp_path / "t.parquet", space).target("v").tolist() == [2.0**64, 0.0]


def test_a_nodes_number_of_many_digits_is_no_edge():
    with pytest.raises(LbtError, match="not of the form"):
        load("nasbench201").parse("|none~" + "9" * 5000 + "|+|x|+|x|")
