"""Part 5 of the notes: SemiNAS."""

from . import Idea
from .gates import PREDICTORS, SEARCH
from .judge import above, below, helps, in_part, minus, no_worse, pooled, reported, row

FEW = "predictors: {}/78/{}/kendall_tau"
ACTIVE = "predictors: active/{}/{}"
NOISE = "predictors: denoise/1.0/{}/kendall_tau"
CELLS = "NAS-Bench-201, 78 labels"
EMBEDDING = "python benchmarks/claims.py --only embedding"
STAGE = "claims: claim/9/{}"
PROXIES, PROXY = "python benchmarks/claims.py --only proxies", "claims: claim/21/{}"
TRAINED = "digits over photos at 16×16, 100 steps"
REWARD = "predictors_search: reward/{}/{}/{}/regret"
BOTH = [(REWARD.format(fine, noise, "without"), REWARD.format(fine, noise, "with"))
        for fine in ("nwot", "analog") for noise in ("0.3", "1.0", "3.0")]  # fmt: skip

IDEAS = [
    Idea(
        "5.01",
        "the many unlabelled architectures can be used",
        "benchmarks/claims/embedding.py",
        helps(
            row(STAGE.format("reconstruction minus none/tuned/hinge")),
            0.01,
            "GATES that has learnt to reconstruct all cells, then fine-tuned, is {0:+.3f} from GATES on its labels "
            "alone ({1:.3f}); with a decoder beside the labels on 1,000 cells {2:+.3f} (two seeds); one setting of "
            "each, not searched",
            row(STAGE.format("none/tuned/hinge")),
            minus(FEW.format("reconstruction", "reconstruction"), FEW.format("reconstruction", "labels")),
        ),
        f"{EMBEDDING}; {PREDICTORS}",
        CELLS,
    ),
    Idea(
        "5.02",
        "semi-supervision makes sense for graphs, regression and ranking",
        "benchmarks/claims/embedding.py",
        helps(
            row(STAGE.format("reconstruction minus none/tuned/mse")),
            0.01,
            "a first stage of reconstruction is {0:+.3f} in Kendall's tau under a squared error (regression), {1:+.3f} "
            "under a ranking loss; judged by the former, in one setting",
            row(STAGE.format("reconstruction minus none/tuned/hinge")),
        ),
        EMBEDDING,
        CELLS,
    ),
    Idea(
        "5.03",
        "it improves the embedding space",
        "benchmarks/claims/embedding.py",
        helps(
            row(STAGE.format("reconstruction minus none/probe/78")),
            0.01,
            "a linear probe of the frozen embedding is {0:+.3f} in Kendall's tau from one of the random encoder's "
            "({1:.3f}) with 78 labels, {2:+.3f} with 3,906; the ten nearest neighbours' mean is {3:+.3f} ({4:.3f}); "
            "one setting of reconstruction, judged by 78 labels",
            row(STAGE.format("none/probe/78")),
            row(STAGE.format("reconstruction minus none/probe/3906")),
            row(STAGE.format("reconstruction minus none/neighbours")),
            row(STAGE.format("none/neighbours")),
        ),
        EMBEDDING,
        CELLS,
    ),
    Idea(
        "5.04",
        "or it is only a training trick",
        "benchmarks/claims/embedding.py",
        helps(
            row(STAGE.format("shuffled minus none/tuned/hinge")),
            0.01,
            "a first stage on targets exchanged at random, which can teach nothing about a cell, is {0:+.3f} in "
            "Kendall's tau from none; reconstructing the cells themselves is {1:+.3f} from that",
            row(STAGE.format("reconstruction minus shuffled/tuned/hinge")),
        ),
        EMBEDDING,
        CELLS,
    ),
    Idea(
        "5.05",
        "a momentum encoder helps a multi-stage GATES",
        "benchmarks/few_labels/contrast.py",
        helps(
            row(STAGE.format("contrast minus none/tuned/hinge")),
            0.01,
            "a first stage of momentum contrast on all cells, then the labels: {0:+.3f} in Kendall's tau from the "
            "labels alone, its neighbourhoods {1:+.3f}; beside the labels in one stage {2:+.3f} (two seeds); one "
            "setting of each, and stages with labels that grow were not run",
            row(STAGE.format("contrast minus none/neighbours")),
            minus(FEW.format("contrast", "contrast"), FEW.format("contrast", "labels")),
        ),
        f"{EMBEDDING}; {PREDICTORS}",
        CELLS,
    ),
    Idea(
        "5.06",
        "evaluating the hard samples orders the space better",
        "benchmarks/few_labels/active.py",
        helps(
            minus(ACTIVE.format("uncertain", "120/kendall_tau"), ACTIVE.format("random", "120/kendall_tau")),
            0.01,
            "choosing by uncertainty is {0:+.3f} in Kendall's tau from random choice at 120 labels; the most "
            "different cells {1:+.3f} at 40",
            minus(ACTIVE.format("diverse", "40/kendall_tau"), ACTIVE.format("random", "40/kendall_tau")),
        ),
        PREDICTORS,
        "NAS-Bench-201, 20 to 120 labels",
    ),
    Idea(
        "5.07",
        "active learning finds good architectures sooner",
        "benchmarks/few_labels/active.py",
        above(
            minus("predictors_search: random/50/regret", "predictors_search: predictor/50/regret"),
            0.0,
            "a search that evaluates what its predictor expects to improve is {0:.2f} points of accuracy ahead of "
            "random choice after 50 evaluations; with expected improvement from 20 labels the regret at 80 is {1:.2f} "
            "against {2:.2f}",
            row(ACTIVE.format("improvement", "80/regret")),
            row(ACTIVE.format("random", "80/regret")),
        ),
        f"{SEARCH}; {PREDICTORS}",
        "NAS-Bench-201",
    ),
    Idea(
        "5.08",
        "architectures can be ranked with part of the data's labels",
        "benchmarks/claims/proxies.py",
        above(
            row(PROXY.format("part/tau")),
            0.5,
            "a tenth of the labels ranks twelve small cells with a tau of {0:.2f}; a second training on all labels "
            "with {1:.2f} from the first",
            row(PROXY.format("repeat/tau")),
        ),
        PROXIES,
        TRAINED,
    ),
    Idea(
        "5.09",
        "architectures can be ranked by self-supervised objectives",
        "benchmarks/claims/proxies.py",
        above(
            row(PROXY.format("self/tau")),
            0.5,
            "naming by how many quarters an image is turned ranks twelve small cells with a tau of {0:.2f}, {1:.2f} "
            "below that of a second training on all labels",
            row(PROXY.format("repeat minus self/tau")),
        ),
        PROXIES,
        TRAINED,
    ),
    Idea(
        "5.10",
        "search early, while data grow, and train later",
        "benchmarks/claims/proxies.py",
        no_worse(
            row(PROXY.format("early/minus_late")),
            1.0,
            "the cell that is best with a tenth of the labels, trained on all of them, is {0:+.1f} points from the one "
            "that is best with all",
        ),
        PROXIES,
        TRAINED,
    ),
    Idea(
        "5.11",
        "training tricks may help but not serve as the measure",
        "benchmarks/claims/proxies.py",
        above(
            row(PROXY.format("repeat minus tricks/tau")),
            0.0,
            "shifted images and smoothed labels change the accuracy by {1:+.1f} points on average; the order with them "
            "has a tau of {2:.2f} with that without, {0:+.2f} less than a repetition without",
            row(PROXY.format("tricks/gain")),
            row(PROXY.format("tricks/tau")),
        ),
        PROXIES,
        TRAINED,
    ),
    Idea(
        "5.12",
        "the correlation of evaluations is already low",
        "lbt/nas/supernet",
        below(
            row("predictors: one_shot/score/kendall_tau"),
            0.5,
            "one-shot scores of the project's supernet have a tau of {0:.2f} with stand-alone accuracy; low would be "
            "below 0.5",
        ),
        PREDICTORS,
        "2,000 cells, MNIST against CIFAR-10",
    ),
    Idea(
        "5.13",
        "some more loss of it can be tolerated",
        "benchmarks/few_labels/denoise.py",
        above(
            minus(NOISE.format("fused"), NOISE.format("alone")),
            0.0,
            "with noise as large as the signal 390 scores still add {0:+.3f} to 20 true values ({1:.3f}); with noise "
            "of four times the signal {2:+.3f}",
            row(NOISE.format("alone")),
            minus("predictors: denoise/4.0/fused/kendall_tau", "predictors: denoise/4.0/alone/kendall_tau"),
        ),
        PREDICTORS,
        "NAS-Bench-201, made-up noise",
    ),
    Idea(
        "5.14",
        "a classifier's head can be replaced by a ranking",
        "lbt/nas/predictors/losses.py",
        in_part(
            above(
                row(STAGE.format("none/hinge minus mse")),
                0.0,
                "GATES with a hinge on pairs is {0:+.3f} in Kendall's tau from one with a squared error ({1:.3f}, "
                "{2:.3f}); a head of classes was not run",
                row(STAGE.format("none/tuned/hinge")),
                row(STAGE.format("none/tuned/mse")),
            ),
        ),
        EMBEDDING,
        CELLS,
    ),
    Idea(
        "5.15",
        "the representation only has to separate ranks",
        "lbt/nas/predictors/losses.py",
        no_worse(
            row(STAGE.format("none/hinge minus mse")),
            0.01,
            "a loss that sees nothing but the order loses nothing: {0:+.3f} from one that sees the accuracies",
        ),
        EMBEDDING,
        CELLS,
    ),
    Idea(
        "5.16",
        "objectives of different resolution go together",
        "lbt/nas/search/reward.py",
        reported(
            "a coarse, a fine objective and a budget make one reward; five budgets reach {0:.3f} of the front's "
            "hypervolume with evolution, {1:.3f} at random; labelled beside unlabelled was not run",
            row("predictors_search: trade_off/evolution/hypervolume"),
            row("predictors_search: trade_off/random/hypervolume"),
            verdict="holds in part",
        ),
        SEARCH,
        "NAS-Bench-201, energy on `zcu102`",
    ),
    Idea(
        "5.17",
        "above a threshold of the coarse objective the fine one is ignored, below it one leans on the fine one",
        "lbt/nas/search/reward.py",
        above(
            pooled(*BOTH),
            0.0,
            "with the rule, evolution ends {0:.2f} points of accuracy ahead of the coarse objective alone (six "
            "settings, noise of 0.3 to 3 points; untrained scores or another device's accuracy as the fine one); at "
            "3 points {1:.2f} with the former, {2:.2f} with the latter",
            minus(*BOTH[2]),
            minus(*BOTH[5]),
        ),
        SEARCH,
        "NAS-Bench-201",
    ),
    Idea(
        "5.18",
        "ranking-based reinforcement learning that widens gaps where the order holds",
        "benchmarks/claims/widening.py",
        helps(
            row("claims: claim/19/value minus widening/regret"),
            0.1,
            "after 200 noisy evaluations a controller that widens gaps between cells whose order holds is {0:+.2f} "
            "points of accuracy from REINFORCE on the accuracy (regrets {1:.2f} and {2:.2f}), REINFORCE on ranks "
            "{3:+.2f}; random choice has a regret of {4:.2f}",
            row("claims: claim/19/widening/regret"),
            row("claims: claim/19/value/regret"),
            row("claims: claim/19/value minus rank/regret"),
            row("claims: claim/19/random/regret"),
        ),
        "python benchmarks/claims.py --only widening",
        "NAS-Bench-201, noise of a point",
    ),
    Idea(
        "5.19",
        "annealing and evolution serve as controllers that are not trained",
        "lbt/nas/search/strategies/annealing.py",
        above(
            minus("predictors_search: random/100/regret", "predictors_search: annealing/100/regret"),
            0.0,
            "after 100 evaluations annealing is {0:.2f} points of accuracy ahead of random choice, evolution {1:.2f}",
            minus("predictors_search: random/100/regret", "predictors_search: evolution/100/regret"),
        ),
        SEARCH,
        "NAS-Bench-201",
    ),
    Idea(
        "5.20",
        "some architectures are good for semi-supervised learning",
        "benchmarks/claims/proxies.py",
        above(
            row(PROXY.format("semi/agreement")),
            0.0,
            "guesses on unlabelled images change the accuracy by {1:+.1f} points on average; which of twelve cells "
            "gain more agrees between two repetitions with a tau of {0:.2f}",
            row(PROXY.format("semi/gain")),
        ),
        PROXIES,
        TRAINED,
    ),
    Idea(
        "5.21",
        "pseudo-labels carry the labelled architectures' knowledge (SemiNAS)",
        "benchmarks/claims/seminas.py",
        helps(
            row("claims: claim/14/round 2/minus_labels"),
            0.01,
            "two rounds of GATES's own predictions on 500 cells are {0:+.3f} in Kendall's tau from the labels alone "
            "({1:.3f}), one round {2:+.3f}; those of a Gaussian process lift it to {3:.3f}, the process's own {4:.3f} "
            "(one seed); the loop's search was not run",
            row("claims: claim/14/round 0/kendall_tau"),
            row("claims: claim/14/round 1/minus_labels"),
            row(FEW.format("pseudo_labels", "process")),
            row(FEW.format("pseudo_labels", "teacher")),
        ),
        f"python benchmarks/claims.py --only seminas; {PREDICTORS}",
        CELLS,
    ),
    Idea(
        "5.22",
        "is it the correlation of inputs, or a more reasonable embedding?",
        "benchmarks/claims/embedding.py",
        helps(
            row(STAGE.format("reconstruction minus none/neighbours")),
            0.01,
            "read as: the embedding. Reconstruction changes what a cell's neighbours tell by {0:+.3f} in Kendall's "
            "tau, a linear probe by {1:+.3f} with 78 labels and {2:+.3f} with 3,906; the random encoder's probe is "
            "already {3:+.3f} from that of the inputs ({4:.3f})",
            row(STAGE.format("reconstruction minus none/probe/78")),
            row(STAGE.format("reconstruction minus none/probe/3906")),
            row(STAGE.format("none minus inputs/probe/78")),
            row(STAGE.format("inputs/probe/78")),
        ),
        EMBEDDING,
        CELLS,
    ),
]
