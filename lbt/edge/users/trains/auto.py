"""Auto: the parameters that promise most for their bytes, as long as the budgets last.

After Lin et al. 2022 (arXiv 2206.15472), who measure a layer's contribution by fine-tuning it alone, offline, and
search by evolution. Here the contribution of a parameter is the squared norm of its gradient on the user's images:
the fall of the loss by one step, to first order, divided by the learning rate. Parameters are added greedily by
contribution for each byte, of peak memory and of the package.

Quantization-aware scaling, of the same paper, multiplies the gradient of a layer that is stored as codes W̄ = W/s by
s⁻², since ∂L/∂W̄ = s·∂L/∂W would move W by s² too little. lbt keeps master weights in units of W, where the
corrected step W̄ ← W̄ − η·s⁻²·∂L/∂W̄ is the plain one, W ← W − η·∂L/∂W: every layer learns at its float rate without
a factor."""

from __future__ import annotations

from lbt.edge.users.trains import Scene
from lbt.errors import LbtError


def choose(scene: Scene) -> set[str]:
    """The parameters that fit.

    Raises:
        LbtError: not one of them does.
    """
    worth = {name: float(gradient.double().square().sum()) for name, gradient in scene.gradients().items()}
    chosen: set[str] = set()
    waiting = [name for name in scene.names() if worth.get(name, 0.0) > 0]
    while waiting:
        start = scene.peak(chosen)
        price = {name: max(1, scene.peak(chosen | {name}) - start) + scene.packed(name) for name in waiting}
        for name in sorted(waiting, key=lambda name: (-worth[name] / price[name], name)):
            waiting.remove(name)
            if scene.fits(chosen | {name}):
                chosen.add(name)
                break
    if not chosen:
        raise LbtError("train: auto: no parameter fits the budgets of memory and package; try a smaller batch")
    return chosen
