"""Part 4 of the notes: GATES."""

from . import Idea
from .judge import above, bars, helps, minus, property_of, row

PREDICTORS, SEARCH = "python benchmarks/predictors.py", "python benchmarks/search.py"
CELLS = "NAS-Bench-201, 78 labels"
TAU = "predictors: {}/78/kendall_tau"
FLOW = "python benchmarks/claims.py --only flow"
GUIDED = "python benchmarks/claims.py --only guided"
PROPERTY = "claims: claim/10/isomorphic/{}/apart"
EQUAL = "claims: claim/10/{}"
SEARCHED = "claims: claim/11/{}"

IDEAS = [
    Idea(
        "4.01",
        "a better predictor makes the search better",
        "lbt/nas/search/strategies/predictor.py",
        above(
            row(SEARCHED.format("agreement")),
            0.0,
            "of three predictors the one with the larger tau has the smaller regret: agreement {0:+.2f} (1: in all "
            "pairs, −1: in none); taus {1:.3f}, {2:.3f} and {3:.3f} of a Gaussian process, GATES and an MLP, mean "
            "regrets {4:.2f}, {5:.2f} and {6:.2f} points",
            *(row(SEARCHED.format(f"{name}/kendall_tau")) for name in ("paths_gp", "gates", "mlp")),
            *(row(SEARCHED.format(f"{name}/mean_regret")) for name in ("paths_gp", "gates", "mlp")),
        ),
        GUIDED,
        "NAS-Bench-201, 80 evaluations",
    ),
    Idea(
        "4.02",
        "searching and evaluation are two modules; the controller samples with the predictor",
        "lbt/nas/search/run.py",
        property_of("every strategy asks a function that evaluates rows, whichever it is"),
        "pytest tests/nas/search/test_search.py",
        "NAS-Bench-201",
    ),
    Idea(
        "4.03",
        "shared weights make an evaluation faster",
        "lbt/nas/supernet",
        bars(
            row("claims: claim/13/shared/times_fewer"),
            10.0,
            2.0,
            "counted: an architecture takes {0:.0f} times fewer passes of an image where 1,000 share weights that are "
            "trained once ({1:,.0f}) than where each is trained alone as long ({2:,.0f}); how good the two orders are "
            "is another claim",
            row("claims: claim/13/shared/passes"),
            row("claims: claim/13/alone/passes"),
        ),
        "python benchmarks/claims.py --only sharing",
        "default parameters of the supernet",
    ),
    Idea(
        "4.04",
        "predictors make the search more sample-efficient",
        "lbt/nas/search/strategies/predictor.py",
        above(
            minus("predictors_search: random/50/regret", "predictors_search: predictor/50/regret"),
            0.0,
            "after 50 evaluations the predictor's search is {0:.2f} points of accuracy ahead of random choice, after "
            "100 {1:.2f} ahead of evolution",
            minus("predictors_search: evolution/100/regret", "predictors_search: predictor/100/regret"),
        ),
        SEARCH,
        "NAS-Bench-201",
    ),
    Idea(
        "4.05",
        "sequence encodings are worse",
        "lbt/nas/predictors/encoders/lstm.py",
        above(
            minus(TAU.format("gates"), TAU.format("lstm")),
            0.0,
            "GATES is {0:.3f} in Kendall's tau above an LSTM over the operations ({1:.3f}, {2:.3f})",
            row(TAU.format("gates")),
            row(TAU.format("lstm")),
        ),
        PREDICTORS,
        CELLS,
    ),
    Idea(
        "4.06",
        "a plain GCN, edges as affinity, is worse",
        "lbt/nas/predictors/encoders/gcn.py",
        above(
            minus(TAU.format("gates"), TAU.format("gcn")),
            0.0,
            "GATES is {0:.3f} above a bidirectional GCN ({1:.3f}); the two differ in more than what an edge means",
            row(TAU.format("gcn")),
        ),
        PREDICTORS,
        CELLS,
    ),
    Idea(
        "4.07",
        "an encoding that follows information flow orders best",
        "lbt/nas/predictors/encoders/gates.py",
        helps(
            minus(TAU.format("gates"), TAU.format("paths_gp")),
            0.01,
            "{0:+.3f} from a Gaussian process on path features ({1:.3f}); of the networks GATES has {2:.3f}, TA-GATES "
            "{3:.3f}, FLAN {4:.3f}, a GCN {5:.3f}, an LSTM {6:.3f}",
            *(row(TAU.format(name)) for name in ("paths_gp", "gates", "ta_gates", "flan", "gcn", "lstm")),
        ),
        PREDICTORS,
        CELLS,
    ),
    Idea(
        "4.08",
        "each operation masks the information",
        "lbt/nas/predictors/encoders/gates.py",
        above(
            row(EQUAL.format("masks minus affinity, output node")),
            0.0,
            "masks on flowing information are {0:+.3f} in Kendall's tau from operations as attributes of near nodes, "
            "{1:+.3f} from operations added to the flow, all else equal ({2:.3f}, {3:.3f}, {4:.3f})",
            row(EQUAL.format("masks minus added, output node")),
            *(row(EQUAL.format(f"{flow}, output node/kendall_tau")) for flow in ("masks", "affinity", "added")),
        ),
        FLOW,
        CELLS,
    ),
    Idea(
        "4.09",
        "isomorphic graphs get equal embeddings",
        "lbt/nas/predictors/encoders/gates.py",
        property_of("renumbered cells of three spaces have equal embeddings, operations on edges and on nodes"),
        "pytest tests/nas/predictors/test_cells.py",
        "three spaces",
    ),
    Idea(
        "4.10",
        "concatenated node embeddings lack this property",
        "benchmarks/claims/flow.py",
        above(
            row(PROPERTY.format("affinity, concatenated")),
            0.5,
            "of {1:.0f} pairs of isomorphic cells a share of {0:.2f} gets two embeddings where nodes are concatenated, "
            "{2:.2f} where the output node is read, {3:.2f} in GATES; reading the output node in place of all is "
            "{4:+.3f} in Kendall's tau",
            row(PROPERTY.replace("{}/apart", "pairs")),
            row(PROPERTY.format("affinity, output node")),
            row(PROPERTY.format("gates")),
            row(EQUAL.format("affinity, output node minus concatenated")),
        ),
        FLOW,
        CELLS,
    ),
    Idea(
        "4.11",
        "GATES inside the search",
        "lbt/nas/search/strategies/predictor.py",
        above(
            row(SEARCHED.format("random minus gates/mean_regret")),
            0.0,
            "regret over evaluations 21 to 80 is {0:.2f} points smaller than at random when GATES guides the search, "
            "{1:.2f} when the Gaussian process does; after 80 evaluations {2:.2f}, {3:.2f} and {4:.2f}",
            row(SEARCHED.format("random minus paths_gp/mean_regret")),
            *(row(SEARCHED.format(f"{name}/regret/80")) for name in ("gates", "paths_gp", "random")),
        ),
        GUIDED,
        "NAS-Bench-201, 80 evaluations",
    ),
]
