"""CSV tables: separators, numbers, empty cells, and one line for a file that is none."""

import pytest

from lbt import csv_tables
from lbt.errors import LbtError


def read(tmp_path, text, encoding="utf-8"):
    (tmp_path / "t.csv").write_text(text, encoding=encoding)
    return csv_tables.read(tmp_path / "t.csv").to_pydict()


@pytest.mark.parametrize(
    "text",
    [
        'architecture,v,note\n"a,b",1.5,x\nc,,y\n',
        "architecture\tv\tnote\na,b\t1.5\tx\nc\tnan\ty\n",
        "architecture;v;note\na,b;1,5;x\nc;N/A;y\n\n",
        '\ufeffarchitecture, v, note\r\n"a,b", 1.5, x\r\nc, -, y\r\n',
    ],
    ids=["comma", "tab", "semicolon", "bom"],
)
def test_separators_and_empty_cells(tmp_path, text):
    assert read(tmp_path, text) == {"architecture": ["a,b", "c"], "v": [1.5, None], "note": ["x", "y"]}


def test_architectures_of_digits_stay_text(tmp_path):
    assert read(tmp_path, "architecture,v\n012,1\n210,2e3\n") == {"architecture": ["012", "210"], "v": [1.0, 2000.0]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"t\.csv: empty; expected the columns' names"),
        ("architecture,v,v\na,1,2\n", r"t\.csv: column 'v' is there twice"),
        ("architecture,v\na,b,1\n", r"t\.csv: line 2 has 3 cells under 2 names \(a cell with commas needs quotes\)"),
        ("architecture,v\na,1\nb\n", r"t\.csv: line 3 has 1 cells under 2 names"),
        ('architecture,v\nb,1\n"a,1\n', r"t\.csv: not a readable CSV file: line 3: unexpected end of data"),
    ],
)
def test_a_file_that_is_no_table_is_one_line(tmp_path, text, message):
    with pytest.raises(LbtError, match=message):
        read(tmp_path, text)


def test_bytes_that_are_no_text_are_one_line(tmp_path):
    (tmp_path / "t.csv").write_bytes("architecture,v\nGröße,1\n".encode("cp1252"))
    with pytest.raises(LbtError, match=r"t\.csv: not a readable CSV file: line 2 is not UTF-8; save it as such"):
        csv_tables.read(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00architecture")
    with pytest.raises(LbtError, match=r"t\.csv: not a readable CSV file"):
        csv_tables.read(tmp_path / "t.csv")
    with pytest.raises(LbtError, match=r"none\.csv: no such file"):
        csv_tables.read(tmp_path / "none.csv")


def test_rows_stand_in_lines(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('\na,v\n\nx,1\n"y\nz",2\nw,3\n')
    assert [csv_tables.place(path, index) for index in range(3)] == ["line 4", "line 6", "line 7"]
    assert csv_tables.place("t.parquet", 2) == "row 2"


@pytest.mark.parametrize(
    ("cells", "rows"),
    [(["1", "2", "o.9"], [2]), (["1", "", "x", "2", "3"], [2]), (["1", "x"], [1]), (["red", "blue"], [0, 1])],
)
def test_what_keeps_a_column_from_being_numbers(tmp_path, cells, rows):
    path = tmp_path / "t.csv"
    path.write_text("n,v\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells)))
    assert csv_tables.words(path, csv_tables.read(path).column("v").to_pylist()) == rows
    assert csv_tables.words("t.parquet", ["1", "2"]) == []
