"""Part 1 of the notes, without batch norm: low-bit training for domain adaptation."""

from . import Idea
from .judge import above, bars, below, helps, minus, no_worse, pooled, property_of, reported, row

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
        above(
            row("claims: claim/3/noise/rank_correlation"),
            0.5,
            "over recipes and bit widths the gradient's relative error orders the loss of accuracy with a rank "
            "correlation of {0:.2f}, its bias with {1:.2f}, the mean signal to noise ratio of all tensors with "
            "{2:.2f}; a bound in points was not derived",
            row("claims: claim/3/bias/rank_correlation"),
            row("claims: claim/3/sqnr/mean/rank_correlation"),
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
            1.0,
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
            1.0,
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
            1.0,
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
            1.0,
            "at a norm of 1, with 4-bit errors and gradients: {0:+.1f} points against no clipping",
        ),
        ABLATIONS,
        PAIR,
    ),
    Idea(
        "1.12",
        "the method as a whole trains as floating point does",
        "params/recipes/thesis-as-written.yaml",
        no_worse(
            row("claims: claim/1/optdigits-mnist/written/minus_fp32"),
            1.0,
            "{0:+.1f} points against float32 and {1:+.1f} against `int8`, each norm at a rate found by one rule",
            row("claims: claim/1/optdigits-mnist/written/minus_int8"),
        ),
        CLAIMS.format("thesis"),
        PAIR,
    ),
    Idea(
        "1.13",
        "8 bits give four times in storage",
        "lbt/hardware/memory.py",
        bars(
            row("claims: claim/5/int8/bytes/times_fewer"),
            4.0,
            3.5,
            "adaptation in `int8` keeps {0:.2f} times fewer bytes: images are 8 bits in float32 training too, "
            "masters, momentum and teacher stay in float32; without images {1:.2f} times, with 16-bit masters and "
            "momentum and an 8-bit teacher {2:.2f} times",
            row("claims: claim/5/int8/without images/times_fewer"),
            row("claims: claim/5/masters 16, teacher 8/without images/times_fewer"),
        ),
        CLAIMS.format("storage"),
        "`digit_cnn`, optdigits→mnist",
    ),
    Idea(
        "1.14",
        "8 bits give four times in compute",
        "lbt/hardware/estimate.py",
        bars(
            row("hardware: resnet20/zcu102/int8/energy/x_fp32"),
            4.0,
            2.0,
            "a training step of ResNet-20 on `zcu102` takes {0:.1f} times less energy, a multiply-accumulator {1:.1f} "
            "times less area; throughput rises {2:.1f} times, since the array outgrows the layers",
            row("hardware: resnet20/zcu102/int8/mac_area/x_fp32"),
            row("hardware: resnet20/zcu102/int8/throughput/x_fp32"),
        ),
        HARDWARE,
        "counts and synthesised units",
    ),
    Idea(
        "1.15",
        "this costs no accuracy",
        "params/recipes/int8.yaml",
        no_worse(
            pooled(*(f"adaptation: int8/{pair}/minus_fp32" for pair in PAIRS)),
            1.0,
            "{0:+.1f} points against float32 over the runs of four pairs; {1:+.1f} on mnist→optdigits, {2:+.1f} on "
            "optdigits→mnist, {3:+.1f} on synth→mnist, {4:+.1f} on mnist→mnistm",
            *(row(f"adaptation: int8/{pair}/minus_fp32") for pair in PAIRS),
        ),
        ADAPTATION,
        "four pairs of digits, 600 steps",
    ),
    Idea(
        "1.16",
        "LUTs of multipliers can only be guessed",
        "lbt/hardware/units.py",
        bars(
            row("hardware: lut-model/median_error"),
            0.2,
            0.1,
            "they are synthesised; a model of those that are not is off by {0:.3f} in the median and {1:.3f} at "
            "worst, as shares of the count, on widths that it has not seen",
            row("hardware: lut-model/worst_error"),
        ),
        HARDWARE,
        "18 held-out units",
    ),
    Idea(
        "1.17",
        "hardware resources are the point: operations, storage, multiplier area",
        "lbt/hardware",
        reported(
            "counted for every recipe and board; cycles equal SCALE-Sim's (largest difference {0:.0f}); no board was "
            "measured, and clocks are assumptions",
            row("hardware: scalesim/max_cycle_error"),
            verdict="holds in part",
        ),
        HARDWARE,
        "six products",
    ),
    Idea(
        "1.18",
        "multi-level scaling loses less than a point with few bits (arXiv 2006.02804)",
        "params/recipes/mls-e2m1.yaml",
        no_worse(
            row("recipes: blended/mls-e2m1/minus_fp32"),
            1.0,
            "`mls-e2m1` {0:+.1f} points, `mls-e2m4` {1:+.1f}; on plain digits `mls-e2m1` {2:+.1f}",
            row("recipes: blended/mls-e2m4/minus_fp32"),
            row("recipes: digits/mls-e2m1/minus_fp32"),
        ),
        RECIPES,
        FULL,
    ),
    Idea(
        "1.19",
        "performance of low-bit adaptation",
        "lbt/adapt/methods/mean_teacher.py",
        above(
            row("adaptation: int8/optdigits-mnist/gap_closed"),
            50.0,
            "an `int8` mean teacher closes {0:.0f} % of the gap on optdigits→mnist, {1:.0f} % on mnist→optdigits, "
            "{2:.0f} % on synth→mnist, {3:.0f} % on mnist→mnistm",
            *(
                row(f"adaptation: int8/{pair}/gap_closed")
                for pair in ("mnist-optdigits", "synth-mnist", "mnist-mnistm")
            ),
        ),
        ADAPTATION,
        "four pairs of digits, 600 steps",
    ),
    Idea(
        "1.20",
        "low-bit training is noisier in adaptation",
        "benchmarks/adaptation_ablations.py",
        above(
            minus(
                "adaptation_ablations: ablation/noise/int8/adaptation/gradient_error",
                "adaptation_ablations: ablation/noise/int8/plain training/gradient_error",
            ),
            0.0,
            "the gradient's relative error differs by {0:+.1f} points: {1:.1f} % in adaptation, {2:.1f} % in plain "
            "training (18 batches of three seeds); it varies more from batch to batch",
            row("adaptation_ablations: ablation/noise/int8/adaptation/gradient_error"),
            row("adaptation_ablations: ablation/noise/int8/plain training/gradient_error"),
        ),
        ABLATIONS,
        "optdigits→mnist, at the start",
    ),
]
