"""Part 4 of the notes: GATES."""

from . import Idea
from .judge import above, helps, minus, property_of, row, undone

PREDICTORS, SEARCH = "python benchmarks/predictors.py", "python benchmarks/search.py"
CELLS = "NAS-Bench-201, 78 labels"
TAU = "predictors: {}/78/kendall_tau"

IDEAS = [
    Idea(
        "4.01",
        "a better predictor makes the search better",
        "lbt/nas/search/strategies/predictor.py",
        undone("the search was run with one predictor"),
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
        undone("docs/supernet.md has times of scoring; against training each architecture it was not timed"),
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
        undone("built; masks against affinity with all else equal was not run"),
    ),
    Idea(
        "4.09",
        "isomorphic graphs get equal embeddings",
        "lbt/nas/predictors/encoders/gates.py",
        property_of("renumbered cells of three spaces have equal embeddings, operations on edges and on nodes"),
        "pytest tests/nas/predictors/test_cells.py",
        "three spaces",
    ),
    Idea("4.10", "concatenated node embeddings lack this property"),
    Idea(
        "4.11",
        "GATES inside the search",
        "lbt/nas/search/strategies/predictor.py",
        undone("the search's predictor is the Gaussian process; GATES was not run inside it"),
    ),
]
