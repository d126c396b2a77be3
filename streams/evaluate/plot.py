"""Pictures of an evaluation: calibration, AUC over the horizon, and risk over time of some claims."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streams.evaluate import ranking
from streams.evaluate.cascades import FALSE, HOUR_MS
from streams.evaluate.run import Evaluation

HORIZONS_MS = (HOUR_MS // 6, HOUR_MS // 2, HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS, 24 * HOUR_MS)
CHOSEN = 4  # claims of either label whose risk is drawn over time


def draw(evaluation: Evaluation, path: Path) -> None:
    """Write the picture; its format follows the suffix.

    Raises:
        RuntimeError: matplotlib is not installed.
    """
    try:
        import matplotlib  # type: ignore[import-not-found,unused-ignore]

        matplotlib.use("Agg")
        from matplotlib import pyplot  # type: ignore[import-not-found,unused-ignore]
    except ImportError as missing:
        raise RuntimeError("--plot needs matplotlib: pip install matplotlib") from missing
    trial, ours = evaluation.trial, evaluation.ours
    false = trial.of.truth[trial.claims] == FALSE
    quarter = ranking.quarters(len(false))
    hours = [h / HOUR_MS for h in ours.horizons_ms]
    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(16, 5))
    left.plot([0, 1], [0, 1], color="0.8")
    for name, bins in evaluation.report["reliability"].items():
        left.plot([b["mean_risk"] for b in bins], [b["share_false"] for b in bins], "o-", label=name)
    left.set(xlabel="risk", ylabel="share of false claims", title="calibration")
    left.legend()
    for made in [*evaluation.baselines, ours]:
        within = [ranking.auc(made.log_odds[:, i], false, quarter) for i in range(len(hours))]
        middle.plot(hours, within, "o-", linewidth=3 if made is ours else 1, label=made.name)
    middle.set(xlabel="hours after the first event", ylabel="AUC within quarters", title="ranking", xscale="log")
    middle.legend(fontsize=7)
    for label, colour in ((True, "tab:red"), (False, "tab:blue")):
        rows = np.flatnonzero(false == label)
        for row in rows[np.linspace(0, len(rows) - 1, min(CHOSEN, len(rows))).astype(int)].tolist():
            right.plot(hours, ours.risk[row], color=colour, alpha=0.7)
    right.set(
        xlabel="hours after the first event",
        ylabel="risk",
        title="some false (red) and true (blue) claims",
        ylim=(0, 1),
    )
    right.set_xscale("log")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
