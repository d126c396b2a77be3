"""Census: what a partition's state holds now, counted for those who watch. It changes nothing and is in no log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Census:
    """Counts of one partition.

    Attributes:
        open_claims: claims with posts and without a verdict.
        rising: open claims by band of the events expected within a day (`claims.rising`).
        standing: flags that stand, by rule.
        switches: whether flags are paused, whether killed, by the parameters in force: 0 or 1.
        learned: what verdicts have taught, by parameter; "recent_false" is the share of false among the latest.
    """

    open_claims: int = 0
    rising: tuple[int, ...] = ()
    standing: Counter[str] = field(default_factory=Counter)
    switches: dict[str, float] = field(default_factory=dict)
    learned: dict[str, float] = field(default_factory=dict)
