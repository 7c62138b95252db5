"""The code path of photographs: EfficientNet-Lite0 under a recipe, and the params file of Office-31."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbt.adapt.params import AdaptParams
from lbt.adapt.stage import Inputs, Outputs, SplitFiles, run
from lbt.artifacts import Images, write_images
from lbt.data import DomainSpec, load_domain
from lbt.errors import LbtError
from lbt.models import Architecture, build, write_model
from lbt.params import load_params

PARAMS = Path(__file__).parents[2] / "params"


@pytest.mark.slow
def test_efficientnet_adapts_between_two_conditions(tmp_path):
    splits = {}
    for kind in ("catalogue", "webcam"):
        part = load_domain(DomainSpec(kind=kind)).test
        few = Images(part.pixels[:12], part.labels[:12], part.classes)
        paths = {split: tmp_path / f"{kind}.{split}.parquet" for split in ("train", "validation", "test")}
        for path in paths.values():
            write_images(path, few)
        splits[kind] = SplitFiles(**paths)
    model = tmp_path / "model.safetensors"
    network = build("efficientnet_lite0", len(few.classes), 3)
    write_model(model, network, Architecture("efficientnet_lite0", few.classes, 3, 32))
    quick = {"steps": 2, "batch": 4, "evaluate_every": 2, "augmentation": "standard", "lr": 0.001}
    job = AdaptParams.model_validate(quick).job("catalogue-webcam", "mean_teacher", "int8", 0)
    outputs = Outputs(curve=tmp_path / "curve.parquet", student=tmp_path / "student.safetensors")
    metrics = run(job, Inputs(model=model, source=splits["catalogue"], target=splits["webcam"]), outputs)
    assert metrics["weight_levels"] <= 256
    assert metrics["memory/master_bytes"] == 4 * sum(p.numel() for p in network.parameters())
    assert 0 <= metrics["teacher/target_accuracy"] <= 100


def test_office31_says_where_its_images_belong(monkeypatch, tmp_path):
    params = load_params(PARAMS / "office31.yaml")
    assert set(params.adapt.pair) == {f"{a}-{b}" for a in params.data.domains for b in params.data.domains if a != b}
    assert params.pretrain.model == "efficientnet_lite0"
    monkeypatch.chdir(tmp_path)
    for name, spec in params.data.domains.items():
        with pytest.raises(LbtError, match=rf"inputs/office31/{name}/images: no such folder; expected one folder per"):
            load_domain(spec)


def test_the_digit_grid_is_the_two_tables():
    jobs = list(load_params(PARAMS / "digits.yaml").adapt.jobs())
    cells = {(job.pair, job.method, job.recipe) for job in jobs}
    assert len(jobs) == 3 * len(cells)
    pairs, methods = {pair for pair, _, _ in cells}, {method for _, method, _ in cells}
    assert {(p, m, r) for p in pairs for m in methods for r in ("fp32", "int8")} <= cells
    others = {cell for cell in cells if cell[2] not in ("fp32", "int8")}
    assert {method for _, method, _ in others} == {"mean_teacher"}
    assert len({pair for pair, _, _ in others}) == 2
    assert {recipe for _, _, recipe in others} | {"fp32", "int8"} == {
        p.stem for p in (PARAMS / "recipes").glob("*.yaml")
    }
