"""DVC versions what a user adds, results of other params files and inputs; the stages of benchmarks/ stay apart."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request

import pytest

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def pull(project, folder):
    """A fresh clone of a project, after ``dvc pull``."""
    subprocess.run(["git", "clone", "--quiet", str(project.folder), str(folder)], check=True)
    clone = type(project)(folder)
    clone.environment |= {name: value for name, value in project.environment.items() if name.startswith("AWS_")}
    clone("dvc", "pull")
    return clone


def test_added_results_and_inputs_come_back_in_a_fresh_clone(working, tmp_path):
    working("git", "rm", "-r", "--quiet", "--cached", "inputs/mine")
    shutil.copy(working.folder / "params/default.yaml", working.folder / "params/other.yaml")
    shutil.copytree(working.folder / "results/default", working.folder / "results/other")
    working("dvc", "add", "results/other", "inputs/mine")
    working("git", "add", "--all")
    added = working("git", "diff", "--cached", "--name-only", "--diff-filter=A").split()
    assert added == ["inputs/mine.dvc", "params/other.yaml", "results/other.dvc"]
    working("dvc", "repro")
    assert working.idle()
    working("dvc", "push")
    working("git", "add", "--all")
    working("git", "commit", "--quiet", "--message", "added")

    clone = pull(working, tmp_path / "clone")
    assert clone.contents() == working.contents()
    assert clone.idle()
    assert "Nothing to be done" in clone("snakemake", "--cores", "1", "-n", "--configfile", "params/other.yaml")


def test_the_benchmarks_stages_are_a_project_of_their_own(working):
    assert "benchmarks" not in working("dvc", "stage", "list", "--all")
    assert "recipes" in working("dvc", "--cd", "benchmarks", "stage", "list")
    assert "up to date" in working("dvc", "--cd", "benchmarks", "status")


def test_a_remote_on_s3_gives_the_same_bytes_back(working, tmp_path, request):
    pytest.importorskip("dvc_s3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    request.addfinalizer(server.stop)
    address = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t", "AWS_DEFAULT_REGION": "us-east-1"}
    working.environment |= keys
    urllib.request.urlopen(urllib.request.Request(f"{address}/bucket", method="PUT"))
    working("dvc", "remote", "add", "--default", "store", "s3://bucket/lbt")
    working("dvc", "remote", "modify", "store", "endpointurl", address)
    working("dvc", "push")
    working("git", "commit", "--quiet", "--all", "--message", "remote")
    clone = pull(working, tmp_path / "clone")
    assert clone.contents() == working.contents()
    assert clone.idle()
