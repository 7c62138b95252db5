"""Faults that headers show are told before anything runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from lbt.errors import LbtError
from lbt.params import Params, load_params
from lbt.pipeline.preflight import lines, preflight, used

GRID = {"pair": "shapes-field", "method": ["source_only"], "recipe": ["int8"]}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``shapes``: 20 bars and 20 dots; ``field``: 20 images without labels."""
    monkeypatch.chdir(tmp_path)
    for folder in ("shapes/bar", "shapes/dot", "field"):
        draw(Path("inputs", folder), 20)
    return tmp_path


def draw(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) + n).save(folder / f"{n}.png")


def params(*, domains: object = None, sections: object = None, **changes: object) -> Params:
    own = {name: {"kind": "folder", "path": f"inputs/{name}"} for name in ("shapes", "field")}
    data = {"data": {"domains": {**own, **(domains or {})}}, "adapt": {**GRID, **changes}, **(sections or {})}
    Path("p.yaml").write_text(yaml.safe_dump(data))
    return load_params("p.yaml")


def test_a_target_without_labels_is_fine(workspace: Path) -> None:
    assert preflight(params()) == []


def test_the_supernet_needs_no_domain_of_its_own(workspace: Path) -> None:
    assert params().supernet_domain == "shapes"


@pytest.mark.parametrize("method", ["few_label", "fixmatch", "mean_teacher_few_label", "target_supervised"])
def test_methods_that_need_labels_are_refused(workspace: Path, method: str) -> None:
    with pytest.raises(LbtError, match=f"adapt.method: {method} needs labels of the target, and domain field has none"):
        preflight(params(method=["source_only", method]))


@pytest.mark.parametrize("method", ["few_label", "fixmatch", "target_supervised", "source_only"])
def test_a_choice_takes_methods_without_labels_alone(workspace: Path, method: str) -> None:
    words = (
        f"choose.method: found '{method}'; accepted: a method that adapts .* without its labels: adabn, cdan, .*tent"
    )
    with pytest.raises(LbtError, match=words):
        params(sections={"choose": {"method": method}})


def test_the_pair_of_a_choice_is_looked_at(workspace: Path) -> None:
    draw(Path("inputs/other"), 5)
    own = {"domains": {"other": {"kind": "folder", "path": "inputs/other"}}}
    assert used(params(**own, sections={"choose": {"pair": "shapes-other"}})) == {"shapes", "field", "other"}
    with pytest.raises(LbtError, match=r"data\.domains\.other: no label in its train split, but a network learns from"):
        preflight(params(**own, sections={"choose": {"pair": "other-shapes"}}))


def test_an_online_method_that_needs_labels_of_the_stream(workspace: Path) -> None:
    edge = {"stream": "time", "target": "field", "method": ["tent", "supervised"]}
    words = "edge.method: supervised needs labels, and domain field has none in its test split"
    with pytest.raises(LbtError, match=words):
        preflight(params(sections={"edge": edge}))
    preflight(params(sections={"edge": {**edge, "method": ["tent"]}}))


def test_a_stream_in_the_order_of_labels_that_are_not_there(workspace: Path) -> None:
    edge = {"stream": ["time", "correlated"], "target": "field"}
    words = "edge.stream: correlated orders images by their class, and 3 images of domain field's test split"
    with pytest.raises(LbtError, match=words):
        preflight(params(sections={"edge": edge}))


def test_too_few_labels_for_labels_per_class(workspace: Path) -> None:
    rows = [f"{n}.png,{('bar', 'dot')[n % 2]}" for n in range(8)]
    Path("inputs/field/labels.csv").write_text("file,label\n" + "\n".join(rows))
    preflight(params(method="few_label", labels_per_class=3))
    words = "labels_per_class: few_label takes 4 labelled images of each class, and domain field has 3 of class bar"
    with pytest.raises(LbtError, match=words):
        preflight(params(method="few_label", labels_per_class=4))


def test_classes_that_the_source_lacks(workspace: Path) -> None:
    for name in ("dot", "cross"):
        draw(Path("inputs/field", name), 10)
    assert preflight(params()) == [
        "data.domains.field: inputs/field: 20 images outside the class folders: without labels",
        "shapes → field: field has classes that shapes lacks, cross: unknown to the network, left out of its accuracy; "
        "data.domains.field.classes chooses others",
        "shapes → field: field lacks 1 class, bar; data.domains.field.classes chooses others",
    ]
    (Path("inputs/field/dot")).rename("inputs/field/Dot")
    with pytest.raises(LbtError, match=r"lacks, Dot, cross \(did you mean 'dot'\?\): .*: none is in common; data\.dom"):
        preflight(params())


def test_labels_of_unknown_classes_are_no_labels_for_training(workspace: Path) -> None:
    for name, count in (("dot", 40), ("bar", 40), ("cross", 5)):
        draw(Path("inputs/field", name), count)
    assert preflight(params(method="few_label", labels_per_class=20))


def test_a_source_without_labels(workspace: Path) -> None:
    with pytest.raises(LbtError, match=r"data\.domains\.field: no label in its train split, but a network learns from"):
        preflight(params(pair="field-shapes"))


def test_a_path_that_is_not_there(workspace: Path) -> None:
    shutil.rmtree("inputs/field")
    with pytest.raises(LbtError, match=r"data\.domains\.field: inputs/field: no such folder"):
        preflight(params())


def test_odd_things_are_told_and_domains_that_nobody_needs(workspace: Path) -> None:
    Path("inputs/field/notes.txt").touch()
    (found,) = lines(params())
    assert found == "data.domains.field: skipped 1 file, no image by its suffix .txt: notes.txt"
    more = params(domains={"synth": {}})
    assert set(more.data.domains) - used(more) == {"synth"}


def test_embedded_domains_are_not_read(workspace: Path) -> None:
    Path("p.yaml").write_text("{}")
    assert preflight(load_params("p.yaml")) == []
