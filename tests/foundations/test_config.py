from itertools import pairwise

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


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"inner": {"bits": 17}}, "Outer: inner.bits: found 17"),
        ({"iner": {}}, "Outer: iner: unknown key; .*did you mean 'inner'"),
        ({"many": [Inner(), {"bits": 0}]}, "Outer: many.1.bits: found 0"),
    ],
)
def test_a_mistake_in_code_is_the_same_line(data, words):
    with pytest.raises(LbtError, match=words) as error:
        Outer(**data)
    assert "\n" not in str(error.value)
    assert Outer(inner=Inner(bits=4)).model_copy() == parse(Outer, {"inner": {"bits": 4}}, "p")


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


LAUGHS = "a: &a [x, x, x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in pairwise("abcdefghijklmn")
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("? [a]\n: 1", r"key \['a'\] is not text"),
        ("{a: 1}: 2", "is not text"),
        ("1: 2", "key 1 is not text; write it in quotes"),
        ("a: " + "[" * 10_000, "nested too deeply"),
        ("a: " + "[" * 200 + "]" * 200, "over 100 levels"),
        (LAUGHS, "over 100000 values, aliases followed"),
        ("a: &a [*a]", "over 100000 values"),
        ("", "found an empty file"),
        ("# nothing", "found an empty file"),
        ("a: 2001-99-99", "not valid YAML: month"),
        ("a: !!int ''", "not a readable YAML file|not valid YAML"),
        ("a: \x00", "not valid YAML"),
    ],
)
def test_hostile_yaml_is_one_line(tmp_path, text, expected):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(LbtError, match=expected) as error:
        read_yaml(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_anchors_and_merges_work(tmp_path):
    (tmp_path / "p.yaml").write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n")
    assert read_yaml(tmp_path / "p.yaml")["b"] == {"x": 1, "y": 3}


def test_an_error_is_one_line_whatever_it_repeats():
    error = LbtError("a\nb \x1b[2J" + "x" * 10_000)
    assert str(error).startswith("a b \\x1b[2J")
    assert len(str(error)) < 2100
    with pytest.raises(LbtError, match=r"inner.bits: found 'x.*'; input") as caught:
        parse(Outer, {"inner": {"bits": "x" * 10_000}}, "p.yaml")
    assert len(str(caught.value)) < 300
