"""Part 1 of the notes: batch norm."""

from . import Idea
from .adaptation import ABLATION, ABLATIONS, BLENDED, CLAIMS, FULL, PAIR, RECIPES
from .judge import above, below, helps, minus, negated, no_worse, row

WRITTEN = "claims: claim/1/optdigits-mnist/"
THESIS = CLAIMS.format("thesis")
NOISE = "claims: claim/4/noise/{}"
FLOAT_NORM, INTEGER_NORM = (f"recipes: blended/ablation/norm/{name}/accuracy" for name in ("float_bn", "integer_bn"))
SHIFT = "claims: claim/4/shift/{}/own_minus_kept"

IDEAS = [
    Idea(
        "1.21",
        "batch norm is the hard part of low-bit training",
        "lbt/nn/norms/integer_bn.py",
        below(
            row("recipes: blended/ablation/norm/integer_bn/minus_fp32"),
            -2.0,
            "a batch norm in fixed point throughout costs {0:+.1f} points against float32, a float one between 8-bit "
            "operands {1:+.1f}, Range BN with one range a channel {2:+.1f}; hard would be a loss of two points, "
            "judged by the first",
            row("recipes: blended/ablation/norm/float_bn/minus_fp32"),
            row("recipes: blended/ablation/norm/range_bn/minus_fp32"),
        ),
        RECIPES,
        FULL,
    ),
    Idea(
        "1.22",
        "its gradient is complex and noisy",
        "benchmarks/claims/noise.py",
        above(
            row(NOISE.format("float_bn/fp32/x_running")),
            1.0,
            "over batches of 64 the gradient's variance over its squared mean is {0:.2f} times that of a norm with "
            "constant statistics; Range BN {1:.2f} times, L1 {2:.2f}, fixed-point {3:.2f}; `int8` makes a batch norm's "
            "{4:.2f} times what it is in float32",
            *(row(NOISE.format(f"{norm}/fp32/x_running")) for norm in ("range_bn", "l1_bn", "integer_bn")),
            row(NOISE.format("float_bn/int8/x_fp32")),
        ),
        CLAIMS.format("noise"),
        "digits over photos, one network a seed",
    ),
    Idea(
        "1.23",
        "its mean and variance must stay in float",
        "lbt/nn/norms/float_bn.py",
        helps(
            row("claims: claim/2/8 bits/float norm minus integer norm"),
            0.5,
            "float statistics are {0:+.1f} points from fixed-point ones in `int8`; on three other seeds and 500 steps "
            "{1:+.1f}",
            minus(FLOAT_NORM, INTEGER_NORM),
        ),
        f"{CLAIMS.format('difficulty')}; {RECIPES}",
        BLENDED,
    ),
    Idea(
        "1.24",
        "gradients for its weight and bias only",
        "lbt/nn/norms/affine_grad_bn.py",
        no_worse(
            row(WRITTEN + "without fixed statistics minus without both rules of the norm"),
            2.0,
            "in the whole method, statistics of the batch, {0:+.1f} points against the full gradient, each at a rate "
            "found by one rule; in `int8` on three other seeds, each at its best of two rates, {1:+.1f}; from scratch "
            "{2:+.1f} against float32",
            minus(ABLATION.format("norm/affine grad, lr 0.002"), ABLATION.format("norm/float, lr 0.02")),
            row("recipes: blended/ablation/norm/affine_grad_bn/minus_fp32"),
        ),
        f"{THESIS}; {ABLATIONS}",
        PAIR,
    ),
    Idea(
        "1.25",
        "fixed parameters that go on accumulating",
        "lbt/nn/norms/running_bn.py",
        no_worse(
            negated(WRITTEN + "without both rules of the norm/minus_written"),
            2.0,
            "in the whole method {0:+.1f} points against batch statistics with the full gradient, at a rate of "
            "{1:.4f} found by a trial on the source (batch statistics: {2:.4f}); batch renormalisation, today's way, "
            "{3:+.1f} points against the fixed parameters",
            row(WRITTEN + "written/lr"),
            row(WRITTEN + "without both rules of the norm/lr"),
            row(WRITTEN + "renormalised/minus_written"),
        ),
        THESIS,
        PAIR,
    ),
    Idea(
        "1.26",
        "parameters that are seldom updated",
        "lbt/nn/norms/seldom_bn.py",
        no_worse(
            row(WRITTEN + "seldom/minus_written"),
            2.0,
            "updated every eighth batch: {0:+.1f} points against every batch; every second {1:+.1f}, every 32nd "
            "{2:+.1f}",
            row(WRITTEN + "seldom, every 2/minus_written"),
            row(WRITTEN + "seldom, every 32/minus_written"),
        ),
        THESIS,
        PAIR,
    ),
    Idea(
        "1.27",
        "batch norm behaves differently when the domain changes",
        "benchmarks/claims/noise.py",
        above(
            row(SHIFT.format("float_bn/int8/shifted minus same")),
            2.0,
            "statistics of the batch in place of the kept ones change `int8` by {1:+.1f} points on the network's own "
            "domain and by {2:+.1f} on plain digits; the two differ by {0:+.1f}, in float32 by {3:+.1f}, with Range BN "
            "by {4:+.1f}, in fixed point by {5:+.1f}",
            row(SHIFT.format("float_bn/int8/same")),
            row(SHIFT.format("float_bn/int8/shifted")),
            row(SHIFT.format("float_bn/fp32/shifted minus same")),
            row(SHIFT.format("range_bn/int8/shifted minus same")),
            row(SHIFT.format("integer_bn/int8/shifted minus same")),
        ),
        CLAIMS.format("noise"),
        "digits over photos, to plain digits",
    ),
    Idea(
        "1.28",
        "statistics apart for the two domains",
        "lbt/nn/domains.py",
        helps(
            row(WRITTEN + "int8 minus int8, one set for all"),
            0.5,
            "{0:+.1f} points against one set for all in `int8`, {1:+.1f} on three other seeds; in the method as "
            "written one set for all is {2:+.1f} points from separate ones",
            minus(ABLATION.format("statistics/separate"), ABLATION.format("statistics/shared")),
            row(WRITTEN + "without separate statistics/minus_written"),
        ),
        f"{ABLATIONS}; {THESIS}",
        PAIR,
    ),
    Idea(
        "1.29",
        "statistics apart for student and teacher",
        "lbt/adapt/methods/mean_teacher.py",
        helps(
            row(WRITTEN + "int8 minus int8, one set a domain"),
            0.5,
            "{0:+.1f} points against the student's statistics in the teacher in `int8`, {1:+.1f} on three other seeds",
            minus(ABLATION.format("statistics/separate"), ABLATION.format("statistics/domain")),
        ),
        f"{THESIS}; {ABLATIONS}",
        PAIR,
    ),
]
