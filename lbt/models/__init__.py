"""Float networks of plain ``nn`` modules, one per file; anything here can be converted by :func:`lbt.nn.quantize`.

A network's name is that of a file here, ``module:function`` of a user's own, the path of a ``network.yaml``, or the
line that such a file comes to (:mod:`lbt.models._chain`).

Every network has two parts, ``features(x)`` → (N, D) and ``classifier`` (a linear layer), because adaptation methods
look at the features. Inputs are (N, C, H, W) float32 in the range of :mod:`lbt.data.inputs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from lbt.artifacts import read_tensors, write_tensors
from lbt.config import Section, parse
from lbt.errors import LbtError, nearest, one_line, told
from lbt.models import _chain, _own
from lbt.models._chain import Chain as Chain
from lbt.models._chain import is_file as is_file
from lbt.models._own import allow as allow
from lbt.models._own import is_own as is_own
from lbt.models._own import source as source
from lbt.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lbt.models._network import Network

MODELS = Registry("model", "lbt.models")


@dataclass(frozen=True)
class Architecture:
    """The arguments that build a network again; they travel in the header of its weights file.

    Attributes:
        model: name of a file in ``lbt/models``, ``module:function`` of a user's own, or a description in one line.
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


def check(name: str) -> str:
    """``name``, if it may be a network's: one of :func:`names`, ``module:function``, or a description.

    Raises:
        LbtError: it is none of them, or a wrong description; nothing is imported.
    """
    if _chain.is_described(name):
        _chain.load(name)
        return name
    return _own.check_name(name) if _own.is_own(name) else MODELS.check(name)


def resolved(name: str) -> str:
    """``name``, or the line that the ``network.yaml`` of that path comes to: it says the same wherever it is read.

    Raises:
        LbtError: see :func:`check`.
    """
    return _chain.load(name).text if _chain.is_file(name) else name


def build(name: str, classes: int, channels: int, *, seed: int = 0) -> Network:
    """A freshly initialised network; a pure function of its arguments (torch's global generator is left as it was).

    Raises:
        LbtError: no such model, a wrong description, or a user's own that cannot be built (:mod:`lbt.models._own`).
    """
    return _own.split(_fresh(name, classes, channels, seed), classes, name)


def _fresh(name: str, classes: int, channels: int, seed: int) -> nn.Module:
    """The network under the names that its file, function or description gives to its parts."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if _chain.is_described(name):
            return _chain.build(_chain.load(name), classes, channels)
        if _own.is_own(name):
            return _own.raw(name, classes, channels)
        network: Network = MODELS.load(name).build(classes, channels)
        return network


def build_with(architecture: Architecture, weights: Path | None, *, seed: int = 0) -> Network:
    """The network of ``architecture``, tried on two images if it is a user's own, with the tensors of ``weights``.

    Args:
        architecture: what to build.
        weights: safetensors or a PyTorch checkpoint, under the names of the network as its function makes it. None:
            freshly initialised.
        seed: of the fresh weights.

    Raises:
        LbtError: as :func:`build`; a file that is damaged, or a tensor that does not fit.
    """
    name, classes, channels = architecture.model, len(architecture.classes), architecture.channels
    original = _fresh(name, classes, channels, seed)
    if weights is not None:
        tensors, named = _own.read_weights(weights)
        if named is not None and tuple(named) != architecture.classes:
            raise LbtError(
                f"{weights}: its classes are {told(named)}, the domain's {told(list(architecture.classes))}; "
                "the domain's key classes puts them in order"
            )
        load_weights(weights, original, tensors, name)
    network = _own.split(original, classes, name)
    if _own.is_own(name):
        _own.check_network(network, original, classes, channels, architecture.size, name)
    return network


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


def _self_contained(name: str) -> str:
    """``name``, if it means the same everywhere: no weights file makes its reader open another file."""
    if _chain.is_file(name):
        raise ValueError(
            f"found the path {told(name)}; accepted: a name, module:function, or a description in one line"
        )
    return check(name)


class Header(Section):
    """An :class:`Architecture` as a weights file's header holds it."""

    model: Annotated[str, AfterValidator(_self_contained)]
    """Name of a file in ``lbt/models``, ``module:function``, or a description in one line."""
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
    expected = network.state_dict()
    fault = f"{path}: weights do not fit {name}"
    counters = "num_batches_tracked"  # of batch norms; PyTorch takes files without them
    if missing := [key for key in expected if key not in tensors and not key.endswith(counters)]:
        raise LbtError(f"{fault}: no tensor {missing[0]}{nearest(missing[0], tensors)} ({len(missing)} missing)")
    if strange := [key for key in tensors if key not in expected]:
        raise LbtError(f"{fault}: it has no {one_line(strange[0], 100)} ({len(strange)} more than it has)")
    for key, own in expected.items():
        found = tensors.get(key, own)
        if found.shape != own.shape:
            raise LbtError(f"{fault}: {key} has shape {tuple(found.shape)}, expected {tuple(own.shape)}")
        if found.is_floating_point() != own.is_floating_point() or found.is_complex():
            raise LbtError(f"{fault}: {key} is {found.dtype}, expected {own.dtype}")
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise LbtError(f"{fault}: {one_line(error, 200)}") from None
