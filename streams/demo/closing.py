"""What Credence knew and when: the closing report of a demo, as figures first and as text after.

Only here is a world's hidden truth opened. For a data set without one, the labels of its claims are the truth.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from streams.datasets.dataset import Dataset
from streams.demo.watch import Record, Watch
from streams.evaluate.measures import FLAGS_AFTER, LARGE

HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Truth:
    """What is so: claim id → whether it is true, for those where it is known; the lone source and her claims."""

    true: Mapping[str, bool]
    lone: str = ""
    stories: tuple[str, ...] = ()
    hidden: bool = False

    @classmethod
    def read(cls, directory: Path, data: Dataset) -> Truth:
        """From `world.json` if there is one, else the labels."""
        path = directory / "world.json"
        if not path.exists():
            return cls({c: label == "true" for c, label in data.labels.items() if label in ("true", "false")})
        world = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            {c: claim["truth"] == "true" for c, claim in world["claims"].items()},
            world["lone_source"]["source_id"],
            tuple(world["lone_source"]["claims"]),
            hidden=True,
        )


class Facts:
    """Plain counts over the data set that the report needs: by claim, its events, people and times."""

    def __init__(self, data: Dataset) -> None:
        self.first = data.first_ms()
        claim_of = data.columns["claim_id"]
        self.times: dict[str, list[int]] = {}
        self.people: dict[str, set[str]] = {}
        for claim, source, t in zip(claim_of, data.columns["source_id"], data.t_ms.tolist(), strict=True):
            self.times.setdefault(claim, []).append(t)
            self.people.setdefault(claim, set()).add(source)

    def still_to_come(self, claim_id: str, at_ms: int) -> float:
        """Share of the claim's events that came after the moment."""
        times = self.times[claim_id]
        return sum(t > at_ms for t in times) / len(times)


def flags_report(watch: Watch, truth: Truth, facts: Facts, lag_ms: int) -> dict[str, Any]:
    """How good the flags were; only those raised before the claim's verdict count, if it had one.

    `precision`: share of flagged claims of known truth that are false. `recall_large`: share of the false claims with
    over `LARGE` participants that were flagged. `median_delay_h`: hours from first post to flag, the median over all
    large false cascades; one never flagged counts as infinite (null). The first FLAGS_AFTER of the claims do not count,
    as in `evaluate`. `median_hours`: the same over flagged false claims.
    """
    early = {c: flag for c, flag in watch.raised.items() if flag.at_ms <= facts.first.get(c, 0) + lag_ms}
    known = [c for c in early if c in truth.true]
    hits = [c for c in known if not truth.true[c]]
    told = sorted((c for c in truth.true if c in facts.first), key=facts.first.__getitem__)
    large = [c for c in told if not truth.true[c] and len(facts.people[c]) > LARGE]
    judged = set(told[int(FLAGS_AFTER * len(told)) :])
    hours = {c: (early[c].at_ms - facts.first[c]) / HOUR_MS for c in hits}
    delays = [hours.get(c, float("inf")) for c in large if c in judged]
    middle = median(delays) if delays else float("inf")
    return {
        "raised": len(watch.raised),
        "standing": len(watch.standing),
        "before_verdict": len(early),
        "of_known_truth": len(known),
        "false": len(hits),
        "precision": len(hits) / len(known) if known else None,
        "base_rate": sum(not true for true in truth.true.values()) / max(1, len(truth.true)),
        "large_false": len(large),
        "recall_large": sum(c in hours for c in large) / len(large) if large else None,
        "median_delay_h": None if middle == float("inf") else middle,
        "median_hours": median(hours.values()) if hours else None,
        "median_still_to_come": median(facts.still_to_come(c, early[c].at_ms) for c in hits) if hits else None,
    }


