"""Operations outside of products and batch norms that transformers and mobile networks have, counted by hand.

- A *curve* (GELU, SiLU, sigmoid, …) is a table with linear interpolation, as accelerators have it: a comparison for the
  segment, a product and a sum an element. Backward it is the derivative's table, and a product with the error.
- A *division* of two activations takes a divider; backward, dx = dy/b and db = −dy·y/b with the inverse kept.
- *Softmax*, per element: comparison for the maximum, difference, the exponential's curve, sum, product with the sum's
  inverse; one division a row. Backward, dx = y·(dy − Σ dy·y).
- *Layer norm*, per element: Σx and Σx² in one read (a product, two sums), (x − μ)/σ and weight and bias (two of each);
  a division and a root a row. Backward, dx = (g − Σg/n − x̂·Σ(g·x̂)/n)/σ with g = dy·γ, and the gradients of γ, β.

A row is what a softmax or a norm goes over. Layer norm and softmax stay float in training (docs/numerics.md): they take
float units.
"""

from __future__ import annotations

from dataclasses import dataclass

from lbt.nn.norms._cost import Operations

NOTHING = Operations()


@dataclass(frozen=True)
class Rule:
    """The cost of one kind of operation.

    Attributes:
        forward, backward: operations per element.
        row_forward, row_backward: operations per row.
        reads: times that each pass reads its input.
        is_float: true if it takes float units whatever the format.
    """

    forward: Operations
    backward: Operations
    row_forward: Operations = NOTHING
    row_backward: Operations = NOTHING
    reads: int = 1
    is_float: bool = False


RULES = {
    "curve": Rule(
        forward=Operations(adds=1, multiplies=1, comparisons=1),
        backward=Operations(adds=1, multiplies=2, comparisons=1),
    ),
    "affine": Rule(forward=Operations(adds=1, multiplies=1), backward=Operations(multiplies=2)),
    "divide": Rule(forward=Operations(divides=1), backward=Operations(multiplies=3, adds=1)),
    "softmax": Rule(
        forward=Operations(adds=3, multiplies=2, comparisons=2),
        backward=Operations(adds=2, multiplies=2),
        row_forward=Operations(divides=1),
        reads=2,
        is_float=True,
    ),
    "layer_norm": Rule(
        forward=Operations(adds=4, multiplies=3),
        backward=Operations(adds=6, multiplies=6),
        row_forward=Operations(adds=1, multiplies=3, divides=1, square_roots=1),
        row_backward=Operations(multiplies=2),
        reads=2,
        is_float=True,
    ),
}
"""Rules by kind of node."""
