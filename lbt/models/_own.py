"""A user's own network: ``my_package.my_module:build``, a function ``build(classes, channels) -> nn.Module``.

A model is code. It is imported only if the user named it: in the params file, on the command line, or by :func:`allow`;
never because a weights file asks for it. The module lies in the workspace, or in an installed package.
"""

from __future__ import annotations

import copy
import importlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lbt.errors import LbtError, nearest, one_line, told

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lbt.models._network import Network

NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_allowed: set[str] = set()


def is_own(name: str) -> bool:
    """True for ``module:function``, false for the name of one of lbt's networks or a description."""
    return ":" in name


def check_name(name: str) -> str:
    """``name``, if it has the form ``module:function``."""
    if not NAME.fullmatch(name):
        raise LbtError(
            f"found {told(name)}; accepted: my_package.my_module:function, or the name of a file in lbt/models"
        )
    return name


def allow(name: str) -> None:
    """Let the code of ``name`` be imported from now on: the user has named it."""
    if is_own(name):
        _allowed.add(check_name(name))


def source(name: str) -> Path | None:
    """The file, or the folder of the package, in the workspace that holds the code; None for an installed package."""
    top = Path(name.partition(":")[0].partition(".")[0])
    return top if top.is_dir() else top.with_suffix(".py") if top.with_suffix(".py").is_file() else None


def raw(name: str, classes: int, channels: int) -> nn.Module:
    """The user's network as its function makes it.

    Raises:
        LbtError: nobody has named it, it cannot be imported or called, or it gives no network.
    """
    from torch import nn

    if name not in _allowed:
        raise LbtError(
            f"the network is {name}, code that nobody has named: set pretrain.model to it, or call "
            f"lbt.models.allow({name!r}) if you trust it"
        )
    module, _, function = name.partition(":")
    try:
        held = _imported(module, source(name) is not None)
    except Exception as error:  # whatever a user's code raises
        reason = one_line(f"{type(error).__name__}: {error}", 300)
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            mine = [path.stem for path in Path.cwd().glob("*.py")]
            reason = f"no module {error.name}; accepted: a module in {Path.cwd()}, or an installed one"
            reason += nearest(error.name, sorted(mine))
        raise LbtError(f"{name}: cannot be imported: {reason}") from None
    if not callable(make := getattr(held, function, None)):
        own = [n for n, one in vars(held).items() if callable(one) and getattr(one, "__module__", None) == module]
        accepted = f"accepted: {', '.join(own) or 'none of its own'}{nearest(function, own)}"
        raise LbtError(f"{name}: no function {function} in module {module}; {accepted}")
    try:
        network = make(classes, channels)
    except Exception as error:  # whatever a user's code raises
        reason = one_line(f"{type(error).__name__}: {error}", 300)
        raise LbtError(f"{name}: {function}({classes}, {channels}) cannot be called: {reason}") from None
    if not isinstance(network, nn.Module):
        raise LbtError(f"{name}: {function}({classes}, {channels}) gives {told(network)}; accepted: a torch.nn.Module")
    return network


def _imported(module: str, in_workspace: bool) -> object:
    folder = str(Path.cwd())
    if in_workspace:
        _forget(module.partition(".")[0], Path.cwd())
    if not in_workspace or folder in sys.path:
        return importlib.import_module(module)
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(folder)


def _forget(package: str, workspace: Path) -> None:
    """Let ``package`` be imported anew if the one in memory is another workspace's."""
    origin = getattr(sys.modules.get(package), "__file__", None)
    if origin is not None and not Path(origin).is_relative_to(workspace):
        for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
            del sys.modules[name]


def split(network: nn.Module, classes: int, name: str) -> Network:
    """The network as ``classifier(features(x))``, the form that adaptation needs: its last linear layer, and the rest.

    Raises:
        LbtError: there is no such layer with ``classes`` outputs.
    """
    from torch import nn

    from lbt.models._network import Network

    if isinstance(network, Network):
        return network
    linear = [path for path, module in network.named_modules() if isinstance(module, nn.Linear)]
    last = network.get_submodule(linear[-1]) if linear else None
    if not isinstance(last, nn.Linear) or last.out_features != classes:
        found = "none" if last is None else f"{linear[-1]} with {last.out_features} outputs"
        raise LbtError(f"{name}: its last linear layer is {found}; accepted: one with {classes}, the number of classes")
    features = copy.deepcopy(network)
    features.set_submodule(linear[-1], nn.Identity())
    whole = Network(features, last.in_features, classes)
    whole.classifier = copy.deepcopy(last)
    return whole


def check_network(network: Network, original: nn.Module, classes: int, channels: int, size: int, name: str) -> None:
    """Try the network on two images.

    Raises:
        LbtError: it fails, its logits have another shape, or the classifier is not its last layer.
    """
    import torch

    was_training = original.training
    try:
        with torch.no_grad():
            images = torch.linspace(-1, 1, 2 * channels * size * size).reshape(2, channels, size, size)
            expected, found = original.eval()(images), network.eval()(images)
    except Exception as error:
        reason = one_line(f"{type(error).__name__}: {error}", 300)
        raise LbtError(f"{name}: fails on images of {channels}×{size}×{size}: {reason}") from None
    original.train(was_training)
    network.train(was_training)
    shape = tuple(expected.shape) if isinstance(expected, torch.Tensor) else type(expected).__name__
    if shape != (2, classes):
        raise LbtError(f"{name}: gives {shape} for two images; accepted: logits of shape (2, {classes})")
    if not expected.isfinite().all():
        raise LbtError(f"{name}: gives logits that are not finite for two images")
    if not torch.equal(expected, found):
        raise LbtError(f"{name}: its last linear layer is not its last operation; accepted: logits of that layer")


def read_weights(path: Path) -> tuple[dict[str, Tensor], list[str] | None]:
    """The tensors of a safetensors file or of a PyTorch checkpoint (read with ``weights_only``).

    With them the class names in the header of a file of lbt's; None in others.

    Raises:
        LbtError: the file is damaged, or holds something else.
    """
    import torch

    from lbt.artifacts import read_tensors
    from lbt.errors import reading

    if path.suffix == ".safetensors":
        tensors, extra = read_tensors(path)
        named = extra.get("classes")
        return tensors, named if isinstance(named, list) else None
    held = reading(path, "PyTorch", lambda p: torch.load(p, map_location="cpu", weights_only=True))
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(held, Mapping) and isinstance(held.get(key), Mapping):
            held = held[key]
            break
    if not isinstance(held, Mapping) or not held or not all(isinstance(one, torch.Tensor) for one in held.values()):
        raise LbtError(f"{path}: found {type(held).__name__}; accepted: a mapping of names to tensors (a state_dict)")
    return {str(key).removeprefix("module."): tensor for key, tensor in held.items()}, None
