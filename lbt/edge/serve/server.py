"""The loop of a device that adapts while it serves; see :mod:`lbt.edge.serve` for what it promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lbt.artifacts import Images
from lbt.data.encoded import decode
from lbt.data.images import convert
from lbt.data.inputs import to_input
from lbt.edge.online import Base
from lbt.edge.serve.journal import Answers, Journal
from lbt.edge.serve.sources import Arrival
from lbt.errors import LbtError, warn
from lbt.models import Architecture
from lbt.train import checkpoints

Answer = dict[str, Any]
Tell = Callable[[list[Answer]], None]


class Server:
    """A method, and all that it keeps on the disk.

    An answer has ``number`` (of the arrival, from 0), ``name``, ``step`` and either ``predicted`` (a class name) and
    ``confidence``, or ``error``. ``recorded: false`` marks one that is forgotten after a restart: the disk was full.

    Args:
        method: freshly deployed; the files' state is put into it.
        architecture: the network's input and class names.
        folder: for the files; it is made.
        identity: of the network, the method and its params. Files of another one are refused.
        every: batches between two checkpoints.

    Raises:
        LbtError: the folder holds the files of another network, method or params, or altered ones.
    """

    def __init__(
        self, method: Base, architecture: Architecture, folder: Path, identity: dict[str, str], every: int
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.method, self.architecture, self.folder = method, architecture, folder
        self.identity, self.every = identity, every
        self.answers, self.saved = Answers(folder / "answers.jsonl"), folder / "checkpoint.safetensors"
        self.step = self.count = 0
        self.resting = False
        self.full = False
        told = self.answers.read()
        self.names = {answer["name"] for answer in told}
        self.journal = Journal(folder / "journal-0")
        if self.saved.is_file():
            self._load()
        else:
            checkpoints.save(self.saved, self._state())
        self._repeat(told)

    def serve(self, batch: list[Arrival], tell: Tell) -> None:
        """Record, answer and learn from a batch; ``tell`` gets the answers once nothing of them can be lost."""
        try:
            self.journal.record(batch)
        except OSError as error:
            self._without_disk(batch, tell, error)
            return
        if self.full:
            warn(f"{self.folder}: can be written again; adaptation goes on")
            self.full = False
        answers = self._step(batch)
        self._write(answers)
        tell(answers)
        self.names.update(answer["name"] for answer in answers)
        if self.step % self.every == 0:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Make the state the one from which a restart begins; a disk that refuses is told, and the journal stays."""
        try:
            checkpoints.save(self.saved, self._state())
        except LbtError as error:
            warn(f"{error}; the journal grows until it can")
            return
        old, self.journal = self.journal, Journal(self.folder / f"journal-{self.step}")
        if old.path != self.journal.path:
            old.path.unlink(missing_ok=True)

    # Within a step ---------------------------------------------------------------------------------------------------

    def _answer(self, batch: list[Arrival], learn: Callable[[Tensor], Tensor]) -> list[Answer]:
        """An answer for each arrival; ``learn`` gives the probabilities (B, K) of those that can be read."""
        answers, good, images = [], list[Answer](), list[Images]()
        for number, one in enumerate(batch, start=self.count):
            answer: Answer = {"number": number, "name": one.name, "step": self.step}
            fault, image = _decoded(one, self.architecture)
            if image is None:
                answer["error"] = fault
            else:
                good.append(answer)
                images.append(image)
            answers.append(answer)
        if images:
            confidence, predicted = learn(to_input(np.concatenate([image.pixels for image in images]))).max(1)
            for answer, share, label in zip(good, confidence.tolist(), predicted.tolist(), strict=True):
                answer |= {"predicted": self.architecture.classes[label], "confidence": share}
        return answers

    def _step(self, batch: list[Arrival]) -> list[Answer]:
        """Answer and learn; the state moves on."""
        answers = self._answer(batch, self._adapt)
        self.step += 1
        self.count += len(batch)
        return answers

    def _adapt(self, images: Tensor) -> Tensor:
        """Probabilities (B, K). A network that answers with NaN or infinity is put back, and rests from then on."""
        self.method.begin(self.method.device.params.source_steps + self.step)
        if self.resting or len(images) < self.method.smallest:
            return self._predict(images)
        try:
            found = self.method.adapt(images, torch.full((len(images),), -1), self.step)
            fault = "" if found.isfinite().all() else "the answers are not finite"
        except LbtError as error:
            fault = str(error)
        if not fault:
            return found
        warn(f"step {self.step}: {fault}; the last checkpoint's network serves from here on, and adapts no more")
        self.method.load(checkpoints.load(self.saved)["job"])
        self.resting = True
        return self._predict(images)

    def _predict(self, images: Tensor) -> Tensor:
        """Probabilities (B, K) without learning; too few images for the method are predicted with kept statistics."""
        few = len(images) < self.method.smallest
        return Base.predict(self.method, images) if few else self.method.predict(images)

    def _without_disk(self, batch: list[Arrival], tell: Tell, error: OSError) -> None:
        """Answer with the network as it is: what cannot be recorded must not change it."""
        if not self.full:
            warn(f"{self.folder}: cannot be written: {error.strerror}; the network serves as it is, without adapting")
        self.full = True
        counts = self.method.inferred
        tell([{**answer, "recorded": False} for answer in self._answer(batch, self._predict)])
        self.method.inferred = counts  # a restart knows nothing of these
        self.names.update(one.name for one in batch)

    def _write(self, answers: list[Answer]) -> None:
        try:
            self.answers.tell(answers)
        except OSError as error:  # the journal has the images: a restart writes the lines
            warn(f"{self.answers.path}: cannot be written: {error.strerror}; a restart makes up for it")

    def _state(self) -> dict[str, Any]:
        place = {"step": self.step, "count": self.count, "resting": self.resting}
        return {"identity": self.identity, **place, "job": self.method.state()}

    # At the start ----------------------------------------------------------------------------------------------------

    def _load(self) -> None:
        state = checkpoints.load(self.saved)
        if state.get("identity") != self.identity:
            raise LbtError(
                f"{self.saved}: of another network, method, params or version of torch; accepted: the same, or another "
                "folder"
            )
        self.method.load(state["job"])
        self.step, self.count, self.resting = state["step"], state["count"], state["resting"]
        self.journal = Journal(self.folder / f"journal-{self.step}")

    def _repeat(self, told: list[Answer]) -> None:
        """Go through the journal again: it ends in the state of the loop that was killed."""
        known = {answer["number"]: answer for answer in told}
        for batch in self.journal.batches():
            again = self._step(batch)
            for answer in again:
                if known.get(answer["number"], answer) != answer:
                    raise LbtError(f"{self.answers.path}: answer {answer['number']} would be another one now: altered?")
            self._write([answer for answer in again if answer["number"] not in known])
            self.names.update(answer["name"] for answer in again)


def _decoded(one: Arrival, wanted: Architecture) -> tuple[str, Images | None]:
    """An image as the network takes it, or why there is none."""
    if one.fault:
        return one.fault, None
    found = decode([one.content], [one.name], wanted.size, one.name)
    if not len(found.kept):
        return next(iter(found.skipped), "cannot be read"), None
    return "", convert(Images(found.pixels, np.array([-1]), wanted.classes), wanted.channels, wanted.size)
