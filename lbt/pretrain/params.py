"""Knobs of the pretrain stage: an FP32 network on the source domain."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from lbt.config import InWorkspace, Section, Seed, in_workspace, narrowed
from lbt.models import check, is_file
from lbt.train.params import Augmentation, Pair


def _model(name: str) -> str:
    return check(in_workspace(name) if is_file(name) else name)


ModelName = Annotated[str, AfterValidator(_model)]


class Knobs(Section):
    """Supervised training in float32."""

    model: ModelName = "digit_cnn"
    """Network: the name of a file in lbt/models, the path of a network.yaml (docs/choose.md), or your own, as
    my_package.my_module:build, a function build(classes, channels) that gives an nn.Module. That module is imported: it
    is code."""
    weights: InWorkspace | None = None
    """Weights of your own to start from: safetensors, or a PyTorch checkpoint (read with weights_only). Default: fresh
    ones."""
    channels: Literal[1, 3] = 3
    """Colour channels of the input. Grey domains are shown in three channels, colour domains in one as luminance."""
    size: int = Field(32, ge=8, le=512)
    """Height and width of the input in pixels."""
    steps: int = Field(500, ge=0, le=10_000_000)
    """Optimizer steps; 0 takes weights as they are."""
    batch: int = Field(64, ge=2, le=65536)
    """Images a step."""
    lr: float = Field(0.1, gt=0, le=100)
    """Peak learning rate of SGD with momentum 0.9: up over the first fifth of the steps, then a cosine to 0."""
    weight_decay: float = Field(5e-4, ge=0, le=10)
    """L2 penalty."""
    augmentation: Augmentation = "affine"
    """Random change of each training image, see lbt/train/augmentation.py."""
    evaluate_every: int = Field(50, ge=1, le=10_000_000)
    """Steps between evaluations on the validation split; the best of these checkpoints is kept."""


class PretrainJob(Knobs):
    """Training of one network."""

    seed: Seed = 0
    """Initial weights, order of the images and augmentation follow from it."""


class PretrainParams(Knobs):
    """Supervised training in float32 on each source domain."""

    pair_augmentation: dict[Pair, Augmentation] = Field({"mnist-mnistm": "intensity"})
    """Augmentation for single pairs of the adaptation, where it differs; such a pair starts from a network of its own.
    Inverted and coloured digits in pretraining make a better start for a colour gap, and a worse one elsewhere."""
    seed: Seed | None = None
    """Initial weights, order of the images and augmentation follow from it. null: each adaptation starts from a network
    of its own seed, so that a spread over seeds includes the luck of pretraining."""

    @field_validator("steps")
    @classmethod
    def _has_learnt(cls, steps: int, info: ValidationInfo) -> int:
        if steps == 0 and info.data.get("weights") is None:
            raise ValueError("found 0; accepted: 1 or more, or weights of a network that has learnt already")
        return steps

    def start(self, pair: str, seed: int) -> PretrainJob:
        """The training of the network from which ``pair`` is adapted with ``seed``."""
        augmentation = self.pair_augmentation.get(pair, self.augmentation)
        return narrowed(self, PretrainJob, augmentation=augmentation, seed=seed if self.seed is None else self.seed)

    def plain(self, seed: int) -> PretrainJob:
        """The training of a source's network without regard to a pair."""
        return narrowed(self, PretrainJob, seed=seed if self.seed is None else self.seed)

    def plain_name(self, source: str, seed: int) -> str:
        """Name of that network; the one of a pair whose augmentation is no other's."""
        return f"{source}/{self.plain(seed).seed}"

    def start_group(self, pair: str) -> str:
        """The source domain, and the augmentation where it differs from the others'."""
        source, own = pair.split("-")[0], self.pair_augmentation.get(pair, self.augmentation)
        return source if own == self.augmentation else f"{source}-{own}"

    def start_name(self, pair: str, seed: int) -> str:
        """Name of that network, such as ``mnist/0``: unique in a run."""
        return f"{self.start_group(pair)}/{self.start(pair, seed).seed}"
