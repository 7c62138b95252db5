"""Part 1 of the notes, without batch norm: low-bit training for domain adaptation."""

from . import Idea
from .judge import above, below, helps, in_part, minus, no_worse, pooled, property_of, row

CLAIMS = "python benchmarks/claims.py --only {}"
RECIPES = "python benchmarks/recipes.py"
ABLATIONS = "python benchmarks/adaptation_ablations.py --work .lbt/benchmarks/ablations"
ADAPTATION = "python benchmarks/adaptation.py"
HARDWARE = "python benchmarks/hardware.py"
BLENDED = "digits over photos, 300 steps"
FULL = "digits over photos, 500 steps"
PAIR = "optdigits→mnist, 200 steps"
ABLATION = "adaptation_ablations: ablation/{}/target_accuracy"

PAIRS = ("mnist-optdigits", "optdigits-mnist", "synth-mnist", "mnist-mnistm")
UNIFORM = "recipes: blended/ablation/bits/4/accuracy"
RULES = ("cosine", "sigma-4", "mse")

IDEAS = [
    Idea(
        "1.01",
        "weights and activations in 8 bits are easy",
        "params/recipes/int8.yaml",
        no_worse(
            row("claims: claim/2/8 bits/W, A/minus_fp32"),
            2.0,
            "{0:+.1f} points against float32 with W and A in 8 bits, {1:+.1f} in 4 bits",
            row("claims: claim/2/4 bits/W, A/minus_fp32"),
        ),
        CLAIMS.format("difficulty"),
        BLENDED,
    ),
    Idea(
        "1.02",
        "nothing but 8 bits is hard",
        "lbt/recipe.py",
        below(
            row("claims: claim/2/8 bits/everything/minus_fp32"),
            -2.0,
            "with momentum, master weights and a fixed-point batch norm in 8 bits too {0:+.1f} points against "
            "float32; hard would be a loss of two points; WAGE itself, whose weights are ternary, {1:+.1f}",
            row("recipes: blended/wage/minus_fp32"),
        ),
        CLAIMS.format("difficulty"),
        BLENDED,
    ),
    Idea(
        "1.03",
        "gradients are the hardest of all tensors",
        "lbt/recipe.py",
        below(
            row("claims: claim/2/4 bits/E, G minus W, A"),
            0.0,
            "in 4 bits W and A alone give {1:+.1f} points, errors {2:+.1f} more, weight gradients {3:+.1f} more: what "
            "the latter two change minus what the former change is {0:+.1f}",
            row("claims: claim/2/4 bits/W, A/minus_fp32"),
            row("claims: claim/2/4 bits/W, A, E/minus_rung_before"),
            row("claims: claim/2/4 bits/W, A, E, G/minus_rung_before"),
        ),
        CLAIMS.format("difficulty"),
        BLENDED,
    ),
    Idea(
        "1.04",
        "8 bits do not cover the range of gradients",
        "lbt/numerics/formats/int.py",
        below(
            row("recipes: blended/int8/minus_fp32"),
            -1.0,
            "errors and gradients in 8 bits with one scale a tensor: {0:+.1f} points against float32; too narrow "
            "would be a loss of a point",
        ),
        RECIPES,
        FULL,
    ),
    Idea(
        "1.05",
        "for a tolerated error rate, a bound on the quantization error",
        "benchmarks/claims/measures.py",
        in_part(
            above(
                row("claims: claim/3/noise/rank_correlation"),
                0.5,
                "the gradient's relative error orders the recipes' loss of accuracy with a rank correlation of "
                "{0:.2f}, its bias with {1:.2f}, the mean signal to noise ratio of all tensors with {2:.2f}; recipes "
                "whose gradient is shorter than √3 times its noise lose {3:.1f} points, the others {4:.1f}; bits for "
                "a given loss were not derived",
                row("claims: claim/3/bias/rank_correlation"),
                row("claims: claim/3/sqnr/mean/rank_correlation"),
                row("claims: claim/3/below sqrt3/points_lost"),
                row("claims: claim/3/above sqrt3/points_lost"),
            )
        ),
        CLAIMS.format("measures"),
        FULL,
    ),
    Idea(
        "1.06",
        "the quantization error is clipping and rounding together",
        "lbt/numerics/analysis.py",
        property_of("the sum of the two formulas is the simulated error, within 6 % at 3 bits and 1 % from 6 bits on"),
        "pytest tests/numerics/test_analysis.py",
        "normal and Laplace tensors",
    ),
    Idea(
        "1.07",
        "a layer-wise scale in floating point widens the range",
        "lbt/numerics/formats/int.py",
        helps(
            minus(UNIFORM, "recipes: blended/ablation/scale/pow2-int4/accuracy"),
            0.5,
            "{0:+.1f} points against a power of two in 4 bits; in adaptation with 4-bit errors and gradients "
            "{1:+.1f}; in 8 bits the power of two costs {2:+.1f} points",
            minus(ABLATION.format("scale/float"), ABLATION.format("scale/power of two")),
            row("recipes: blended/ablation/scale/pow2-int8/minus_fp32"),
        ),
        f"{RECIPES}; {ABLATIONS}",
        FULL,
    ),
    Idea(
        "1.08",
        "stochastic rounding gains precision, above all for gradients",
        "lbt/numerics/rounding.py",
        helps(
            minus(UNIFORM, "recipes: blended/ablation/rounding/E-nearest/accuracy"),
            0.5,
            "of 4-bit errors {0:+.1f} points against nearest, of 4-bit weight gradients {1:+.1f}; of both in "
            "adaptation {2:+.1f}; in 8 bits the method with nearest rounding is {3:+.1f} points from the method",
            minus(
                "recipes: blended/ablation/rounding/G-int4-stochastic/accuracy",
                "recipes: blended/ablation/rounding/G-int4-nearest/accuracy",
            ),
            minus(ABLATION.format("rounding/stochastic"), ABLATION.format("rounding/nearest")),
            row("claims: claim/1/optdigits-mnist/without stochastic rounding/minus_written"),
        ),
        f"{RECIPES}; {ABLATIONS}",
        FULL,
    ),
    Idea(
        "1.09",
        "the gain can be counted in bits",
        "benchmarks/claims/rounding.py",
        above(
            row("claims: claim/6/gradient/worth/64/4"),
            0.0,
            "of a 4-bit gradient: {1:+.1f} bits in a single step, {2:+.1f} averaged over 16 steps, {0:+.1f} over 64; "
            "errors in 4 bits stochastic train {3:+.1f} points above 5 bits nearest",
            row("claims: claim/6/gradient/worth/1/4"),
            row("claims: claim/6/gradient/worth/16/4"),
            row("claims: claim/6/accuracy/4 stochastic minus 5 nearest"),
        ),
        CLAIMS.format("rounding"),
        BLENDED,
    ),
    Idea(
        "1.10",
        "gradients should be clipped in their range",
        "lbt/numerics/ranges",
        helps(
            pooled(*((f"recipes: blended/ablation/clip-E/{rule}/accuracy", UNIFORM) for rule in RULES)),
            0.5,
            "4-bit errors clipped by cosine, by mean squared error and at 4σ: {0:+.1f} points against no clipping, "
            "all runs together; in adaptation, errors and gradients cut at 3σ, {1:+.1f}; in 8 bits the method without "
            "any clipping is {2:+.1f} points from the method",
            minus(ABLATION.format("clipping/at 3σ"), ABLATION.format("clipping/none")),
            row("claims: claim/1/optdigits-mnist/without clipping/minus_written"),
        ),
        f"{RECIPES}; {ABLATIONS}",
        FULL,
    ),
    Idea(
        "1.11",
        "gradients should be clipped in their norm",
        "lbt/nn/optim",
        helps(
            minus(ABLATION.format("clipping/of the norm"), ABLATION.format("clipping/none")),
            0.5,
            "at a norm of 1, with 4-bit errors and gradients: {0:+.1f} points against no clipping",
        ),
        ABLATIONS,
        PAIR,
    ),
]
