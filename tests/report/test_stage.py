"""The report: a self-contained page whose numbers are those of the jobs, the same bytes each time."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lbt.artifacts import write_json, write_table
from lbt.report.found import Found
from lbt.report.sections import accuracy
from lbt.report.stage import SECTIONS, run
from lbt.report.tables import Stat, markdown


def adaptation(job: str, accuracy: float) -> dict[str, object]:
    return {
        "job": job,
        "group": job.rpartition("/")[0],
        "target_accuracy": accuracy,
        "student/source_accuracy": 97.0,
        "before/target_accuracy": 60.0,
        "start": f"mnist/{job.rpartition('/')[2]}",
        "collapsed": int(accuracy < 20),
    }


def costing(job: str, energy: float) -> dict[str, object]:
    numbers = {"array_rows": 8, "array_cols": 8, "mac_lut": 30.0, "images_per_second": 1e3, "storage_bytes": 1e6}
    energies = {"energy_forward_mj": energy / 3, "energy_error_mj": energy / 3, "energy_gradient_mj": energy / 3}
    words = {"multiplier_style": "booth", "limit": "lut", "fits": 1, "job": job, "group": job}
    return {**words, **numbers, **energies, "energy_per_image_mj": energy}


def layer_cost(layer: str, stage: str) -> dict[str, object]:
    words = {"layer": layer, "kind": "conv", "pass": stage, "dataflow": "os", "bound": "compute"}
    return {**words, "macs": 1000, "cycles": 50.0, "utilisation": 0.8, "energy_joules": 1e-6}


def norm_cost(norm: str, speed: float) -> dict[str, object]:
    operations = {"adds": 3.0, "multiplies": 1.0, "comparisons": 0.0, "lane_lut": 332.0}
    return {
        "norm": norm,
        **operations,
        "images_per_second": speed,
        "energy_per_image_mj": 0.7,
        "norm_cycles_share": 0.2,
    }


def streamed(job: str, error: float | None) -> dict[str, object]:
    numbers = {"memory/kept_bytes": 4096, "memory/peak_bytes": 8192, "milliseconds": 0.5, "millijoules": 0.1}
    return {"job": job, "group": job.rpartition("/")[0], "online_error": error, "forgetting": 1.0, **numbers}


@pytest.fixture
def inputs(tmp_path) -> Found:
    """A finished run, made up."""
    accuracies = {
        f"mnist-optdigits/{method}/{recipe}/{seed}": base + seed
        for method, base in (("adabn", 80.0), ("mean_teacher", 90.0))
        for recipe in ("fp32", "int8")
        for seed in (0, 2)
    }
    tables = {
        "adapt": [adaptation(job, accuracy) for job, accuracy in accuracies.items()],
        "hardware": [costing("network/fp32", 0.9), costing("network/int8", 0.1), costing("searched/int8", 0.2)],
        "edge": [
            streamed(f"continual/{method}/int8/{seed}", error + seed)
            for method, error in (("none", 40.0), ("tent", 20.0))
            for seed in (0, 2)
        ],
        "predictor": [
            {"job": f"{e}/{s}", "group": e, "78/kendall_tau": 0.5 + s / 10, "390/kendall_tau": 0.7}
            for e in ("mlp", "gates")
            for s in (0, 1)
        ],
    }
    summaries = {}
    for stage, rows in tables.items():
        summaries[stage] = tmp_path / stage
        write_table(summaries[stage] / "table.parquet", rows)
    jobs: dict[str, dict[str, Path]] = {"adapt": {}, "search": {}, "hardware": {}}
    for row in tables["hardware"]:
        jobs["hardware"][str(row["job"])] = folder = tmp_path / "hardware" / str(row["job"])
        write_table(folder / "norms.parquet", [norm_cost("range_bn", 900.0), norm_cost("folded_bn", 1200.0)])
        write_table(folder / "layers.parquet", [layer_cost("stem", "forward"), layer_cost("stem", "gradient")])
    for job in accuracies:
        jobs["adapt"][job] = tmp_path / "adapt" / job
        rows = [
            {"step": s, "student_target_validation": 50.0 + s, "teacher_target_validation": 40.0 + s, "mask_rate": 0.5}
            for s in (5, 9)
        ]
        write_table(jobs["adapt"][job] / "curve.parquet", rows)
        if "int8" in job:
            errors = [{"step": s, "layer": "stem", "role": r, "sqnr": 40.0 - s} for s in (0, 9) for r in "WAEG"]
            write_table(jobs["adapt"][job] / "explain.parquet", errors)
    for seed in (0, 1):
        jobs["search"][f"random/{seed}"] = tmp_path / f"search{seed}"
        write_table(tmp_path / f"search{seed}/curve.parquet", {"regret": [2.0, 1.0, 0.5 + seed]})
    jobs["supernet"] = {"mnistm/0": tmp_path / "supernet"}
    write_table(tmp_path / "supernet/scores.parquet", {"accuracy_even": [0.5, 0.6], "accuracy_odd": [0.4, 0.7]})
    found = {"architectures": 2, "accuracy/best": 0.65, "accuracy/mean": 0.55, "halves/kendall_tau": 1.0}
    write_json(tmp_path / "supernet/metrics.json", found)
    jobs["data"] = {"mnist": tmp_path / "data"}
    (tmp_path / "data").mkdir()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "data/sheet.png")
    return Found(summaries, jobs)


class Links(HTMLParser):
    """Everything that a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.found += [value for name, value in attrs if name in ("src", "href", "xlink:href") and value]


