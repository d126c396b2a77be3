"""What services send: the bodies that are no lists of ids."""

from __future__ import annotations

from typing import Annotated, ClassVar

from streams.contract.record_fields import Id, Ordinal, Record, chars, doc
from streams.contract.words import (
    ID_CHARS_MAX,
    NOTE_CHARS_MAX,
    URL_CHARS_MAX,
    VIA_CHARS_MAX,
    FlagDecision,
    RulingKind,
    Verdict,
)

KEY_HEADER = "Idempotency-Key"
"""Header of a request that may be repeated without being done twice."""
KEY_PATTERN = r"^[!-~]{1,255}$"


class RulingAsked(Record, frozen=True, kw_only=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """What a service sends to have a claim ruled on. The version is found here."""

    NAME: ClassVar = "ruling-asked"
    VERSION: ClassVar = 1

    claim_id: Annotated[Id, doc("The claim.")]
    verdict: Annotated[Verdict, doc("What was found.")]
    rater_id: Annotated[Id, doc("Who found it; the token's name unless said.")] | None = None
    kind: Annotated[RulingKind, doc("By what kind of process it was found; moderation unless said.")] = (
        RulingKind.MODERATION
    )
    url: Annotated[str, chars(URL_CHARS_MAX, "Where the finding is published.")] | None = None
    note: Annotated[str, chars(NOTE_CHARS_MAX, "Why, in the rater's words.")] | None = None


class DecisionAsked(Record, frozen=True, kw_only=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """What a service sends when a person has decided on a flag."""

    NAME: ClassVar = "decision-asked"
    VERSION: ClassVar = 1

    flag_id: Annotated[str, chars(ID_CHARS_MAX + 64, "The flag.")]
    decision: Annotated[FlagDecision, doc("What was decided.")]
    revision: Annotated[Ordinal, doc("The flag's revision that was looked at; the newest unless said.")] | None = None
    decided_by: Annotated[Id, doc("Who decided; the token's name unless said.")] | None = None
    url: Annotated[str, chars(URL_CHARS_MAX, "Where the decision can be read.")] | None = None
    note: Annotated[str, chars(NOTE_CHARS_MAX, "Why, in the words of whoever decided.")] | None = None
    via: Annotated[str, chars(VIA_CHARS_MAX, "The queue or tool in which it was made.")] | None = None
