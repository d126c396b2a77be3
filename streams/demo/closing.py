"""What Credence knew and when: the closing report of a demo, as figures first and as text after.

Only here is a world's hidden truth opened. For a data set without one, the labels of its claims are the truth.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.datasets.dataset import Dataset
from streams.demo.watch import Raised, Record, Watch
from streams.evaluate import ranking as ranked
from streams.evaluate.measures import FLAGS_AFTER, LARGE

if TYPE_CHECKING:  # it brings the scoring core, which the demo's first seconds need not wait for
    from streams.demo.in_order import Before

HOUR_MS = 3_600_000
SUNK = 0.66
"""From this risk on a true claim counts as sunk; so does one whose score is as near to 0."""


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


def in_time(watch: Watch, facts: Facts, lag_ms: int) -> dict[str, Raised]:
    """Claim id → its first flag, of those that were raised before the claim's verdict was due."""
    return {c: flag for c, flag in watch.raised.items() if flag.at_ms <= facts.first.get(c, 0) + lag_ms}


def flags_report(watch: Watch, truth: Truth, facts: Facts, lag_ms: int) -> dict[str, Any]:
    """How good the flags were; only those raised before the claim's verdict count, if it had one.

    `precision`: share of flagged claims of known truth that are false. `recall_large`: share of the false claims with
    over `LARGE` participants that were flagged. `median_delay_h`: hours from first post to flag, the median over all
    large false cascades; one never flagged counts as infinite (null). `median_hours`: the same over flagged false
    claims. `median_delay_h`, `precision_later` and `recall_later` are those of `evaluate`: the first FLAGS_AFTER of the
    claims do not count.
    """
    early = in_time(watch, facts, lag_ms)
    known = [c for c in early if c in truth.true]
    hits = [c for c in known if not truth.true[c]]
    told = sorted((c for c in truth.true if c in facts.first), key=lambda c: (facts.first[c], c))
    large = [c for c in told if not truth.true[c] and len(facts.people[c]) > LARGE]
    later = set(told[int(FLAGS_AFTER * len(told)) :])
    hours = {c: (early[c].at_ms - facts.first[c]) / HOUR_MS for c in hits}
    delays = [hours.get(c, float("inf")) for c in large if c in later]
    middle = median(delays) if delays else float("inf")
    hits_later = sum(c in later for c in hits)
    return {
        "raised": len(watch.raised),
        "standing": len(watch.standing),
        "before_verdict": len(early),
        "of_known_truth": len(known),
        "false": len(hits),
        "precision": len(hits) / len(known) if known else None,
        "precision_later": _share(hits_later, sum(c in later for c in known)),
        "recall_later": _share(hits_later, sum(not truth.true[c] for c in later)),
        "base_rate": sum(not true for true in truth.true.values()) / max(1, len(truth.true)),
        "large_false": len(large),
        "recall_large": sum(c in hours for c in large) / len(large) if large else None,
        "median_delay_h": None if middle == float("inf") else middle,
        "median_hours": median(hours.values()) if hours else None,
        "median_still_to_come": median(facts.still_to_come(c, early[c].at_ms) for c in hits) if hits else None,
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def before_verdicts(before: Sequence[Before]) -> dict[str, Any]:
    """How well false claims ranked above true ones, each as known just before its own verdict.

    The figures are those of `credence evaluate --groups released` at the horizon of the verdicts: `risk` over all
    pairs, `risk_within` over pairs in the same quarter of the claims, each an area under the ROC curve; `ci`: 95 %
    interval of `risk_within`; `score`: by 1 − public score; `majority`: by the share of denials, as a plain count
    would. Null where there are not both true and false claims.

    Args:
        before: in the order of the verdicts.
    """
    false = np.array([claim.false for claim in before], np.bool_)
    figures: dict[str, Any] = dict.fromkeys(("risk", "risk_within", "ci", "score", "majority"))
    if false.any() and not false.all():
        risk = np.array([claim.risk_z for claim in before])
        quarter = ranked.quarters(len(before))
        resampled = ranked.resample_weights(np.arange(len(before), dtype=np.int32))
        figures = {
            "risk": ranked.auc(risk, false),
            "risk_within": ranked.auc(risk, false, quarter),
            "ci": ranked.interval(ranked.aucs(risk, false, quarter, resampled)),
            "score": ranked.auc(np.array([1 - claim.score for claim in before]), false),
            "majority": ranked.auc(np.array([_denied(claim.supports, claim.denies) for claim in before]), false),
        }
    return {"claims": len(before), "false": int(false.sum()), **figures}


def ranking(watch: Watch, truth: Truth, data: Dataset) -> dict[str, Any]:
    """How well false claims rank above true ones among those that never had a verdict, at the end of the stream.

    `risk`, `score`, `majority` as in `before_verdicts`; null where the truth of such claims is not known.
    """
    ids = [c for c, true in truth.true.items() if c in watch.claims and data.labels.get(c) not in ("true", "false")]
    false = np.array([not truth.true[c] for c in ids], np.bool_)
    if not false.any() or false.all():
        return {"claims": len(ids), "risk": None, "score": None, "majority": None}
    records = [watch.claims[c] for c in ids]
    return {
        "claims": len(ids),
        "risk": ranked.auc(np.array([r["risk"] for r in records]), false),
        "score": ranked.auc(np.array([1 - r["score"] for r in records]), false),
        "majority": ranked.auc(np.array([_denied(r["supports"], r["denies"]) for r in records]), false),
    }


def _denied(supports: int, denies: int) -> float:
    return (denies + 1) / (denies + supports + 2)


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


def largest(truth: Truth, facts: Facts, data: Dataset, each: int = 3) -> list[str]:
    """The largest claims, false ones first, of those that nobody ruled on, else of all: as many of each kind."""
    shown: list[str] = []
    for wanted in (False, True):
        ids = [c for c, true in truth.true.items() if true == wanted and c in facts.times]
        unruled = [c for c in ids if data.labels.get(c) not in ("true", "false")]
        shown += sorted(unruled or ids, key=lambda c: len(facts.times[c]), reverse=True)[:each]
    return shown


@dataclass(frozen=True)
class Example:
    """A claim beside its truth, as it was known before any verdict.

    Attributes:
        true: whether it is.
        ruled: whether a verdict came.
        flagged_after_h: hours of event time from its first post to its first flag; None if there was none in time.
        record: its figures, just before its verdict where one came.
    """

    claim_id: str
    title: str
    true: bool
    ruled: bool
    flagged_after_h: float | None
    record: Record

    @property
    def misjudged(self) -> bool:
        """Whether it is true and was sunk, or false and was not seen."""
        risk, score, enough = (self.record[name] for name in ("risk", "score", "enough_evidence"))
        if self.true:
            return bool(risk >= SUNK or (enough and score <= 1 - SUNK))
        return bool(self.flagged_after_h is None and (risk <= 1 - SUNK or (enough and score >= SUNK)))


def examples(
    ids: Sequence[str], watch: Watch, before: Sequence[Before], truth: Truth, facts: Facts, data: Dataset, lag_ms: int
) -> list[Example]:
    """These claims beside their truth, as far as they are known."""
    known = {claim.claim_id: asdict(claim) for claim in before}
    early = in_time(watch, facts, lag_ms)
    found = []
    for claim in ids:
        record = known.get(claim) or watch.claims.get(claim)
        if record is not None:
            flag = (early if claim in known else watch.raised).get(claim)
            hours = (flag.at_ms - facts.first[claim]) / HOUR_MS if flag else None
            found.append(Example(claim, data.title(claim), truth.true[claim], claim in known, hours, record))
    return found