def test_the_page_is_self_contained_and_has_every_figure(inputs, tmp_path):
    run(inputs, tmp_path / "report")
    text = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    links = Links()
    links.feed(text)
    assert [link for link in links.found if not link.startswith(("#", "data:"))] == []
    assert "script" not in links.tags
    assert links.tags.count("svg") == len(SECTIONS.names())
    ids = re.findall(r'id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_numbers_are_those_of_the_jobs(inputs, tmp_path):
    metrics = run(inputs, tmp_path / "report")
    results = (tmp_path / "report/results.md").read_text(encoding="utf-8")
    assert "91.0 ± 1.4" in results  # mean and sample deviation of 90 and 92
    assert "0.550 ± 0.071" in results
    assert metrics["jobs/adapt"] == 8
    assert metrics["collapsed"] == 0
    lines = (tmp_path / "report/accuracy.csv").read_text().splitlines()
    assert "mnist-optdigits,adabn,int8,81.0000,1.4142,2" in lines


def test_the_bounds_of_a_stream_are_named(inputs, tmp_path):
    run(inputs, tmp_path / "report")
    lines = (tmp_path / "report/results.md").read_text().splitlines()
    none, tent = (next(line for line in lines if line.startswith(f"| continual | {m}")) for m in ("none", "tent"))
    assert "none (bound)" in none
    assert "41.0 ± 1.4" in none
    assert "(bound)" not in tent
    assert "21.0 ± 1.4" in tent


def test_the_same_bytes_each_time(inputs, tmp_path):
    for name in ("one", "two"):
        run(inputs, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(files) == 3 * len(SECTIONS.names()) + 2
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_a_deviation_needs_two_values():
    assert Stat.of([3.0]).show() == "3.0"
    assert Stat.of([3.0, 5.0]).show(2) == "4.00 ± 1.41"


def test_markdown_lines_up():
    assert markdown(["a", "bc"], [["long", "x"]]).splitlines() == ["| a    | bc |", "|------|----|", "| long | x  |"]


def test_the_error_map_is_of_the_last_step(inputs, tmp_path):
    run(inputs, tmp_path / "report")
    lines = (tmp_path / "report/errors.csv").read_text().splitlines()
    assert "int8,9,stem,G,31.000" in lines
    assert not any(line.startswith("fp32") for line in lines)


def test_a_run_without_a_finding_says_so(inputs, tmp_path):
    for folder in inputs.jobs["adapt"].values():
        (folder / "explain.parquet").unlink(missing_ok=True)
    run(inputs, tmp_path / "report")
    assert "nothing in this run is quantized" in (tmp_path / "report/errors.svg").read_text(encoding="utf-8")


def test_norms_are_compared_where_they_are_cheapest(inputs, tmp_path):
    run(inputs, tmp_path / "report")
    lines = (tmp_path / "report/norms.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["norm", "folded_bn", "range_bn"]
    assert "network under int8" in (tmp_path / "report/report.html").read_text(encoding="utf-8")


def test_unknown_classes_stand_beside_the_accuracies():
    rows = [{"parts": ["a-b", "adabn", "int8"]}, {"parts": ["a-c", "adabn", "int8"], "unknown_share": 0.25}]
    rows[1] |= {"unknown/entropy_auroc": 0.8, "unknown/margin_auroc": None}
    rows.append({**rows[1], "unknown/entropy_auroc": 0.9})
    assert accuracy._unknown(rows[:1]) == ""
    assert accuracy._unknown(rows) == (
        " Of the labelled test images of a → c, 25.0 % are of classes that the network does not know, and are left out "
        "of its accuracy. The jobs' AUROC of noticing them without labels: entropy 0.80 to 0.90."
    )
