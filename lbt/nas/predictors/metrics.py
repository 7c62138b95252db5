"""Quality of scores as an order of architectures, and of an uncertainty as a measure of their error."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr
from scipy.stats import kendalltau, norm, rankdata


def kendall_tau(scores: np.ndarray, values: np.ndarray) -> float:
    """Kendall's τ-b, −1…1; 0 when the scores are all equal (τ is undefined then, and nothing is ordered)."""
    tau = kendalltau(scores, values).statistic
    return 0.0 if np.isnan(tau) else float(tau)


def precision_at_k(scores: np.ndarray, values: np.ndarray, share: float) -> float:
    """Share of the top ``share`` by score that is in the top ``share`` by value, 0…1 (the paper's precision@K)."""
    count = max(int(len(scores) * share), 1)
    return len(np.intersect1d(_top(scores, count), _top(values, count))) / count


def n_at_k(scores: np.ndarray, values: np.ndarray, k: int) -> int:
    """Best true rank (1 is the best) among the ``k`` highest scores (the paper's N@K)."""
    ranks = np.empty(len(values), np.int64)
    ranks[_top(values, len(values))] = np.arange(1, len(values) + 1)
    return int(ranks[_top(scores, k)].min())


def calibration_error(mean: np.ndarray, deviation: np.ndarray, values: np.ndarray) -> float:
    """Mean |observed − nominal| coverage of the central intervals of 5, 10, …, 95 %, 0…0.5; 0 is calibrated.

    ``mean`` and ``values`` must have the same unit (Kuleshov et al., ICML 2018).
    """
    level = np.abs(2 * ndtr((values - mean) / np.maximum(deviation, 1e-12)) - 1)
    nominal = np.linspace(0.05, 0.95, 19)
    return float(np.abs((level[:, None] <= nominal).mean(0) - nominal).mean())


def log_likelihood(mean: np.ndarray, deviation: np.ndarray, values: np.ndarray) -> float:
    """Mean Gaussian log-likelihood of ``values``; larger is better."""
    return float(norm.logpdf(values, mean, np.maximum(deviation, 1e-6)).mean())


def error_tau(scores: np.ndarray, deviation: np.ndarray, values: np.ndarray) -> float:
    """Kendall's τ between the deviation and how many ranks the score is off: does it say where it is wrong?"""
    return kendall_tau(deviation, np.abs(rankdata(scores) - rankdata(values)))


def ranking(scores: np.ndarray, values: np.ndarray) -> dict[str, float]:
    """The metrics that every experiment reports, under stable names."""
    return {
        "kendall_tau": kendall_tau(scores, values),
        "precision_at_5%": precision_at_k(scores, values, 0.05),
        "n_at_10": float(n_at_k(scores, values, 10)),
    }


def _top(values: np.ndarray, count: int) -> np.ndarray:
    return np.argsort(-values, kind="stable")[:count]
