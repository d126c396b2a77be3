"""What others send: events, rulings, and decisions on flags."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from streams.contract.record_fields import (
    Clock,
    Id,
    Ordinal,
    Record,
    chars,
    doc,
    form,
    told,
)
from streams.contract.words import (
    CORRECTING,
    ID_CHARS_MAX,
    LANG_CHARS_MAX,
    NOTE_CHARS_MAX,
    TEXT_CHARS_MAX,
    URL_CHARS_MAX,
    VIA_CHARS_MAX,
    FlagDecision,
    Kind,
    RulingKind,
    Stance,
    Verdict,
)


class Event(Record, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Something that a source did in the course of a claim."""

    NAME: ClassVar = "event"
    VERSION: ClassVar = 1
    # A post may start a claim; deletes and updates are about an event. All else must say where it belongs.
    ANY_OF: ClassVar = ("claim_id", "root_id")
    UNLESS_KIND: ClassVar = (Kind.POST, *CORRECTING)

    v: Annotated[int, form(1)]
    id: Annotated[Id, doc("Identifier of the event, unique within its source and claim.")]
    kind: Annotated[Kind, doc("What was done.")]
    source_id: Annotated[Id, doc("Who did it.")]
    occurred_at_ms: Annotated[Clock, doc("When it was done by the platform's clock, milliseconds since 1970.")]
    parent_id: Annotated[Id, doc("The event that this one answers or passes on.")] | None = None
    root_id: (
        Annotated[Id, doc("The post at the cascade's root; names the claim where `claim_id` is absent.")] | None
    ) = None
    claim_id: (
        Annotated[
            Id, doc("The claim that the event bears on, where the sender knows it; deletes and updates need none.")
        ]
        | None
    ) = None
    url: Annotated[str, told(URL_CHARS_MAX, "Where a person can see the event or what it links to.")] | None = None
    text: (
        Annotated[str, told(TEXT_CHARS_MAX, "What was said, by which copies are known; of a root shown in flags.")]
        | None
    ) = None
    stance: Annotated[Stance, doc("What it says about the claim, where the sender knows it.")] | None = None
    community_id: Annotated[Id, doc("The community in which it was said.")] | None = None
    lang: Annotated[str, told(LANG_CHARS_MAX, "Language of the text as a BCP 47 tag.")] | None = None


class Ruling(Record, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A finding about a claim by a fact-checker, a moderator or on appeal; revisable and withdrawable."""

    NAME: ClassVar = "ruling"
    VERSION: ClassVar = 1

    v: Annotated[int, form(1)]
    id: Annotated[Id, doc("Identifier of the ruling.")]
    claim_id: Annotated[Id, doc("The claim that is ruled on.")]
    version: Annotated[
        Ordinal, doc("Counts the rater's rulings on this claim: a higher one replaces the former exactly.")
    ]
    verdict: Annotated[Verdict, doc("What was found.")]
    rater_id: Annotated[Id, doc("Who found it; must be on the operator's list of raters, if there is one.")]
    ruled_at_ms: Annotated[Clock, doc("When it was found, milliseconds since 1970.")]
    kind: Annotated[RulingKind, doc("By what kind of process it was found.")]
    event_id: Annotated[Id, doc("The event that the ruling is about, if it is about one.")] | None = None
    url: Annotated[str, told(URL_CHARS_MAX, "Where the finding is published.")] | None = None
    note: Annotated[str, told(NOTE_CHARS_MAX, "Why, in the rater's words.")] | None = None
    original: Annotated[Any, doc("The rating on the rater's own scale, as it came.")] = None


class Decision(Record, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a person decided on a flag. It moves no score: that is for rulings. The newest of a flag counts."""

    NAME: ClassVar = "decision"
    VERSION: ClassVar = 1

    v: Annotated[int, form(1)]
    id: Annotated[Id, doc("Identifier of the decision.")]
    flag_id: Annotated[str, chars(ID_CHARS_MAX + 64, "The flag that is decided on.")]
    revision: Annotated[Ordinal, doc("The flag's revision that was looked at.")]
    claim_id: Annotated[Id, doc("The claim that the flag is about; the record's key.")]
    decision: Annotated[FlagDecision, doc("What was decided.")]
    decided_by: Annotated[Id, doc("Who decided.")]
    decided_at_ms: Annotated[Clock, doc("When it was decided, milliseconds since 1970.")]
    note: Annotated[str, told(NOTE_CHARS_MAX, "Why, in the words of whoever decided.")] | None = None
    url: Annotated[str, told(URL_CHARS_MAX, "Where the decision can be read.")] | None = None
    via: Annotated[str, told(VIA_CHARS_MAX, "The queue or tool in which it was made.")] | None = None
