"""Pictures of an evaluation: calibration, AUC over the horizon, and risk and score over time of some claims."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streams.contract.codes import FALSE
from streams.evaluate import ranking
from streams.evaluate.cascades import HOUR_MS
from streams.evaluate.evaluation import Evaluation
from streams.evaluate.measures import horizon_name

HORIZONS_MS = (HOUR_MS // 6, HOUR_MS // 2, HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS, 24 * HOUR_MS)
CHOSEN = 4  # claims of either label that are drawn over time, evenly over the dates
DOT_MAX = 250.0  # area of the dot of a bin that holds every claim, in points²


def library() -> Any:
    """The drawing library; to be asked for before an evaluation that may take minutes.

    Raises:
        RuntimeError: matplotlib is not installed.
    """
    try:
        import matplotlib  # type: ignore[import-not-found,unused-ignore]

        matplotlib.use("Agg")
        from matplotlib import pyplot  # type: ignore[import-not-found,unused-ignore]
    except ImportError as missing:
        raise RuntimeError(f"--plot needs matplotlib: {sys.executable} -m pip install matplotlib") from missing
    return pyplot


def draw(evaluation: Evaluation, path: Path, calibrated_ms: Sequence[int]) -> None:
    """Write the picture; its format follows the suffix.

    Args:
        calibrated_ms: horizons whose calibration is drawn.

    Raises:
        RuntimeError: matplotlib is not installed.
    """
    pyplot = library()
    figure, ((calibration, ranked), (risk, score)) = pyplot.subplots(2, 2, figsize=(13, 10))
    _calibration(calibration, evaluation, calibrated_ms)
    _ranking(ranked, evaluation)
    _over_time(risk, evaluation, "risk", evaluation.ours.risk)
    _over_time(score, evaluation, "public score", evaluation.ours.score)
    figure.suptitle(f"{evaluation.trial.of.name}: {len(evaluation.trial.claims)} claims")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _calibration(axes: Any, evaluation: Evaluation, horizons_ms: Sequence[int]) -> None:
    """A dot a bin, the larger the more claims it holds: a small dot off the line says little."""
    n = len(evaluation.trial.claims)
    axes.plot([0, 1], [0, 1], color="0.8")
    for name in map(horizon_name, horizons_ms):
        bins = evaluation.report["reliability"][name]
        risk, share = [b["mean_risk"] for b in bins], [b["share_false"] for b in bins]
        (line,) = axes.plot(risk, share, linewidth=1, label=name)
        axes.scatter(risk, share, s=[10 + DOT_MAX * b["n"] / n for b in bins], color=line.get_color())
    axes.set(
        xlabel="risk", ylabel="share of false claims", title="calibration; area of a dot: claims", ylim=(-0.03, 1.03)
    )
    axes.legend()


def _ranking(axes: Any, evaluation: Evaluation) -> None:
    trial, ours = evaluation.trial, evaluation.ours
    false = trial.of.truth[trial.claims] == FALSE
    quarter = ranking.quarters(len(false))
    lines = [(made.name, made.log_odds, 1) for made in evaluation.baselines]
    for name, values, width in (*lines, ("ours (public score)", -ours.score, 2), ("ours (risk)", ours.log_odds, 4)):
        within = [ranking.auc(values[:, i], false, quarter) for i in range(len(ours.horizons_ms))]
        axes.plot(_hours(evaluation), within, "o-", linewidth=width, label=name)
    axes.axhline(0.5, color="0.8")
    axes.set(ylabel="AUC within quarters", title="how well false claims rank above true ones")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    _hour_axis(axes, evaluation)


def _over_time(axes: Any, evaluation: Evaluation, what: str, values: np.ndarray) -> None:
    trial = evaluation.trial
    false = trial.of.truth[trial.claims] == FALSE
    for label, colour in ((True, "tab:red"), (False, "tab:blue")):
        rows = np.flatnonzero(false == label)
        chosen = rows[np.linspace(0, len(rows) - 1, min(CHOSEN, len(rows))).astype(int)]
        for row, style in zip(chosen.tolist(), ("-", "--", "-.", ":"), strict=False):
            claim = trial.of.claim_ids[trial.claims[row]]
            axes.plot(_hours(evaluation), values[row], style, color=colour, label=claim[:24])
    axes.set(ylabel=what, title=f"{what} of some false (red) and true (blue) claims", ylim=(-0.03, 1.03))
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    _hour_axis(axes, evaluation)


def _hours(evaluation: Evaluation) -> list[float]:
    return [h / HOUR_MS for h in evaluation.ours.horizons_ms]


def _hour_axis(axes: Any, evaluation: Evaluation) -> None:
    axes.set_xscale("log")
    axes.set_xticks(_hours(evaluation), [horizon_name(h) for h in evaluation.ours.horizons_ms])
    axes.minorticks_off()
    axes.set_xlabel("after the first event")