def ranking(watch: Watch, truth: Truth, data: Dataset) -> dict[str, Any]:
    """How well false claims rank above true ones among those that never had a verdict, at the end of the stream.

    `risk`: by risk; `score`: by public corroboration; `majority`: by the share of denials, as a plain count would.
    Each an area under the ROC curve, ties counting half; null where the truth of such claims is not known.
    """
    ids = [c for c, true in truth.true.items() if c in watch.claims and data.labels.get(c) not in ("true", "false")]
    false = np.array([not truth.true[c] for c in ids], np.bool_)
    if not false.any() or false.all():
        return {"claims": len(ids), "risk": None, "score": None, "majority": None}
    records = [watch.claims[c] for c in ids]
    denied = [(r["denies"] + 1) / (r["denies"] + r["supports"] + 2) for r in records]
    return {
        "claims": len(ids),
        "risk": auc([r["risk"] for r in records], false),
        "score": auc([1 - r["score"] for r in records], false),
        "majority": auc(denied, false),
    }


def auc(values: Sequence[float], positive: Any) -> float:
    """Probability that a positive one has the larger value; ties count half (Mann–Whitney).

    >>> auc([0.9, 0.4, 0.4, 0.1], np.array([True, True, False, False]))
    0.875
    """
    v = np.asarray(values, np.float64)
    above, ties = v[positive][:, None] > v[~positive], v[positive][:, None] == v[~positive]
    return float((above + 0.5 * ties).mean())


def lone_report(watch: Watch, truth: Truth, facts: Facts, data: Dataset, lag_ms: int) -> dict[str, Any] | None:
    """The lone source before and after: her record now, and each of her stories; None where there is none."""
    if not truth.lone or truth.lone not in watch.sources:
        return None
    seen = watch.history.get(truth.lone, [])
    stories = []
    for claim in sorted((c for c in truth.stories if c in facts.first), key=facts.first.__getitem__):
        release = facts.first[claim] + lag_ms
        before = _last_before(watch.history.get(claim, []), release)
        after = next((r for r in seen if r["as_of_ms"] >= release and r["right"] + r["wrong"] > 0), None)
        flag = watch.raised.get(claim)
        stories.append(
            {
                "claim_id": claim,
                "title": data.title(claim),
                "supports": before["supports"] if before else None,
                "denies": before["denies"] if before else None,
                "score_before_verdict": before["score"] if before else None,
                "risk_before_verdict": before["risk"] if before else None,
                "flagged_after_h": (flag.at_ms - facts.first[claim]) / HOUR_MS
                if flag and flag.at_ms <= release
                else None,
                "her_credibility_after": after["credibility"] if after else None,
            }
        )
    after = seen[-1]
    return {
        "source_id": truth.lone,
        "first_verdict": _source(next((r for r in seen if r["right"] + r["wrong"]), after)),
        "after": _source(after),
        "insight_rank": 1 + sum(r["insight"] > after["insight"] for r in watch.sources.values()),
        "stories": stories,
    }


def _last_before(records: Sequence[Record], at_ms: int) -> Record | None:
    """The newest of a claim's records that has no verdict and tells of no later time than the moment."""
    found = [r for r in records if not r.get("verdict") and r["last_event_ms"] <= at_ms]
    return found[-1] if found else None


def _source(record: Record) -> dict[str, Any]:
    return {name: record[name] for name in ("credibility", "low", "high", "right", "wrong", "insight", "claims")}


def examples(watch: Watch, truth: Truth, facts: Facts, data: Dataset, each: int = 3) -> list[dict[str, Any]]:
    """Score beside truth of the largest claims, true and false, that nobody ruled on; else of the largest of all."""
    shown: list[dict[str, Any]] = []
    for wanted in (False, True):
        ids = [c for c, true in truth.true.items() if true == wanted and c in watch.claims]
        unruled = [c for c in ids if data.labels.get(c) not in ("true", "false")]
        ids = sorted(unruled or ids, key=lambda c: len(facts.times[c]), reverse=True)[:each]
        for claim in ids:
            flag = watch.raised.get(claim)
            hours = (flag.at_ms - facts.first[claim]) / HOUR_MS if flag else None
            shown.append(
                {
                    "truth": wanted,
                    "ruled": not unruled,
                    "flagged_after_h": hours,
                    "title": data.title(claim),
                    **watch.claims[claim],
                }
            )
    return shown
