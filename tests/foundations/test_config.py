import pytest
from pydantic import Field

from lbt.config import OneOrMore, Section, load_yaml, parse, read_yaml
from lbt.errors import LbtError


class Inner(Section):
    bits: int = Field(8, ge=1, le=16)
    rounding: OneOrMore[str] = ["nearest"]


class Outer(Section):
    inner: Inner = Inner()
    many: list[Inner] = []
    named: dict[str, Inner] = {}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"inner": {"bitz": 4}}, ["p.yaml: inner.bitz", "unknown key", "bits, rounding", "did you mean 'bits'"]),
        ({"inner": {"bits": 17}}, ["inner.bits", "17", "less than or equal to 16"]),
        ({"inner": {"bits": "four"}}, ["inner.bits", "'four'", "integer"]),
        ({"many": [{"bits": 4}, {"rouding": "x"}]}, ["many.1.rouding", "did you mean 'rounding'"]),
        ({"named": {"a": {"bts": 1}}}, ["named.a.bts", "did you mean 'bits'"]),
        ({"iner": {}}, ["iner", "did you mean 'inner'"]),
    ],
)
def test_a_mistake_is_one_line_with_file_key_value_and_what_is_accepted(data, expected):
    with pytest.raises(LbtError) as error:
        parse(Outer, data, "p.yaml")
    text = str(error.value)
    assert "\n" not in text
    for part in expected:
        assert part in text


def test_more_mistakes_are_counted():
    with pytest.raises(LbtError, match=r"and 1 more"):
        parse(Outer, {"inner": {"bits": 0}, "x": 1}, "p.yaml")


def test_one_value_stands_for_a_list():
    assert parse(Outer, {"inner": {"rounding": "floor"}}, "p").inner.rounding == ["floor"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1", "not valid YAML"),
        ("- 1", "expected a mapping"),
        ("a: 1\na: 2", "given twice"),
        ("a: !!python/object:os.x {}", "not valid YAML"),
    ],
)
def test_bad_yaml_names_the_file(tmp_path, text, expected):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(LbtError, match=expected) as error:
        read_yaml(path)
    assert str(path) in str(error.value)


def test_a_missing_file_gets_its_nearest_neighbour(tmp_path):
    (tmp_path / "default.yaml").write_text("{}")
    with pytest.raises(LbtError, match=r"did you mean 'default.yaml'"):
        load_yaml(tmp_path / "defualt.yaml", Outer)
