"""One job as a function: determinism, resume, bad input."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from lbt.adapt import loop, read_adapted
from lbt.artifacts import Images, read_images, read_tensors, sha256, write_images, write_tensors
from lbt.errors import LbtError
from lbt.train import checkpoints


@pytest.mark.parametrize("recipe", ["fp32", "int8"])
def test_a_rerun_gives_the_same_bytes(bench, recipe):
    first, second = bench.run("a", recipe), bench.run("b", recipe)
    assert first == second
    for kind in ("curve", "explain", "student", "teacher"):
        assert sha256(getattr(bench.outputs("a"), kind)) == sha256(getattr(bench.outputs("b"), kind))


def kill(bench, recipe: str, method: str, **knobs: object) -> Path:
    """Interrupt the job "killed" at its third evaluation; return its checkpoint."""
    evaluations = 0
    real = loop._evaluate

    def killed(*arguments):
        nonlocal evaluations
        evaluations += 1
        if evaluations == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_evaluate", killed)
        with pytest.raises(KeyboardInterrupt):
            bench.run("killed", recipe, method, **knobs)
    return bench.outputs("killed").scratch / "checkpoint.safetensors"


@pytest.mark.parametrize("method", ["mean_teacher", "shot", "dsbn", "mcd"])
@pytest.mark.parametrize("recipe", ["fp32", "int8"])
def test_a_killed_run_continues_to_the_same_weights(bench, monkeypatch, method, recipe):
    whole = bench.run("whole", recipe, method)
    assert kill(bench, recipe, method).is_file()
    assert not bench.outputs("killed").student.exists()

    steps: list[int] = []
    monkeypatch.setattr(loop, "track", lambda work, *_: steps.extend(work) or steps)
    resumed = bench.run("killed", recipe, method)
    assert steps[0] == 4, "the checkpoint was not used"
    assert resumed == whole
    for kind in ("curve", "explain", "student", "teacher"):
        assert sha256(getattr(bench.outputs("killed"), kind)) == sha256(getattr(bench.outputs("whole"), kind))
    assert not list(bench.outputs("killed").scratch.iterdir())


@pytest.mark.parametrize("recipe", ["fp32", "thesis"])
def test_a_killed_run_of_adam_continues_to_the_same_weights(bench, recipe):
    adam = {"optimizer": "adam", "lr": 1e-3}
    bench.run("whole", recipe, **adam)
    assert kill(bench, recipe, "mean_teacher", **adam).is_file()
    bench.run("killed", recipe, **adam)
    for kind in ("curve", "student", "teacher"):
        assert sha256(getattr(bench.outputs("killed"), kind)) == sha256(getattr(bench.outputs("whole"), kind))


def test_a_checkpoint_of_another_job_is_ignored(bench):
    saved = bench.outputs("job").scratch / "checkpoint.safetensors"
    checkpoints.save(saved, {"identity": {"params": "others"}, "step": 4, "curve": [], "explained": []})
    assert bench.run("job") == bench.run("fresh")


def test_target_labels_do_not_reach_unsupervised_methods(bench, inputs, tmp_path):
    images = read_images(inputs.target.train)
    blind = tmp_path / "blind.parquet"
    write_images(blind, Images(images.pixels, images.labels * 0 - 1, images.classes))
    hidden = dataclasses.replace(inputs, target=dataclasses.replace(inputs.target, train=blind))
    for method in ("adabn", "mean_teacher", "shot", "dann"):
        seen = bench.run(method, method=method)
        unseen = dataclasses.replace(bench, inputs=hidden).run(f"{method}-blind", method=method)
        assert seen == unseen


def test_the_adapted_network_reads_back(bench):
    import torch

    from lbt.nn import domain
    from lbt.train.batches import read_examples
    from lbt.train.evaluation import accuracy, predict

    metrics = bench.run(recipe="int8", steps=10)
    network = read_adapted(bench.outputs("job").student)
    test = read_examples(bench.inputs.target.test, 1, 16, "test")
    torch.set_num_threads(1)
    with domain(network, "target"):
        assert accuracy(predict(network, test), test.labels) == metrics["student/target_accuracy"]


def test_classes_must_match(bench, tmp_path):
    images = read_images(bench.inputs.target.train)
    other = tmp_path / "other.parquet"
    write_images(other, Images(images.pixels, images.labels, ("a", "b", "c")))
    target = dataclasses.replace(bench.inputs.target, train=other)
    with pytest.raises(
        LbtError, match=r"other.parquet: none of its classes .* is one of those of the pretrained network"
    ):
        dataclasses.replace(bench, inputs=dataclasses.replace(bench.inputs, target=target)).run()


def test_a_damaged_model_is_named(bench, tmp_path):
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(bench.inputs.model.read_bytes()[:500])
    with pytest.raises(LbtError, match=r"damaged.safetensors"):
        dataclasses.replace(bench, inputs=dataclasses.replace(bench.inputs, model=damaged)).run()


def test_too_few_labels(bench):
    with pytest.raises(LbtError, match=r"labels_per_class: class 'top' of the target has 20 labelled images, not 21"):
        bench.run(method="few_label", labels_per_class=21)


def damaged(path: Path, kind: str) -> None:
    content = path.read_bytes()
    tensors, extra = read_tensors(path)
    match kind:
        case "empty":
            path.write_bytes(b"")
        case "truncated":
            path.write_bytes(content[: len(content) // 2])
        case "altered":
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "header":
            write_tensors(path, tensors, {"state": extra["state"]})
        case "foreign":  # whole, of this job, but of code that kept other networks
            state = checkpoints.load(path)
            del state["job"]["networks"]["student"]
            checkpoints.save(path, state)


@pytest.mark.parametrize("kind", ["empty", "truncated", "altered", "header", "foreign"])
def test_an_unusable_checkpoint_is_ignored_with_a_warning(bench, capsys, kind):
    whole = bench.run("whole")
    damaged(kill(bench, "fp32", "mean_teacher"), kind)
    capsys.readouterr()
    assert bench.run("killed") == whole
    told = [line for line in capsys.readouterr().err.splitlines() if "checkpoint" in line]
    assert len(told) == 1
    assert "the job starts from the beginning" in told[0]
