"""Part 2 of the notes: an accelerator that goes from inference to some training."""

from . import Idea
from .adaptation import ADAPTATION, BLENDED, CLAIMS, HARDWARE, RECIPES
from .judge import above, helps, minus, no_worse, property_of, reported, row, undone
from .norms import FLOAT_NORM, INTEGER_NORM

DIGITS = "four pairs of digits, 600 steps"
CLOSED = "adaptation: int8/{}/gap_closed"
EDGE = "python benchmarks/edge.py"

IDEAS = [
    Idea(
        "2.01",
        "an accelerator for inference can be extended to some training",
        "lbt/hardware/rtl",
        property_of(
            "array, requantizer and update unit compute the trainer's codes bit for bit in simulation; no board has "
            "run them",
            "holds in part",
        ),
        "pytest tests/hardware/test_coverification.py",
        "one convolution, third step",
    ),
    Idea(
        "2.02",
        "few labels are enough for finetuning",
        "lbt/adapt/methods/few_label.py",
        above(
            row(CLOSED.format("optdigits-mnist/few_label")),
            50.0,
            "five labels a class close {0:.0f} % of the gap on optdigits→mnist in `int8`, {1:.0f} % on "
            "mnist→optdigits, {2:.0f} % on mnist→mnistm",
            row(CLOSED.format("mnist-optdigits/few_label")),
            row(CLOSED.format("mnist-mnistm/few_label")),
        ),
        ADAPTATION,
        DIGITS,
    ),
    Idea(
        "2.03",
        "it adapts to a user",
        "lbt/edge/users",
        above(
            minus("users: users/styles/package/int8/accuracy", "users: users/styles/source/int8/accuracy"),
            0.0,
            "five labels a class in `int8` gain {0:+.1f} points on a style of writing that was left out, {1:+.1f} on a "
            "font; users are made, not people",
            minus("users: users/fonts/package/int8/accuracy", "users: users/fonts/source/int8/accuracy"),
        ),
        "python benchmarks/users.py",
        "fonts and styles of writing",
    ),
    Idea(
        "2.04",
        "it adapts to a scene",
        "lbt/edge",
        above(
            minus("edge: tta/continual/none/int8/error", "edge: tta/continual/tent/int8/error"),
            0.0,
            "Tent in `int8` answers {0:.1f} points better than no adaptation when five corruptions follow one "
            "another; where they are mixed {1:.1f}",
            minus("edge: tta/mixed/none/int8/error", "edge: tta/mixed/tent/int8/error"),
        ),
        EDGE,
        "corrupted digits, three streams",
    ),
    Idea(
        "2.05",
        "it learns semi-supervised",
        "lbt/adapt/methods/fixmatch.py",
        above(
            row(CLOSED.format("mnist-mnistm/mean_teacher_few_label")),
            50.0,
            "mean teacher and five labels a class close {0:.0f} % of the gap on mnist→mnistm in `int8`, FixMatch "
            "{1:.0f} %",
            row(CLOSED.format("mnist-mnistm/fixmatch")),
        ),
        ADAPTATION,
        DIGITS,
    ),
    Idea(
        "2.06",
        "it learns unsupervised",
        "lbt/adapt/methods/mean_teacher.py",
        above(
            row(CLOSED.format("optdigits-mnist")),
            50.0,
            "the mean teacher closes {0:.0f} % of the gap on optdigits→mnist in `int8`, SHOT without source images "
            "{1:.0f} %",
            row(CLOSED.format("optdigits-mnist/shot")),
        ),
        ADAPTATION,
        DIGITS,
    ),
    Idea(
        "2.07",
        "digits over four domains: MNIST, USPS, SVHN, synthetic",
        "lbt/data/domains",
        reported(
            "run on MNIST, optdigits, synthetic digits and MNIST-M (for example {0:.1f} % on synth→mnist in `int8`); "
            "USPS and SVHN have code and no result",
            row("adaptation: int8/synth-mnist/target_accuracy"),
            verdict="holds in part",
        ),
        ADAPTATION,
        DIGITS,
    ),
    Idea(
        "2.08",
        "Office-31 from an ImageNet-pretrained network",
        "params/office31.yaml",
        undone("the protocol is there, the data are not"),
    ),
    Idea(
        "2.09",
        "the algorithm is changed to fixed point",
        "params/recipes/int8-pow2.yaml",
        no_worse(
            row("adaptation: int8-pow2/optdigits-mnist/minus_fp32"),
            1.0,
            "with shifts in place of scales {0:+.1f} points against float32 in adaptation on optdigits→mnist, "
            "{1:+.1f} on mnist→optdigits; a whole step in integers runs (lbt/integer) and was not adapted",
            row("adaptation: int8-pow2/mnist-optdigits/minus_fp32"),
        ),
        ADAPTATION,
        DIGITS,
    ),
    Idea(
        "2.10",
        "the algorithm is changed to be sparse",
        "lbt/hardware/instructions.py",
        no_worse(
            row("claims: claim/15/half of the channels/minus_all"),
            2.0,
            "finetuning with the half of each convolution's channels taken out that its norm weighs least is {0:+.1f} "
            "points from finetuning with all in `int8`, with {1:.2f} of the operations; every other channel masked "
            "makes a training step of ResNet-20 on `zcu102` {2:.2f} times faster",
            row("claims: claim/15/half of the channels/operations"),
            row("hardware: resnet20/zcu102/int8/half_channels/whole_training_cycles/x_masked"),
        ),
        f"{CLAIMS.format('parts')}; {HARDWARE}",
        "plain digits, then digits over photos, 120 steps",
    ),
    Idea(
        "2.11",
        "batch norm is kept in higher precision",
        "lbt/nn/norms/float_bn.py",
        helps(
            row("claims: claim/2/8 bits/float norm minus integer norm"),
            1.0,
            "a float norm is {0:+.1f} points from one in fixed point in `int8`; on three other seeds and 500 steps "
            "{1:+.1f}",
            minus(FLOAT_NORM, INTEGER_NORM),
        ),
        f"{CLAIMS.format('difficulty')}; {RECIPES}",
        BLENDED,
    ),
]
