"""The import closure: registries, names that a package gives away, packages' own files, data beside modules."""

from __future__ import annotations

import pytest

from lbt.errors import LbtError
from lbt.pipeline.imports import Imports

TREE = {
    "__init__.py": "",
    "start.py": "def f():\n    from lbt.shelf import SHELF\n",
    "shelf/__init__.py": "SHELF = Registry('thing', 'lbt.things')",
    "things/__init__.py": "",
    "things/one.py": "import lbt.fixed",
    "things/two.py": "'lbt.things'",
    "things/inner/__init__.py": "import lbt.deep",
    "things/inner/not.py": "",
    "fixed.py": "",
    "deep.py": "",
    "lazy/__init__.py": "get = exports(__name__, {'A': 'lbt.lazy.a', 'B': 'lbt.lazy.b'})",
    "lazy/a.py": "",
    "lazy/b.py": "",
    "lazy/table.parquet": "",
    "name.py": "from lbt.lazy import A",
    "whole.py": "from lbt import lazy",
    "by_string.py": "module = import_module('lbt.deep')",
    "typed.py": "if TYPE_CHECKING:\n    import lbt.deep\nelse:\n    import lbt.fixed",
    "circle.py": "import lbt.circle",
}


@pytest.fixture
def imports(tmp_path):
    for name, text in TREE.items():
        (tmp_path / "lbt" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "lbt" / name).write_text(text)
    return Imports(tmp_path, beside=("lbt/__init__.py",))


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("start", "shelf/__init__ things/__init__ things/one things/two things/inner/__init__ fixed deep"),
        ("name", "lazy/__init__ lazy/a"),
        ("whole", "lazy/__init__ lazy/a lazy/b"),
        ("by_string", "deep"),
        ("typed", "fixed"),
        ("circle", ""),
    ],
)
def test_what_a_module_rests_on(imports, start, expected):
    found = {name for name in imports.closure([f"lbt/{start}.py"]) if name.endswith(".py")}
    assert found == {f"lbt/{name}.py" for name in (start, *expected.split())}


def test_a_file_that_is_not_python_is_one_line(imports, tmp_path):
    (tmp_path / "lbt/deep.py").write_text("def")
    with pytest.raises(LbtError, match=r"lbt/deep.py: not valid Python: [^\n]+$"):
        imports.closure(["lbt/by_string.py"])


def test_data_beside_a_module_counts(imports):
    assert "lbt/lazy/table.parquet" in imports.closure(["lbt/name.py"])


def test_what_is_beside_counts_where_it_is_the_start(imports):
    assert "lbt/__init__.py" in imports.closure(["lbt/__init__.py"])


def test_a_folder_stands_for_its_files_where_most_are_needed(imports):
    two = {"lbt/things/__init__.py", "lbt/things/one.py", "lbt/fixed.py"}
    assert imports.folded(two) == sorted(two)
    most = two | {"lbt/things/two.py", "lbt/things/inner/__init__.py"}
    assert imports.folded(most) == ["lbt/fixed.py", "lbt/things"]
