"""Part 3 of the notes: online learning on the edge."""

from . import Idea
from .accelerator import CLOSED, DIGITS, EDGE
from .adaptation import ADAPTATION, HARDWARE
from .judge import above, bars, minus, negated, no_worse, reported, row, undone

GAIN = "adaptation: int8/optdigits-mnist{}/target_accuracy"
MASKED = "hardware: resnet20/16x16/half_channels/{}/x_masked"
STREAMS = "corrupted digits, five corruptions"

IDEAS = [
    Idea("3.01", "a table of fields: problem, motivation, idea, demand on the hardware, maturity"),
    Idea(
        "3.02",
        "the same may hold for RRAM and processing in memory",
        "",
        undone("weights with device noise are not built"),
    ),
    Idea("3.03", "training there may correct the device"),
    Idea("3.04", "some faults of a device may be ignored"),
    Idea(
        "3.05",
        "training on the device gains over pretraining and deploying",
        "lbt/adapt",
        above(
            minus(GAIN.format(""), GAIN.format("/source_only")),
            0.0,
            "the deployed network gains {0:.1f} points from an `int8` mean teacher on optdigits→mnist",
        ),
        ADAPTATION,
        DIGITS,
    ),
    Idea(
        "3.06",
        "it gains over simpler means that train nothing",
        "lbt/adapt/methods/adabn.py",
        above(
            minus(GAIN.format(""), GAIN.format("/adabn")),
            0.0,
            "the `int8` mean teacher is {0:.1f} points above statistics of the target alone (AdaBN, which gains "
            "{1:.1f})",
            minus(GAIN.format("/adabn"), GAIN.format("/source_only")),
        ),
        ADAPTATION,
        DIGITS,
    ),
    Idea(
        "3.07",
        "it gains over adapting on a server and sending",
        "",
        undone("energy and bytes of sending were not counted"),
    ),
    Idea(
        "3.08",
        "data take more room than parameters",
        "lbt/adapt/memory.py",
        bars(
            row("adaptation: fp32/optdigits-mnist/images_over_weights"),
            1.0,
            1.0,
            "images take {0:.0f} times the bytes of the float32 weights",
        ),
        ADAPTATION,
        "`digit_cnn`, optdigits→mnist",
    ),
    Idea(
        "3.09",
        "labels come from nowhere: learning without",
        "lbt/adapt/methods/shot.py",
        above(
            row(CLOSED.format("optdigits-mnist/shot")),
            50.0,
            "SHOT in `int8`, without a label or a source image, closes {0:.0f} % of the gap on optdigits→mnist and "
            "{1:.0f} % on mnist→mnistm",
            row(CLOSED.format("mnist-mnistm/shot")),
        ),
        ADAPTATION,
        DIGITS,
    ),
    Idea(
        "3.10",
        "labels come from the user, a few",
        "lbt/adapt/methods/few_label.py",
        above(
            minus(GAIN.format("/few_label"), GAIN.format("/source_only")),
            0.0,
            "fifty labels gain {0:.1f} points in `int8`; points per label were measured at one count only",
        ),
        ADAPTATION,
        DIGITS,
    ),
    Idea("3.11", "labels come from questions, corrections and weak signals"),
    Idea(
        "3.12",
        "plain training on the edge",
        "lbt/edge/methods/supervised.py",
        no_worse(
            negated("edge: tta/continual/supervised/int8/minus_fp32"),
            1.0,
            "`int8` answers {0:+.1f} points better than float32 when every label is learnt online",
        ),
        EDGE,
        STREAMS,
    ),
    Idea("3.13", "sparse training on the edge", "lbt/hardware/masks.py", undone("masks are costed, and not trained")),
    Idea(
        "3.14",
        "finetuning only certain layers",
        "lbt/adapt/methods/tent.py",
        reported(
            "training the norms alone (Tent) closes {0:.0f} % of the gap on optdigits→mnist where all layers (SHOT) "
            "close {1:.0f} %; other choices of layers were not run",
            row(CLOSED.format("optdigits-mnist/tent")),
            row(CLOSED.format("optdigits-mnist/shot")),
        ),
        ADAPTATION,
        DIGITS,
    ),
    Idea("3.15", "user and domain adaptation are transfer to a relatively small problem"),
    Idea(
        "3.16",
        "unlabelled data add to a few labels",
        "lbt/adapt/methods/fixmatch.py",
        above(
            minus(GAIN.format("/fixmatch"), GAIN.format("/few_label")),
            0.0,
            "FixMatch is {0:+.1f} points above its labels alone on optdigits→mnist in `int8`, {1:+.1f} on mnist→mnistm",
            minus(
                "adaptation: int8/mnist-mnistm/fixmatch/target_accuracy",
                "adaptation: int8/mnist-mnistm/few_label/target_accuracy",
            ),
        ),
        ADAPTATION,
        DIGITS,
    ),
    Idea("3.17", "incremental learning"),
    Idea(
        "3.18",
        "continual learning",
        "lbt/edge/streams/continual.py",
        reported(
            "through five corruptions a mean teacher in `int8` has {0:.1f} % errors and forgets {1:+.1f} points of "
            "the source; longer streams and new classes were not run",
            row("edge: tta/continual/mean_teacher/int8/error"),
            row("edge: tta/continual/mean_teacher/int8/forgetting"),
            verdict="holds in part",
        ),
        EDGE,
        STREAMS,
    ),
    Idea("3.19", "meta learning"),
    Idea(
        "3.20",
        "one pretrained backbone serves all users",
        "lbt/models/efficientnet_lite0.py",
        undone("the backbone runs through the same code, and has no result"),
    ),
    Idea("3.21", "each user gets a mask", "lbt/hardware/masks.py", undone("masks were not learnt for any user")),
    Idea(
        "3.22",
        "computation shrinks while the device is used",
        "lbt/hardware/instructions.py",
        bars(
            row(MASKED.format("whole_cycles")),
            4.0,
            1.0,
            "with every other channel gone the forward pass takes {0:.2f} times fewer cycles on a 16×16 array, where "
            "its products fall almost 4 times; a training step {1:.2f} times fewer on `zcu102`; no use of a device "
            "was followed",
            row("hardware: resnet20/zcu102/int8/half_channels/whole_training_cycles/x_masked"),
        ),
        HARDWARE,
        "counts, ResNet-20",
    ),
    Idea(
        "3.23",
        "the accelerator is reconfigured by instructions",
        "lbt/hardware/instructions.py",
        bars(
            row(MASKED.format("whole_instructions")),
            1.0,
            1.0,
            "a list of instructions runs masked layers exactly (tests/hardware/test_instructions.py), with {0:.2f} "
            "times fewer instructions for half of the channels",
        ),
        HARDWARE,
        "counts, ResNet-20",
    ),
    Idea("3.24", "personalisation on an accelerator (DAC 2019): local low-bit quantization, computation freezing"),
    Idea("3.25", "bits that follow a measured error while training (arXiv 1911.00361)"),
    Idea(
        "3.26",
        "low bits do as well as float when learning online",
        "lbt/edge",
        no_worse(
            negated("edge: tta/continual/tent/int8/minus_fp32"),
            1.0,
            "`int8` answers {0:+.2f} points better than float32 under Tent on the continual stream, {1:+.2f} on the "
            "mixed and {2:+.2f} on the correlated one",
            negated("edge: tta/mixed/tent/int8/minus_fp32"),
            negated("edge: tta/correlated/tent/int8/minus_fp32"),
        ),
        EDGE,
        STREAMS,
    ),
]
