"""How often flags are right, by verdicts and by people's decisions: together, by rule, by community and by week.

    right by verdict: the claim was found false; wrong: it was found true. Mixed and open claims judge nothing
    right by decision: confirmed; wrong: dismissed. A duplicate judges nothing; of several decisions the newest counts
    precision = right/(right + wrong), with Wilson's 90 % interval; no figure where nothing is judged

The two differ: people decide on what they look at, which is the top of the queue. Failure modes: a flag that nobody
ruled or decided on is not counted as right or wrong, so that figures hold for what is judged and for nothing else.

Source: E. B. Wilson, JASA 22 (1927), for the interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Z = 1.645
_RIGHT = {"false": True, "true": False, "confirmed": True, "dismissed": False}


@dataclass(frozen=True, slots=True)
class JudgedFlag:
    """A flag when it was raised, and how its claim and itself were judged since; None where they were not."""

    rule_id: str
    community: str | None
    event_time_ms: int
    verdict: str | None
    decision: str | None


@dataclass
class Tally:
    """Counts of a group of flags."""

    flags: int = 0
    judged: dict[str, list[int]] = field(default_factory=lambda: {"verdicts": [0, 0], "decisions": [0, 0]})

    def add(self, flag: JudgedFlag) -> None:
        """Count a flag."""
        self.flags += 1
        for by, word in (("verdicts", flag.verdict), ("decisions", flag.decision)):
            if (right := _RIGHT.get(word or "")) is not None:
                self.judged[by][not right] += 1

    def told(self) -> dict[str, Any]:
        """The counts, and the precision with its interval."""
        return {"flags": self.flags} | {f"by_{by}": precision(*counts) for by, counts in self.judged.items()}


def precision(right: int, wrong: int) -> dict[str, Any]:
    """Share of right ones among the judged, with Wilson's 90 % interval; None where nothing is judged.

    >>> precision(3, 1)["precision"], precision(0, 0)["precision"]
    (0.75, None)
    """
    n = right + wrong
    if not n:
        return {"right": 0, "wrong": 0, "precision": None, "low": None, "high": None}
    share, z2 = right / n, Z * Z
    middle, half = (
        (share + z2 / (2 * n)) / (1 + z2 / n),
        Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)),
    )
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return {"right": right, "wrong": wrong, "precision": share, "low": round(low, 6), "high": round(high, 6)}


def week_of(ms: int) -> str:
    """ISO 8601 week of a time.

    >>> week_of(1_600_000_000_000)
    '2020-W37'
    """
    year, week, _ = datetime.fromtimestamp(ms / 1000, UTC).isocalendar()
    return f"{year}-W{week:02d}"


def told(flags: Iterable[JudgedFlag]) -> dict[str, Any]:
    """Counts and precision of all flags, and by rule, community (those that name one) and week of the event."""
    everything = Tally()
    groups: dict[str, dict[str, Tally]] = {"by_rule": {}, "by_community": {}, "by_week": {}}
    for flag in flags:
        everything.add(flag)
        keys = (flag.rule_id, flag.community, week_of(flag.event_time_ms))
        for group, key in zip(groups.values(), keys, strict=True):
            if key is not None:
                group.setdefault(key, Tally()).add(flag)
    listed = {
        name: [{name.removeprefix("by_"): key, **group[key].told()} for key in sorted(group)]
        for name, group in groups.items()
    }
    return everything.told() | listed
