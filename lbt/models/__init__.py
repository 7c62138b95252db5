"""Float networks of plain ``nn`` modules, one per file; anything here can be converted by :func:`lbt.nn.quantize`.

Every network has two parts, ``features(x)`` → (N, D) and ``classifier`` (a linear layer), because adaptation methods
look at the features. Inputs are (N, C, H, W) float32 in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from lbt.artifacts import read_tensors, write_tensors
from lbt.config import Section, parse
from lbt.errors import LbtError, one_line
from lbt.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lbt.models._network import Network

MODELS = Registry("model", "lbt.models")


@dataclass(frozen=True)
class Architecture:
    """The arguments that build a network again; they travel in the header of its weights file.

    Attributes:
        model: name of a file in ``lbt/models``.
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
    architecture = architecture_in(path, extra)
    model = build(architecture.model, len(architecture.classes), architecture.channels)
    load_weights(path, model, tensors, architecture.model)
    return model, architecture


class Header(Section):
    """An :class:`Architecture` as a weights file's header holds it."""

    model: Annotated[str, AfterValidator(MODELS.check)]
    """Name of a file in ``lbt/models``."""
    classes: list[str] = Field(min_length=1, max_length=65536)
    """Class names, in the order of the logits."""
    channels: Literal[1, 3]
    """Colour channels of an input."""
    size: int = Field(ge=1, le=65536)
    """Height and width of an input in pixels."""


def read_architecture(path: str | Path) -> Architecture:
    """The architecture in the header of a float or an adapted network's weights file.

    Raises:
        LbtError: the file is damaged, or has no architecture.
    """
    return architecture_in(path, read_tensors(path)[1])


def architecture_in(path: str | Path, extra: dict[str, Any]) -> Architecture:
    """The architecture in the header ``extra`` of the weights file ``path``; further keys may stand beside it.

    Raises:
        LbtError: not a model file, or a field that no network has.
    """
    held = {name: extra[name] for name in Header.model_fields if name in extra}
    header = parse(Header, held, f"{path}: not a model file: header")
    return Architecture(header.model, tuple(header.classes), header.channels, header.size)


def load_weights(path: str | Path, network: nn.Module, tensors: Mapping[str, Tensor], name: str) -> None:
    """Put the ``tensors`` of the file ``path`` into ``network``, called ``name``.

    Raises:
        LbtError: a tensor is missing, is not the network's, or has another shape or another kind of number.
    """
    for key, own in network.state_dict().items():
        found = tensors.get(key, own)
        if found.is_floating_point() != own.is_floating_point() or found.is_complex():
            raise LbtError(f"{path}: weights do not fit {name}: {key} is {found.dtype}, expected {own.dtype}")
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise LbtError(f"{path}: weights do not fit {name}: {one_line(error, 200)}") from None
