from lbt.artifacts import read_table, write_json
from lbt.pipeline import summary
from lbt.pipeline.job import Job, Paths


def test_means_and_deviations_are_over_the_jobs_of_a_group(tmp_path):
    jobs = [Job("adapt", f"{m}/{s}", {}, (), group=m) for m in ("a", "b") for s in (0, 1)]
    values = {"a/0": 90.0, "a/1": 94.0, "b/0": 50.0, "b/1": 50.0}
    for job in jobs:
        (tmp_path / job.name).mkdir(parents=True)
        write_json(tmp_path / job.name / "metrics.json", {"x_accuracy": values[job.name], "text": "no", "other": 1})
    (job,) = summary.job("adapt", jobs)
    paths = Paths(tmp_path / "summary", {name: tmp_path / name for name in job.needs}, tmp_path)
    metrics = summary.run(job, paths, ("*_accuracy", "text"))
    assert metrics == {
        "a/x_accuracy/mean": 92.0,
        "a/x_accuracy/std": 8**0.5,
        "b/x_accuracy/mean": 50.0,
        "b/x_accuracy/std": 0.0,
    }
    assert read_table(tmp_path / "summary/table.parquet").column("other").to_pylist() == [1, 1, 1, 1]


def test_nothing_to_summarise():
    assert summary.job("report", [Job("report", ".", {}, ())]) == []
