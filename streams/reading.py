"""How a score is read by a person: the words for it, and whether there is enough evidence to give a number at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams.metrics import Band, band

# Settled claims from which a source's credibility says something about it, rather than about newcomers at large.
SETTLED_ENOUGH = 3
# Codes of reasons that say of another span of time what the one before says.
_SAME = {"history_30": "history", "history_60": "history"}
_RETRACTED = {
    "settled": "a verdict has come",
    "risk-fell": "the risk has fallen",
    "expired": "nothing new has come",
    "killed": "an operator stopped all flags",
}
# A record of an older core does not say whether it rests on enough; an interval this wide does not.
WIDTH_MAX = 0.6


def headline(subject: str) -> str:
    """The field of a record that holds its figure: `score` of a claim, `credibility` of a source, `echo_index`."""
    return {"claim": "score", "source": "credibility", "community": "echo_index"}[subject]


def enough_evidence(subject: str, record: Mapping[str, Any]) -> bool:
    """Whether people should be shown the figure. What the record says of itself counts; a verdict always is enough."""
    if (said := record.get("enough_evidence")) is not None:
        return bool(said)
    if subject == "source":
        return int(record.get("right", 0)) + int(record.get("wrong", 0)) >= SETTLED_ENOUGH
    return record.get("verdict") is not None or float(record["high"]) - float(record["low"]) <= WIDTH_MAX


def assessment(subject: str, record: Mapping[str, Any]) -> str:
    """The record in a few words: never a figure where there is little evidence."""
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
    """The figure with its interval for a table: `0.31 (0.12–0.55)`, or words."""
    if not enough_evidence(subject, record):
        return str(Band.UNKNOWN)
    return f"{record[headline(subject)]:.2f} ({record['low']:.2f}–{record['high']:.2f})"


def why_flagged(flag: Mapping[str, Any]) -> tuple[list[str], list[str], list[str]]:
    """A flag's reasons for a person: what makes the claim look false, what speaks against that, and the events to read.

    Each said once, strongest first: the same over another span of time is left out.
    """
    told: dict[str, Mapping[str, Any]] = {}
    for reason in flag.get("reasons") or ():
        told.setdefault(_SAME.get(reason["code"], reason["code"]), reason)
    words = {code: str(reason.get("text") or reason["code"]) for code, reason in told.items()}
    false = [words[code] for code, reason in told.items() if reason["weight"] > 0]
    true = [words[code] for code, reason in told.items() if reason["weight"] < 0]
    events = dict.fromkeys(id_ for r in told.values() if r["weight"] > 0 for id_ in r.get("evidence_ids") or ())
    return false, true, list(events)


def why_retracted(flag: Mapping[str, Any]) -> list[str]:
    """Why a flag was taken back, in words."""
    return [_RETRACTED.get(reason["code"], str(reason["code"])) for reason in flag.get("reasons") or ()]
