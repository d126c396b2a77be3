"""The ten baselines that ours is measured against, on the same events with the same verdicts."""

from __future__ import annotations

from collections.abc import Callable

from ..cascades import CascadeSet
from ..protocol import Scorer
from .accucopy import Accucopy
from .counts import Majority, RecentVerdictRate, SignedBetaNaiveBayes, Size, UserHistory
from .dawid_skene import DawidSkene
from .truth_discovery import Catd, Crh, TruthFinder

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
