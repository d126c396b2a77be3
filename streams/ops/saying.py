"""What a person answers to a claim or a flag, before it is a record; and what becomes of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from streams.contract.wording import enough_evidence
from streams.contract.words import ID_CHARS_MAX, NOTE_CHARS_MAX, URL_CHARS_MAX, RulingKind, Verdict

Ruling = Mapping[str, Any]


class Refused(StrEnum):
    """Why a ruling is not written, or does not count."""

    UNKNOWN_CLAIM = "unknown claim"
    UNKNOWN_RATER = "unknown rater"
    NOTHING_TO_WITHDRAW = "nothing to withdraw"
    OTHER_CONTENT = "other content under the same key"
    DEAD_LETTER = "dead letter"


class RulingError(Exception):
    """A ruling that is not written or does not count. The message says why, `why` in a word."""

    def __init__(self, why: Refused, message: str) -> None:
        super().__init__(message)
        self.why = why


class Became(StrEnum):
    """What became of a ruling that was asked for."""

    COUNTS = "counts"
    UNCHANGED = "unchanged"  # the rater's word is this already: nothing was written
    SUPERSEDED = "superseded"  # it counted, and another of the rater has come since
    PENDING = "pending"  # written, and not taken in yet: it counts when a worker takes it in


class TooMuchError(ValueError):
    """What a person gave is longer than a record takes, or no name. The message says what is allowed."""


def check_id(what: str, id_: str) -> None:
    """Raises TooMuchError unless the text may name something in a record."""
    if not 0 < len(id_) <= ID_CHARS_MAX or min(id_) < " " or _half(id_):
        raise TooMuchError(f"{what} is named by 1 to {ID_CHARS_MAX} characters without control characters")


def check_text(what: str, text: str | None, most: int) -> None:
    """Raises TooMuchError where a text would be cut."""
    if text is not None and (len(text) > most or _half(text)):
        raise TooMuchError(f"the {what} has {len(text):,} characters, or half of one; {most:,} are kept")


def _half(text: str) -> bool:
    """Whether a text holds half a character, which no record can."""
    return any("\ud800" <= character <= "\udfff" for character in text)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a rater has to say on a claim.

    Attributes:
        url, note: where and why; None leaves open what the rater's last ruling says.
        key: what tells a repetition of the same request from another; "" for none.
    """

    claim_id: str
    verdict: Verdict
    rater_id: str
    kind: RulingKind = RulingKind.MODERATION
    url: str | None = None
    note: str | None = None
    key: str = ""

    def __post_init__(self) -> None:
        check_id("who rules", self.rater_id)
        check_text("url", self.url, URL_CHARS_MAX)
        check_text("note", self.note, NOTE_CHARS_MAX)

    def is_said_by(self, word: Ruling) -> bool:
        """Whether a ruling of the rater says just this."""
        return (
            (word["verdict"], word["kind"]) == (self.verdict, self.kind)
            and self.url in (None, word.get("url"))
            and self.note in (None, word.get("note"))
        )

    def is_of_the_same(self, ruling: Ruling) -> bool:
        """Whether it is a ruling of this rater on this claim, as valid ones are."""
        whose = (ruling.get("claim_id"), ruling.get("rater_id"))
        numbered = isinstance(ruling.get("version"), int) and isinstance(ruling.get("id"), str)
        return numbered and whose == (self.claim_id, self.rater_id)

    def ruling(self, id_: str, version: int) -> Ruling:
        """The record that says it, now."""
        told = {"url": self.url, "note": self.note}
        return {
            "v": 1,
            "id": id_,
            "claim_id": self.claim_id,
            "version": version,
            "verdict": str(self.verdict),
            "rater_id": self.rater_id,
            "ruled_at_ms": time.time_ns() // 1_000_000,
            "kind": str(self.kind),
        } | {name: text for name, text in told.items() if text is not None}

    def id(self) -> str:
        """Of the ruling to write; the same for the same key."""
        if not self.key:
            return f"ruling-{uuid.uuid4()}"
        return f"ruling-{uuid.uuid5(uuid.NAMESPACE_OID, chr(0).join((self.claim_id, self.rater_id, self.key)))}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A ruling as it was written or found.

    Attributes:
        before, after: the claim's score record without and with it; `after` is the same where nothing changed yet.
    """

    ruling_id: str
    version: int
    became: Became
    before: dict[str, Any]
    after: dict[str, Any]


_SHOWN = ("version", "score", "low", "high", "enough_evidence", "risk", "risk_low", "risk_high", "verdict", "flagged")


def flag_moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What became of a claim's flag between two of its records: none, stands, raised or taken back."""
    moved = (bool(before.get("flagged")), bool(after.get("flagged")))
    return {(False, False): "none", (True, True): "stands", (False, True): "raised", (True, False): "taken back"}[moved]


def _figures(record: Mapping[str, Any]) -> dict[str, Any]:
    """Score, risk and verdict of a record; on little evidence the score is None, and never one half."""
    enough = enough_evidence("claim", record)
    score = record["score"] if enough else None
    return {name: record.get(name) for name in _SHOWN} | {"enough_evidence": enough, "score": score}


def told(said: Said, outcome: Outcome) -> dict[str, Any]:
    """A ruling and what came of it, as the API and `--json` tell it; `after` is null while it is pending."""
    pending = outcome.became is Became.PENDING
    before, after = map(_figures, (outcome.before, outcome.after))
    return {
        "claim_id": said.claim_id,
        "rater_id": said.rater_id,
        "verdict": str(said.verdict),
        "kind": str(said.kind),
        "ruling_id": outcome.ruling_id,
        "version": outcome.version,
        "became": str(outcome.became),
        "before": before,
        "after": None if pending else after,
        "flag": None if pending else flag_moved(outcome.before, outcome.after),
        "rulings": outcome.after.get("rulings") or [],
        "raters_disagree": bool(outcome.after.get("raters_disagree")),
    }
