"""The flag: what asks a person to look at a claim, or takes that back."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from streams.contract.record_fields import (
    Amount,
    Count,
    Id,
    Ms,
    Ordinal,
    Priority,
    Record,
    Share,
    chars,
    doc,
    form,
)
from streams.contract.words import (
    ID_CHARS_MAX,
    LANG_CHARS_MAX,
    NOTE_CHARS_MAX,
    ROOT_TEXT_CHARS_MAX,
    SENTENCES_CHARS_MAX,
    TRACE_CHARS_MAX,
    URI_CHARS_MAX,
    URL_CHARS_MAX,
    FlagAction,
    Retraction,
    RulingKind,
    Severity,
    Verdict,
)


class Reason(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of the things that add up to a figure."""

    code: Annotated[str, chars(ID_CHARS_MAX, "What kind of reason it is, such as `history` or `vote`.")]
    text: Annotated[str, chars(ID_CHARS_MAX * 2, "The same in a person's words.")] | None = None
    weight: Annotated[float, doc("What it adds to the figure's log-odds (nats); below 0 it speaks against.")]
    evidence_ids: Annotated[list[str], doc("Events or rulings to read.")] | None = None


class Rating(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rater's word on a claim, as records tell it: the version that counts, or that takes the former back."""

    rater_id: Annotated[Id, doc("Who found it.")]
    version: Annotated[Ordinal, doc("The rater's ruling on this claim that counts: the highest.")]
    verdict: Annotated[Verdict, doc("What was found.")]
    kind: Annotated[RulingKind, doc("By what kind of process it was found.")]
    ruled_at_ms: Annotated[Ms, doc("When it was found, milliseconds since 1970.")]
    ruling_id: Annotated[Id, doc("Identifier of the ruling.")]
    url: Annotated[str, chars(URL_CHARS_MAX, "Where the finding is published.")] | None = None
    note: Annotated[str, chars(NOTE_CHARS_MAX, "Why, in the rater's words.")] | None = None


class Subject(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a flag is about."""

    type: Annotated[str, chars(64, "Kind of subject, such as `claim`.")]
    id: Annotated[Id, doc("Identifier of the subject.")]
    uri: Annotated[str, chars(URI_CHARS_MAX, "Where the subject can be read in the API.")] | None = None


class Root(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The post with which a claim began, as it reads now."""

    event_id: Annotated[str, chars(ID_CHARS_MAX, "Identifier of the post.")] | None = None
    author_id: Annotated[str, chars(ID_CHARS_MAX, "Who posted it.")] | None = None
    posted_at_ms: Annotated[Ms, doc("When it was posted, milliseconds since 1970.")] | None = None
    text: (
        Annotated[str, chars(ROOT_TEXT_CHARS_MAX, "Its words, cut with `…` at the end; absent where none came.")] | None
    ) = None
    url: Annotated[str, chars(URL_CHARS_MAX, "Where a person can see it or what it links to.")] | None = None
    lang: Annotated[str, chars(LANG_CHARS_MAX, "Language of the words as a BCP 47 tag.")] | None = None


class Spread(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a claim has come, how fast it goes, and how fast it is expected to go on."""

    participants: Annotated[Count, doc("People with an event that stands.")]
    events: Annotated[Count, doc("Events that stand.")]
    first_event_ms: Annotated[Ms, doc("Time of the earliest event, milliseconds since 1970.")]
    per_hour: Annotated[Amount, doc("Events an hour at its latest event, over about the hour before.")]
    expected_per_hour: Annotated[Amount, doc("Events expected within the hour after its latest event.")] | None = None
    expected_24h: Annotated[Amount, doc("Events expected within the day after its latest event.")] | None = None
    usual_participants: (
        Annotated[Amount, doc("People whom a claim of this stream usually has one hour after its first event.")] | None
    ) = None


class Flag(Record, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Asks a person to look at a claim, or takes the request back; never names who reported."""

    NAME: ClassVar = "flag"
    VERSION: ClassVar = 2

    flag_id: Annotated[str, chars(ID_CHARS_MAX + 64, "Identifier of the flag, the same from raise to retraction.")]
    revision: Annotated[Ordinal, doc("Counts the records of this flag; (flag_id, revision) identifies a record.")]
    schema_version: Annotated[int, form(2)]
    action: Annotated[FlagAction, doc("What this record does to the flag.")]
    retracted_because: Annotated[Retraction, doc("Why it was taken back; in a retraction only.")] | None = None
    subject: Annotated[Subject, doc("What the flag is about; its id is the record's key.")]
    claim: (
        Annotated[Root, doc("What the claim says: the words, place and author of its root, as far as they are known.")]
        | None
    ) = None
    spread: Annotated[Spread, doc("How many people and events, how fast, and what is expected.")] | None = None
    supports: Annotated[Count, doc("People whose last stance that stands is support.")] | None = None
    denials: Annotated[Count, doc("People whose last stance that stands is denial.")] | None = None
    queries: Annotated[Count, doc("People who asked for evidence and took no side.")] | None = None
    community: Annotated[str, chars(ID_CHARS_MAX, "Where most who take part say it, if events name it.")] | None = None
    rulings: (
        Annotated[list[Rating], doc("Who ruled on the claim, the newest first, ten at most; absent where nobody has.")]
        | None
    ) = None
    raters_disagree: (
        Annotated[bool, doc("Whether raters whose rulings are in force found different things; absent without any.")]
        | None
    ) = None
    label: Annotated[str, chars(64, "Label to show and to index by, in the letters a-z and hyphens.")]
    policy_id: Annotated[str, chars(64, "The policy under which it was raised.")]
    rule_id: Annotated[str, chars(64, "The rule that raised it, a slash, and the rule's version.")]
    severity: Annotated[Severity, doc("How much is at stake.")]
    priority: Annotated[
        Priority, doc("Place in the queue, 100 first; 0 in a retraction, which nobody needs to look at.")
    ]
    risk: Annotated[Share, doc("Probability that the claim is false by every signal, at this moment; for triage only.")]
    risk_low: Annotated[Share, doc("Lower end of the 90 % interval of the risk.")] | None = None
    risk_high: Annotated[Share, doc("Upper end of the 90 % interval of the risk.")] | None = None
    score: Annotated[Share, doc("Public corroboration of the claim at this moment: probability that it is true.")]
    score_low: Annotated[Share, doc("Lower end of the 90 % interval of the score.")] | None = None
    score_high: Annotated[Share, doc("Upper end of the 90 % interval of the score.")] | None = None
    enough_evidence: (
        Annotated[bool, doc("Whether there is enough to go by for the score; if not, people read so instead.")] | None
    ) = None
    claim_version: Annotated[
        Ordinal, doc("`version` of the claim's score with this risk and score; what is published may be newer.")
    ]
    confidence: Annotated[
        Share, doc("Probability that the risk is over the threshold, by the error of the risk's calibration.")
    ]
    threshold: Annotated[Share, doc("Risk from which this claim was flagged when the record was made.")]
    score_version: Annotated[str, chars(64, "Version of the scoring rules and parameters behind the figures.")]
    reasons: Annotated[
        list[Reason],
        doc("What adds up to the log-odds of `risk`: `start`, the strongest reasons, and `others`, the rest in one."),
    ]
    would_fall: (
        Annotated[str, chars(SENTENCES_CHARS_MAX, "In words, what would take the flag back; absent in a retraction.")]
        | None
    ) = None
    appeal: Annotated[str, chars(SENTENCES_CHARS_MAX, "In words, who may ask for another look, and how.")] | None = None
    source: Annotated[str, chars(16, "`automated`, or `user` where a person raised it.")]
    event_time_ms: Annotated[Ms, doc("Time of the claim's latest event at this moment, milliseconds since 1970.")]
    detected_at_ms: Annotated[
        Ms, doc("Broker's time when the flag moved, by which flags lapse, milliseconds since 1970.")
    ]
    expires_at_ms: (
        Annotated[
            Ms,
            doc(
                "Broker's time from which it is retracted unless an update renews it, milliseconds since 1970; "
                "absent in a retraction."
            ),
        ]
        | None
    ) = None
    trace_id: Annotated[str, chars(TRACE_CHARS_MAX, "The log record that moved it: topic/partition/offset.")]
