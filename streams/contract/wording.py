"""Words for scores and flags, and whether there is enough evidence to show a number at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from streams.contract.metrics import Band, band
from streams.contract.words import Retraction, Verdict

# With fewer settled claims, a source's credibility is that of newcomers in general and says little about this one.
SETTLED_ENOUGH = 3
# These reasons only complete the sum; they tell a person nothing.
_SUMMED = ("start", "others")
# Records of older cores do not say whether there is enough evidence. A wider interval than this means: no.
WIDTH_MAX = 0.6


def headline(subject: str) -> str:
    """The field of a record that holds its figure: `score` of a claim, `credibility` of a source, `echo_index`."""
    return {"claim": "score", "source": "credibility", "community": "echo_index"}[subject]


def enough_evidence(subject: str, record: Mapping[str, Any]) -> bool:
    """Whether people should see the figure: as the record says, else by its settled claims, verdict or interval."""
    if (said := record.get("enough_evidence")) is not None:
        return bool(said)
    if subject == "source":
        return int(record.get("right", 0)) + int(record.get("wrong", 0)) >= SETTLED_ENOUGH
    return record.get("verdict") is not None or float(record["high"]) - float(record["low"]) <= WIDTH_MAX


def assessment(subject: str, record: Mapping[str, Any]) -> str:
    """The record in a few words, without a figure."""
    if subject == "claim" and record.get("verdict") in ("true", "false", "mixed"):
        return f"ruled {record['verdict']}"
    words = {
        "claim": {Band.LOW: "poorly corroborated", Band.MIDDLE: "contested", Band.HIGH: "well corroborated"},
        "source": {Band.LOW: "mostly wrong so far", Band.MIDDLE: "mixed record", Band.HIGH: "mostly right so far"},
        "community": {Band.LOW: "errs one by one", Band.MIDDLE: "errs together at times", Band.HIGH: "errs together"},
    }[subject]
    reading = band(float(record[headline(subject)]), enough_evidence(subject, record))
    return words.get(reading, str(reading))


def figure(subject: str, record: Mapping[str, Any]) -> str:
    """The figure with its interval, as `0.31 (0.12–0.55)`; words where there is too little evidence."""
    if not enough_evidence(subject, record):
        return str(Band.UNKNOWN)
    return f"{record[headline(subject)]:.2f} ({record['low']:.2f}–{record['high']:.2f})"


def risk_figure(claim: Mapping[str, Any]) -> str:
    """The risk with its interval, as `0.74 (0.52–0.88)`; without one in a record of an older core."""
    low, high = claim.get("risk_low"), claim.get("risk_high")
    return f"{claim['risk']:.2f}" + ("" if low is None or high is None else f" ({low:.2f}–{high:.2f})")


def in_words(rating: Mapping[str, Any]) -> str:
    """A rater's word on a claim: verdict, version, when, by what process, why and where."""
    at = f"{datetime.fromtimestamp(rating['ruled_at_ms'] / 1000, UTC):%Y-%m-%d %H:%M}"
    found = f"{rating['verdict']} (version {rating['version']}, {rating['kind']}, {at} UTC)"
    why = " ".join(filter(None, (rating.get("note"), rating.get("url"))))
    return f"{found}: {why}" if why else found


def who_ruled(claim: Mapping[str, Any]) -> str:
    """Whose rulings on a claim are in force, the newest first, and whether they differ."""
    names = [rating["rater_id"] for rating in claim.get("rulings") or () if rating["verdict"] != Verdict.WITHDRAWN]
    return ", ".join(names) + (" (raters disagree)" if claim.get("raters_disagree") else "")


def sides(flag: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """A flag's reasons in two lists, each as in the record: for the claim being false, and against."""
    told = [reason for reason in flag.get("reasons") or () if reason["code"] not in _SUMMED]
    return [r for r in told if r["weight"] > 0], [r for r in told if r["weight"] < 0]


def why_flagged(flag: Mapping[str, Any]) -> tuple[list[str], list[str], list[str]]:
    """A flag's reasons in words: for the claim being false, against it, and ids of events to read.

    Each list has the strongest first.
    """
    false, true = sides(flag)
    events = dict.fromkeys(id_ for reason in false for id_ in reason.get("evidence_ids") or ())
    words = [[str(reason.get("text") or reason["code"]) for reason in side] for side in (false, true)]
    return words[0], words[1], list(events)


def why_retracted(flag: Mapping[str, Any]) -> str:
    """Why a flag was taken back, in words."""
    why = str(flag.get("retracted_because") or "")
    if why not in tuple(Retraction):
        return why
    told = Retraction(why).doc.removesuffix(".")
    return told[0].lower() + told[1:]
