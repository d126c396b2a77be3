"""The ten baselines that ours is measured against, on the same events with the same verdicts."""

from __future__ import annotations

from collections.abc import Callable

from streams.evaluate.baselines.accucopy import Accucopy
from streams.evaluate.baselines.counts import Majority, RecentVerdictRate, SignedBetaNaiveBayes, Size, UserHistory
from streams.evaluate.baselines.dawid_skene import DawidSkene
from streams.evaluate.baselines.truth_discovery import Catd, Crh, TruthFinder
from streams.evaluate.cascades import CascadeSet
from streams.evaluate.protocol import Scorer

BASELINES: dict[str, Callable[[CascadeSet], Scorer]] = {
    baseline.name: baseline
    for baseline in (
        Majority,
        DawidSkene,
        TruthFinder,
        Crh,
        Catd,
        Accucopy,
        SignedBetaNaiveBayes,
        UserHistory,
        RecentVerdictRate,
        Size,
    )
}
