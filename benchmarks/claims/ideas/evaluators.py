"""Part 6 of the notes: surgery of evaluators."""

from . import Idea
from .gates import PREDICTORS
from .judge import above, below, helps, minus, row

SCORE = "predictors: one_shot/score/kendall_tau"
SUPERNET = "supernets, MNIST against CIFAR-10"
NOISE = "predictors: denoise/{}/kendall_tau"

IDEAS = [
    Idea(
        "6.01",
        "a supernet is itself a predictor",
        "lbt/nas/supernet",
        above(row(SCORE), 0.3, "its scores order 2,000 cells with a tau of {0:.2f}"),
        PREDICTORS,
        SUPERNET,
    ),
    Idea(
        "6.02",
        "a predictor on top of it adds something",
        "benchmarks/few_labels/one_shot.py",
        above(
            minus("predictors: one_shot/held_out/kendall_tau", SCORE),
            0.0,
            "a predictor fitted on the scores is {0:+.3f} from them on cells that it has not seen; as a prior of 78 "
            "labels it adds {1:+.3f}",
            minus("predictors: one_shot/78/prior/kendall_tau", "predictors: one_shot/78/alone/kendall_tau"),
        ),
        PREDICTORS,
        SUPERNET,
    ),
    Idea(
        "6.03",
        "one-shot scores correlate badly over the whole space",
        "lbt/nas/supernet",
        below(row(SCORE), 0.5, "tau {0:.2f}"),
        PREDICTORS,
        SUPERNET,
    ),
    Idea(
        "6.04",
        "they correlate better in some parts",
        "benchmarks/few_labels/one_shot.py",
        above(
            minus("predictors: one_shot/subspace/0>1/none/kendall_tau", SCORE),
            0.0,
            "where the first edge is `none` tau is {0:+.2f} above the whole space's; where a 3×3 convolution joins "
            "input and output it is {1:.2f}",
            row("predictors: one_shot/subspace/0>3/nor_conv_3x3/kendall_tau"),
        ),
        PREDICTORS,
        SUPERNET,
    ),
    Idea(
        "6.05",
        "there they are used, and a predictor interpolates the rest",
        "benchmarks/few_labels/one_shot.py",
        helps(
            minus("predictors: one_shot/trusted/kendall_tau", "predictors: one_shot/any_half/kendall_tau"),
            0.01,
            "a predictor on the half of the scored cells whose scores agree most between halves of the images is "
            "{0:+.3f} in tau from one on any half ({1:.2f}), on cells that have no score",
            row("predictors: one_shot/any_half/kendall_tau"),
        ),
        PREDICTORS,
        SUPERNET,
    ),
    Idea(
        "6.06",
        "one-shot scores are noisy",
        "lbt/nas/supernet/stage.py",
        below(
            row("predictors: one_shot/halves/kendall_tau"),
            0.8,
            "scores on one half of the images order the cells as those on the other half with a tau of {0:.2f}; noisy "
            "would be below 0.8",
        ),
        PREDICTORS,
        SUPERNET,
    ),
    Idea(
        "6.07",
        "a predictor with a prior denoises them",
        "benchmarks/few_labels/denoise.py",
        above(
            minus(NOISE.format("1.0/fitted"), NOISE.format("1.0/noisy")),
            0.0,
            "of made-up noise as large as the signal a predictor removes {0:+.3f} in tau ({1:.3f} to {2:.3f}); of the "
            "supernet's own errors {3:+.3f}, in its one run",
            row(NOISE.format("1.0/noisy")),
            row(NOISE.format("1.0/fitted")),
            minus("predictors: one_shot/fitted/kendall_tau", SCORE),
        ),
        PREDICTORS,
        "NAS-Bench-201, made-up noise",
    ),
]
