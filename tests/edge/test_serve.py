"""A loop that serves while it adapts: nothing that was answered is lost, and trouble is one line."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lbt.artifacts import read_images, sha256
from lbt.edge.serve import journal
from lbt.edge.serve.sources import Arrival, Folder, Frames
from lbt.edge.serve.start import Inputs, params_of, serve
from lbt.errors import LbtError

OPTIONS = {"checkpoint_every": 3, "augmentation": "standard", "rotta": {"memory": 8}}


@pytest.fixture
def stream(inputs, tmp_path: Path) -> Path:
    """A folder of 30 images, one of them broken, beside what is no image."""
    folder = tmp_path / "stream"
    (folder / "later").mkdir(parents=True)
    for number, pixels in enumerate(read_images(inputs.stream).pixels):
        place = folder if number < 20 else folder / "later"
        Image.fromarray(pixels[..., 0]).save(place / f"{number:03}.png")
    (folder / "005.png").write_bytes((folder / "004.png").read_bytes()[:60])
    (folder / "notes.txt").write_text("none")
    (folder / ".hidden.png").write_text("none")
    return folder


def run(inputs, stream: Path | str, state: Path, method: str = "rotta", pipe=None, batch: int = 4, **options):
    params = params_of(method, "int8", batch, {**OPTIONS, **options})
    given = Inputs(model=inputs.model, stream=str(stream), source=None, state=state)
    return serve(params, given, once=True, every=0.01, pipe=pipe)


def lines(state: Path) -> list[dict]:
    return [json.loads(line) for line in (state / "answers.jsonl").read_text().splitlines()]


def test_every_file_is_answered_once_in_the_order_of_names(inputs, stream, tmp_path, capsys):
    server = run(inputs, stream, tmp_path / "state")
    shown = capsys.readouterr()
    assert "reading" not in shown.err  # no progress of single images in a log that grows for weeks
    told = [json.loads(line) for line in shown.out.splitlines()]
    assert told == lines(tmp_path / "state")
    assert [answer["name"] for answer in told] == sorted(answer["name"] for answer in told)
    assert [answer["number"] for answer in told] == list(range(31)) == list(range(server.count))
    faults = {answer["name"]: answer["error"] for answer in told if "error" in answer}
    assert faults.keys() == {"005.png", "notes.txt"}
    labels = read_images(inputs.stream)
    right = [a["predicted"] == labels.classes[labels.labels[int(a["name"][-7:-4])]] for a in told if "error" not in a]
    assert np.mean(right) > 0.8


def test_a_restart_has_nothing_to_do(inputs, stream, tmp_path, capsys):
    run(inputs, stream, tmp_path / "state")
    before = sha256(tmp_path / "state/checkpoint.safetensors")
    capsys.readouterr()
    run(inputs, stream, tmp_path / "state")
    assert capsys.readouterr().out == ""
    assert sha256(tmp_path / "state/checkpoint.safetensors") == before


class Killed(BaseException):
    """Stands for a power cut."""


@pytest.mark.parametrize("method", ["rotta", "tent"])
def test_a_power_cut_at_any_write_changes_nothing(inputs, stream, tmp_path, monkeypatch, method):
    """Cut before and after each of the writes that reach the disk, once in the run and again in the restart."""
    run(inputs, stream, tmp_path / "whole", method)
    real, left = os.fsync, 0

    def fsync(handle):
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    for first in range(1, 24, 3):
        state = tmp_path / f"cut-{first}"
        for cut in (first, 3):
            left = cut
            with pytest.raises(Killed):
                run(inputs, stream, state, method)
        left = 0
        run(inputs, stream, state, method)
        for name in ("answers.jsonl", "checkpoint.safetensors"):
            assert sha256(state / name) == sha256(tmp_path / "whole" / name), (first, name)
        assert len(list(state.iterdir())) <= 3


def test_killed_at_random_moments_it_ends_in_the_same_bytes(inputs, stream, tmp_path):
    def start(state: str) -> int:
        if (process := os.fork()) == 0:
            with (tmp_path / f"{state}.told").open("a") as told:
                os.dup2(told.fileno(), 1)
                sys.stdout = told
                run(inputs, stream, tmp_path / state, batch=2)
                os._exit(0)
        return process

    begin = time.monotonic()
    assert os.waitpid(start("whole"), 0)[1] == 0
    lasted = time.monotonic() - begin
    draw = random.Random(0)
    for _ in range(5):
        process = start("killed")
        time.sleep(draw.uniform(0.2, 0.8) * lasted)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    assert os.waitpid(start("killed"), 0)[1] == 0
    for name in ("answers.jsonl", "checkpoint.safetensors"):
        assert sha256(tmp_path / "killed" / name) == sha256(tmp_path / "whole" / name)
    told = (tmp_path / "killed.told").read_text().splitlines()
    assert set(told) <= set((tmp_path / "whole/answers.jsonl").read_text().splitlines())


def frames(*images: bytes) -> bytes:
    return b"".join(len(image).to_bytes(4, "big") + image for image in images)


def test_frames_on_a_pipe(inputs, stream, tmp_path, capsys):
    images = [path.read_bytes() for path in sorted(stream.glob("0*.png"))[:6]]
    run(inputs, "-", tmp_path / "state", pipe=io.BytesIO(frames(*images[:3], b"")))
    run(inputs, "-", tmp_path / "state", pipe=io.BytesIO(frames(*images[3:]) + b"\0\0\1\0cut off"))
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["name"] for answer in told] == [f"frame {n}" for n in range(6)]
    assert "error" in told[5]
    assert told == lines(tmp_path / "state")


def test_a_sender_may_ask_for_answers_early():
    found = [
        [one.name for one in batch] for batch in Frames(io.BytesIO(frames(b"a", b"", b"b", b"c", b"d"))).batches(2, ())
    ]
    assert found == [["frame 0"], ["frame 1", "frame 2"], ["frame 3"]]
    with pytest.raises(LbtError, match="found 4294967295 bytes; accepted: at most"):
        list(Frames(io.BytesIO(b"\xff\xff\xff\xff")).batches(1, ()))


def test_a_file_that_is_still_written_is_left_alone(tmp_path):
    (tmp_path / "a.png").write_bytes(b"1")
    batches = Folder(tmp_path, every=0.01, patience=3).batches(2, answered := set())
    (first,) = next(batches)
    assert first.content == b"1"
    answered.add("a.png")
    sizes = iter(range(2, 5))
    grown = tmp_path / "b.png"
    real = time.sleep

    def grow(seconds):
        if (size := next(sizes, None)) is not None:
            grown.write_bytes(b"x" * size)
            os.utime(grown, (0, 0))  # a clock that jumps back
        real(seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", grow)
        (second,) = next(batches)
    assert second.content == b"xxxx"


def test_a_full_disk_leaves_the_network_serving(inputs, stream, tmp_path, monkeypatch, capsys):
    real, calls = journal.Journal.add, 0

    def add(self, piece):
        nonlocal calls
        calls += 1
        if 3 <= calls <= 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, piece)

    monkeypatch.setattr(journal.Journal, "add", add)
    run(inputs, stream, tmp_path / "state")
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == 31
    assert sum("recorded" in line for line in output.out.splitlines()) == 8
    assert output.err.count("No space left on device") == 1
    assert "adaptation goes on" in output.err
    assert len(lines(tmp_path / "state")) == 23
    run(inputs, stream, tmp_path / "state")  # what was not recorded is answered again
    assert len(lines(tmp_path / "state")) == 31


def test_a_network_that_breaks_is_put_back_and_rests(inputs, stream, tmp_path, monkeypatch, capsys):
    from lbt.edge.methods import tent

    real = tent.Method.adapt

    def adapt(self, images, labels, step):
        found = real(self, images, labels, step)
        if step == 4:
            for p in self.parameters():
                p.data.fill_(float("nan"))
            return found * float("nan")
        return found

    monkeypatch.setattr(tent.Method, "adapt", adapt)
    server = run(inputs, stream, tmp_path / "state", "tent")
    assert server.resting
    assert capsys.readouterr().err.count("not finite") == 1
    assert all(np.isfinite(a["confidence"]) for a in lines(tmp_path / "state") if "error" not in a)
    assert all(p.isfinite().all() for p in server.method.network.parameters())


def test_states_of_something_else_and_methods_with_labels_are_refused(inputs, stream, tmp_path):
    run(inputs, stream, tmp_path / "state")
    with pytest.raises(LbtError, match="of another network, method, params"):
        run(inputs, stream, tmp_path / "state", "tent")
    with pytest.raises(LbtError, match="supervised needs labels"):
        params_of("supervised", "int8", 4, {})
    with pytest.raises(LbtError, match="eata measures on source images"):
        run(inputs, stream, tmp_path / "eata", "eata")
    with pytest.raises(LbtError, match="no such folder"):
        run(inputs, tmp_path / "nowhere", tmp_path / "new")
    answers = tmp_path / "state/answers.jsonl"
    answers.write_text("nonsense\n" + answers.read_text())
    with pytest.raises(LbtError, match="line 1 is no answer"):
        run(inputs, stream, tmp_path / "state")


def test_a_torn_record_is_dropped(tmp_path):
    kept = journal.Journal(tmp_path / "journal-0")
    batches = [[Arrival("a", b"12"), Arrival("b", b"", "broken")], [Arrival("c", b"345")]]
    for batch in batches:
        kept.record(batch)
    size = kept.path.stat().st_size
    with kept.path.open("ab") as file:
        file.write(kept.path.read_bytes()[:50])
    assert list(kept.batches()) == batches
    assert kept.path.stat().st_size == size


def test_few_images_are_predicted_with_kept_statistics(inputs, stream, tmp_path):
    lone = tmp_path / "lone"
    lone.mkdir()
    (lone / "a.png").write_bytes((stream / "000.png").read_bytes())
    server = run(inputs, lone, tmp_path / "state", "roid")
    assert (server.count, server.method.trained) == (1, 0)
    assert lines(tmp_path / "state")[0]["confidence"] > 0.5
