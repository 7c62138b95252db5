"""Float networks of plain ``nn`` modules, one per file; anything here can be converted by :func:`lbt.nn.quantize`.

Every network has two parts, ``features(x)`` → (N, D) and ``classifier`` (a linear layer), because adaptation methods
look at the features. Inputs are (N, C, H, W) float32 in [-1, 1].
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lbt.artifacts import read_tensors, write_tensors
from lbt.errors import LbtError
from lbt.registry import Registry

if TYPE_CHECKING:
    from torch import nn

    from lbt.nn.models._network import Network

MODELS = Registry("model", "lbt.nn.models")


@dataclass(frozen=True)
class Architecture:
    """What is needed to build a network again: it travels in the header of its weights file.

    Attributes:
        model: name of a file in ``lbt/nn/models``.
        classes: class names, in the order of the logits.
        channels: colour channels of an input, 1 or 3.
        size: height and width of an input in pixels.
    """

    model: str
    classes: tuple[str, ...]
    channels: int
    size: int


def names() -> list[str]:
    """Names that :func:`build` accepts."""
    return MODELS.names()


def build(name: str, classes: int, channels: int, *, seed: int = 0) -> Network:
    """A freshly initialised network; a pure function of its arguments (torch's global generator is left as it was).

    Raises:
        LbtError: no such model.
    """
    import torch

    module = MODELS.load(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return module.build(classes, channels)


def write_model(path: str | Path, model: nn.Module, architecture: Architecture, **extra: Any) -> None:
    """Weights as safetensors with their architecture (and ``extra``, JSON-able) in the header."""
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}  # statistics may share memory
    write_tensors(path, state, {**asdict(architecture), **extra})


def read_model(path: str | Path) -> tuple[Network, Architecture]:
    """The float network that :func:`write_model` wrote.

    Raises:
        LbtError: the file is damaged, has no architecture, or its tensors do not fit the architecture.
    """
    tensors, extra = read_tensors(path)
    architecture = _architecture(path, extra)
    model = build(architecture.model, len(architecture.classes), architecture.channels)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise LbtError(f"{path}: weights do not fit {architecture.model}: {reason}") from None
    return model, architecture


def read_architecture(path: str | Path) -> Architecture:
    """The architecture in the header of a float or an adapted network's weights file.

    Raises:
        LbtError: the file is damaged, or has no architecture.
    """
    return _architecture(path, read_tensors(path)[1])


def _architecture(path: str | Path, extra: dict[str, Any]) -> Architecture:
    try:
        return Architecture(str(extra["model"]), tuple(extra["classes"]), int(extra["channels"]), int(extra["size"]))
    except KeyError as error:
        raise LbtError(f"{path}: not a model file: its header has no {error.args[0]!r}") from None
