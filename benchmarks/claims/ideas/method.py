"""Part 1 of the notes: the method as a whole, its accuracy and its resources."""

from . import Idea
from .adaptation import ADAPTATION, CLAIMS, FULL, HARDWARE, PAIR, PAIRS, RECIPES
from .judge import above, bars, no_worse, pooled, reported, row

IDEAS = [
    Idea(
        "1.12",
        "the method as a whole trains as floating point does",
        "params/recipes/thesis-as-written.yaml",
        no_worse(
            row("claims: claim/1/optdigits-mnist/written/minus_fp32"),
            1.0,
            "{0:+.1f} points against float32 and {1:+.1f} against `int8`, each norm at a rate found by one rule; "
            "without its clipping {2:+.1f} points from it",
            row("claims: claim/1/optdigits-mnist/written/minus_int8"),
            row("claims: claim/1/optdigits-mnist/without clipping/minus_written"),
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
        "benchmarks/claims/adapting.py",
        above(
            row("claims: claim/20/adaptation minus plain"),
            0.0,
            "the gradient's relative error differs by {0:+.1f} points: {1:.1f} % in adaptation, {2:.1f} % in plain "
            "training, means of six batches; from batch to batch it has a deviation of {3:.1f} and {4:.1f} points",
            row("claims: claim/20/adaptation/gradient_error"),
            row("claims: claim/20/plain training/gradient_error"),
            row("claims: claim/20/adaptation/deviation"),
            row("claims: claim/20/plain training/deviation"),
        ),
        CLAIMS.format("adapting"),
        "optdigits→mnist, at the start",
    ),
]
