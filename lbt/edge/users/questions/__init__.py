"""Criteria by which a device asks for the label of an image, one file each: ``worth(look)``, the highest asked first.

The scale of a worth does not matter, only its order: :mod:`lbt.edge.users.budget` compares it with earlier ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from lbt.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

QUESTIONS = Registry("criterion of questions", "lbt.edge.users.questions")
QuestionName = Annotated[str, AfterValidator(QUESTIONS.check)]


@dataclass(frozen=True)
class Look:
    """One image of a stream, as the device sees it.

    Attributes:
        personal: (K,) class probabilities of the network that serves the user.
        backbone: (K,) those of the backbone, with its statistics.
        feature: (D,) input of the serving network's classifier.
        asked: (M, D) features of the images that were asked before, by the network that served at that time.
        draw: uniform random number in [0, 1).
    """

    personal: Tensor
    backbone: Tensor
    feature: Tensor
    asked: Tensor
    draw: float
