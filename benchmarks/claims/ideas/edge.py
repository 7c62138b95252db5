"""Part 3 of the notes: online learning on the edge."""

from . import Idea
from .accelerator import CLOSED, DIGITS, EDGE
from .adaptation import ADAPTATION, CLAIMS, HARDWARE
from .judge import above, bars, in_part, minus, negated, no_worse, property_of, reported, row

GAIN = "adaptation: int8/optdigits-mnist{}/target_accuracy"
MASKED = "hardware: resnet20/16x16/half_channels/{}/x_masked"
STREAMS = "corrupted digits, five corruptions"
SERVER = "claims: claim/12/{}"
USERS, MADE = "python benchmarks/users.py", "fonts and styles of writing"
PACKAGE = "users: users/{}/package/int8/{}"
INCREMENTAL = "incremental: incremental/{}"
DEVICE = "claims: claim/16/{}"
PARTS, TUNED = "claims: claim/15/{}", "plain digits, then digits over photos, 120 steps"

IDEAS = [
    Idea(
        "3.01",
        "a table of fields: problem, motivation, idea, demand on the hardware, maturity",
        "benchmarks/claims/_fields.py",
        property_of("eleven fields have a line each, below this part's ideas; maturity is counted from their verdicts"),
        "pytest tests/benchmarks/test_claims.py",
        "this page",
    ),
    Idea(
        "3.02",
        "the same may hold for RRAM and processing in memory",
        "benchmarks/claims/device.py",
        no_worse(
            row(DEVICE.format("adapt/devices/minus_digital")),
            2.0,
            "a network whose weights sit in 16-level devices with the programming noise of phase-change memory is "
            "{0:+.1f} points from the digital `int8` one after learning digits over photos ({1:.1f} %); simulated, "
            "without read noise, wear and converters",
            row(DEVICE.format("adapt/digital/accuracy")),
        ),
        CLAIMS.format("device"),
        TUNED,
    ),
    Idea(
        "3.03",
        "training there may correct the device",
        "benchmarks/claims/device.py",
        above(
            row(DEVICE.format("drift/trained/share_regained")),
            50.0,
            "after a year of drift ({1:.1f} % right, {2:.1f} % when programmed) 60 steps on 500 labelled images regain "
            "{0:.0f} % of the loss; one factor a tensor regains {3:.0f} %, statistics of unlabelled images {4:.0f} %: "
            "training is {5:+.1f} points from the better of the two",
            row(DEVICE.format("drift/year/accuracy")),
            row(DEVICE.format("drift/programmed/accuracy")),
            row(DEVICE.format("drift/compensated/share_regained")),
            row(DEVICE.format("drift/statistics/share_regained")),
            row(DEVICE.format("drift/trained minus simpler")),
        ),
        CLAIMS.format("device"),
        "plain digits, drift of a year",
    ),
    Idea(
        "3.04",
        "some faults of a device may be ignored",
        "benchmarks/claims/device.py",
        no_worse(
            row(DEVICE.format("faults/zero/1/minus_zero/0")),
            1.0,
            "1 % of the devices stuck at zero change {0:+.1f} points, 5 % {1:+.1f}, 20 % {2:+.1f}; stuck at the "
            "largest value {3:+.1f}, {4:+.1f} and {5:+.1f}, after 60 steps of training {6:+.1f}, {7:+.1f} and {8:+.1f}",
            *(row(DEVICE.format(f"faults/zero/{share}/minus_zero/0")) for share in (5, 20)),
            *(row(DEVICE.format(f"faults/largest/{share}/minus_zero/0")) for share in (1, 5, 20)),
            *(row(DEVICE.format(f"faults/largest/{share}/trained/minus_zero/0")) for share in (1, 5, 20)),
        ),
        CLAIMS.format("device"),
        "plain digits, stuck devices",
    ),
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
        "benchmarks/claims/server.py",
        bars(
            row(SERVER.format("server, Wi-Fi, PNG/joules_x_device")),
            1.0,
            0.5,
            "sending the target's images as PNG over Wi-Fi and receiving the network takes {0:.2f} times the joules of "
            "an `int8` mean teacher on the device ({1:.2f} J, {2:.1f} s), raw {3:.2f} times, over HSDPA as PNG {4:.1f} "
            "times; {5:.0f} images leave the device or none; training there costs {6:+.1f} points against float32",
            row(SERVER.format("device, int8/joules")),
            row(SERVER.format("device, int8/seconds")),
            row(SERVER.format("server, Wi-Fi, raw/joules_x_device")),
            row(SERVER.format("server, HSDPA, PNG/joules_x_device")),
            row(SERVER.format("server, Wi-Fi, PNG/images")),
            row("adaptation: int8/optdigits-mnist/minus_fp32"),
        ),
        CLAIMS.format("server"),
        "`digit_cnn`, optdigits→mnist",
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
    Idea(
        "3.11",
        "labels come from questions, corrections and weak signals",
        "benchmarks/claims/labels.py",
        above(
            row("claims: claim/17/weakest/minus_none"),
            0.0,
            "in `int8` 50 questions on the least certain images gain {1:+.1f} points over no label, 50 corrections "
            '{2:+.1f}, 250 times "right" or "wrong" {3:+.1f}, labels of 50 random images {4:+.1f}; judged by the '
            "smallest of the first three, {0:+.1f}",
            *(row(f"claims: claim/17/{name}/minus_none") for name in ("asked", "corrections", "weak", "random")),
        ),
        CLAIMS.format("labels"),
        "plain digits, then 1,000 digits over photos",
    ),
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
    Idea(
        "3.13",
        "sparse training on the edge",
        "benchmarks/claims/parts.py",
        no_worse(
            row(PARTS.format("sparse 10/minus_all")),
            2.0,
            "training the tenth of the weights whose first gradient is largest is {0:+.1f} points from all of them in "
            "`int8`, a random tenth {1:+.1f}, a hundredth {2:+.1f}; half of the operations under a user's mask were "
            "{3:+.1f} from the whole float32 network on fonts",
            row(PARTS.format("random 10/minus_all")),
            row(PARTS.format("sparse 1/minus_all")),
            row(PACKAGE.format("fonts", "minus_full")),
        ),
        f"{CLAIMS.format('parts')}; {USERS}",
        TUNED,
    ),
    Idea(
        "3.14",
        "finetuning only certain layers",
        "benchmarks/claims/parts.py",
        no_worse(
            row(PARTS.format("chosen/minus_all")),
            2.0,
            "the layers with most Fisher information within half of the backward operations are {0:+.1f} points from "
            "all, the last two {1:+.1f}, the first {2:+.1f}, the norms alone {3:+.1f}, the classifier alone {4:+.1f}; "
            "without labels Tent's norms close {5:.0f} % of the gap on optdigits→mnist, all layers (SHOT) {6:.0f} %",
            *(row(PARTS.format(f"{name}/minus_all")) for name in ("last", "first", "norms", "classifier")),
            row(CLOSED.format("optdigits-mnist/tent")),
            row(CLOSED.format("optdigits-mnist/shot")),
        ),
        f"{CLAIMS.format('parts')}; {ADAPTATION}",
        TUNED,
    ),
    Idea(
        "3.15",
        "user and domain adaptation are transfer to a relatively small problem",
        "benchmarks/claims/parts.py",
        above(
            row(PARTS.format("350 directions/share_of_gain")),
            80.0,
            "training in 350 random directions of 35 k gives {0:.0f} % of what all weights gain from the pretrained "
            "network ({1:+.1f} points); from scratch as many directions are {2:+.1f} points from all weights; small "
            "would be four fifths of the gain",
            row(PARTS.format("350 directions/minus_all")),
            row(PARTS.format("scratch, directions minus all")),
        ),
        CLAIMS.format("parts"),
        TUNED,
    ),
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
    Idea(
        "3.17",
        "incremental learning",
        "lbt/edge/incremental",
        above(
            minus(
                INCREMENTAL.format("classes/replay/int8/accuracy"), INCREMENTAL.format("classes/finetune/int8/accuracy")
            ),
            0.0,
            "32 kB of remembered images bring {0:+.1f} points over learning each task alone, five tasks of two classes "
            "in `int8` ({1:.1f} %); 8-bit latents of as many bytes {2:+.1f}; from float32 {3:+.1f} and {4:+.1f}; three "
            "domains {5:+.1f}",
            row(INCREMENTAL.format("classes/replay/int8/accuracy")),
            minus(
                INCREMENTAL.format("classes/latent_replay/int8/accuracy"),
                INCREMENTAL.format("classes/finetune/int8/accuracy"),
            ),
            row(INCREMENTAL.format("classes/replay/int8/minus_fp32")),
            row(INCREMENTAL.format("classes/latent_replay/int8/minus_fp32")),
            minus(
                INCREMENTAL.format("domains/replay/int8/accuracy"), INCREMENTAL.format("domains/finetune/int8/accuracy")
            ),
        ),
        "python benchmarks/incremental.py",
        "MNIST in five tasks",
    ),
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
        "lbt/edge/users/package.py",
        above(
            minus(PACKAGE.format("styles", "accuracy"), "users: users/styles/source/int8/accuracy"),
            0.0,
            "a package of {1:.3f} of the backbone's bytes brings a user {0:+.1f} points over the shared backbone alone "
            "on styles, {2:+.1f} on fonts; the ImageNet backbone has no result here",
            row("users: package/styles/share_of_backbone"),
            minus(PACKAGE.format("fonts", "accuracy"), "users: users/fonts/source/int8/accuracy"),
        ),
        USERS,
        MADE,
    ),
    Idea(
        "3.21",
        "each user gets a mask",
        "lbt/edge/users/masks",
        no_worse(
            row(PACKAGE.format("fonts", "minus_full")),
            2.0,
            "a network with a mask of the user's own, {1:.2f} of the operations, is {0:+.1f} points from the whole one "
            "fine-tuned in float32 on fonts, {2:+.1f} on styles; without masks {3:+.1f} on fonts",
            row("users: package/fonts/operations"),
            row(PACKAGE.format("styles", "minus_full")),
            row("users: users/fonts/no masks/int8/minus_full"),
        ),
        USERS,
        MADE,
    ),
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
    Idea(
        "3.24",
        "personalisation on an accelerator (DAC 2019): local low-bit quantization, computation freezing",
        "benchmarks/claims/parts.py",
        in_part(
            no_worse(
                row(PARTS.format("freezing to 4 bits/minus_all")),
                1.0,
                "layers that freeze from the front while training goes on, and have 4 bits from then on, are {0:+.1f} "
                "points from training all in 8 bits, with {1:.2f} of the operations; frozen in 8 bits {2:+.1f}; read "
                "from the paper's abstract, its own rules are not known",
                row(PARTS.format("freezing to 4 bits/operations")),
                row(PARTS.format("freezing/minus_all")),
            )
        ),
        CLAIMS.format("parts"),
        TUNED,
    ),
    Idea(
        "3.25",
        "bits that follow a measured error while training (arXiv 1911.00361)",
        "benchmarks/claims/following.py",
        no_worse(
            row("claims: claim/18/following/minus_8"),
            1.0,
            "errors whose bits follow their measured rounding have {1:.1f} bits on average and are {0:+.1f} points "
            "from 8 bits, {2:+.1f} from 6 and {3:+.1f} from 4; a rule of our own after the paper's abstract",
            row("claims: claim/18/following/bits"),
            row("claims: claim/18/following/minus_6"),
            row("claims: claim/18/following/minus_4"),
        ),
        CLAIMS.format("following"),
        "digits over photos, 300 steps",
    ),
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
