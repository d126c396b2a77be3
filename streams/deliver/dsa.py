"""Statements of reasons (EU Digital Services Act, article 17), in the fields of the Commission's transparency database.

A flag restricts nothing and needs none. A person who confirms a flag may restrict what was posted; what the platform
then did is not known here, so the operator says it. Statements are public and must hold no personal data, so that no
words, ids or addresses of people are in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from streams.contract.settings import SettingsError
from streams.contract.wording import why_flagged
from streams.contract.words import FlagDecision
from streams.deliver.flag_text import cut
from streams.deliver.target import Flag

BATCH = 100
"""Statements that the database takes at once."""
GROUND_CHARS, EXPLANATION_CHARS, FACTS_CHARS = 500, 2_000, 5_000
VISIBILITIES = ("removed", "disabled", "demoted", "age_restricted", "interaction_restricted", "labelled")
CONTENT_TYPES = ("text", "image", "video", "audio", "app", "product", "synthetic_media", "other")


@dataclass(frozen=True, slots=True)
class Restriction:
    """What the platform did to the posts of claims whose flags were confirmed, and by which of its rules.

    Attributes:
        visibility: one of VISIBILITIES.
        rule: the rule in the terms and conditions.
        explanation: why such posts are against it.
        content_type: one of CONTENT_TYPES.

    Raises SettingsError on what the database would refuse.
    """

    visibility: str
    rule: str
    explanation: str
    content_type: str = "text"

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("visibility", self.visibility, VISIBILITIES),
            ("content type", self.content_type, CONTENT_TYPES),
        ):
            if value not in allowed:
                raise SettingsError(f"the {name} is {value!r} and must be one of {', '.join(allowed)}")
        for name, value, most in (
            ("rule", self.rule, GROUND_CHARS),
            ("explanation", self.explanation, EXPLANATION_CHARS),
        ):
            if not 0 < len(value) <= most:
                raise SettingsError(f"the {name} has {len(value):,} characters and must have 1 to {most:,}")


def statement(decision: Mapping[str, Any], flag: Flag, restriction: Restriction) -> dict[str, Any]:
    """The statement of reasons for a person's decision on a flag.

    Args:
        decision: a decision record, by which the flag was confirmed.
        flag: a record of that flag.
        restriction: what was done.
    """
    posted_ms = (flag.get("claim") or {}).get("posted_at_ms") or (flag.get("spread") or {}).get("first_event_ms")
    return {
        "decision_visibility": [f"DECISION_VISIBILITY_CONTENT_{restriction.visibility.upper()}"],
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "incompatible_content_ground": restriction.rule,
        "incompatible_content_explanation": restriction.explanation,
        "content_type": [f"CONTENT_TYPE_{restriction.content_type.upper()}"],
        "category": "STATEMENT_CATEGORY_NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS",
        "category_specification": ["KEYWORD_MISINFORMATION_DISINFORMATION"],
        "content_date": _day(posted_ms if posted_ms is not None else flag["event_time_ms"]),
        "application_date": _day(decision["decided_at_ms"]),
        "decision_facts": cut(facts(flag), FACTS_CHARS),
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "Yes",
        "automated_decision": "AUTOMATED_DECISION_NOT_AUTOMATED",
        "puid": puid(decision),
    }


def facts(flag: Flag) -> str:
    """What was known when the flag was raised, without words, ids or addresses of people."""
    false, true, _ = why_flagged(flag)
    spread, told = flag.get("spread") or {}, []
    if spread.get("participants"):
        told.append(f"{spread['participants']:,} accounts had taken part in spreading the claim.")
    if flag.get("supports") is not None:
        told.append(f"{flag['supports']:,} supported it and {flag.get('denials') or 0:,} denied it.")
    told.append(f"An automated estimate put the probability that the claim is false at {flag['risk']:.2f}.")
    if false:
        told.append(f"It was raised because {'; '.join(false)}.")
    if true:
        told.append(f"Against it spoke: {'; '.join(true)}.")
    return " ".join([*told, "A person then reviewed the posts and decided."])


def puid(decision: Mapping[str, Any]) -> str:
    """The platform's identifier of the statement, the same for the same decision, in the characters it may have."""
    return "credence-" + hashlib.sha256(str(decision["id"]).encode("utf-8", "surrogatepass")).hexdigest()[:40]


def confirmed(decisions: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The decisions for which a statement is due: of each flag the newest, where it confirms the flag."""
    newest: dict[str, Mapping[str, Any]] = {}
    for decision in sorted(decisions, key=lambda each: int(each["decided_at_ms"])):
        newest[decision["flag_id"]] = decision
    return [decision for decision in newest.values() if decision["decision"] == FlagDecision.CONFIRMED]


def batches(statements: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Bodies for the database's endpoint for several statements."""
    for start in range(0, len(statements), BATCH):
        yield {"statements": statements[start : start + BATCH]}


def _day(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}"
