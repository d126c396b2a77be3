"""The vocabulary: every record that enters or leaves Credence, each field defined once with its sentence.

The JSON Schemas in `schemas/`, the decoder, the validator and the documentation all follow from `RECORDS`. Schemas
are open: a field that is not listed here is kept out of the way, never refused, so that producers may send more than
Credence reads. Within a version only optional fields may be added; anything else is a new version and a new topic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streams.contract.words import (
    CLOCK_AHEAD_MAX_MS,
    CLOCK_MIN_MS,
    CORRECTING,
    DEPTH_MAX,
    EVENT_BYTES_MAX,
    ID_CHARS_MAX,
    INT64_MAX,
    INT64_MIN,
    LANG_CHARS_MAX,
    SAFE_INTEGER_MAX,
    TEXT_CHARS_MAX,
    TRACE_CHARS_MAX,
    URI_CHARS_MAX,
    URL_CHARS_MAX,
    DeadLetterCode,
    Documented,
    Fate,
    FlagAction,
    Kind,
    Mend,
    Retraction,
    RulingKind,
    Severity,
    Stance,
    Verdict,
)

__all__ = [
    "CLAIM_SCORE", "CLOCK_AHEAD_MAX_MS", "CLOCK_MIN_MS", "DEAD_LETTER", "DEPTH_MAX", "EVENT",
    "EVENT_BYTES_MAX", "FLAG", "ID_CHARS_MAX", "INT64_MAX", "INT64_MIN", "RECORDS", "RULING",
    "SAFE_INTEGER_MAX", "SOURCE_SCORE", "DeadLetterCode", "Documented", "Fate",
    "Field", "FlagAction", "Kind", "Mend", "Record", "Retraction", "RulingKind", "Severity", "Stance", "Verdict",
]  # fmt: skip

JsonType = Literal["string", "integer", "number", "boolean", "array", "object", "any"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a record.

    Attributes:
        name: as it stands in the JSON object.
        json_type: JSON type; "any" is not looked at.
        doc: one sentence.
        required: absent or null is refused.
        min_length, max_length: limits of a string, in characters (code points).
        identifier: a string without control characters.
        tells: a string that is read or recognised and names nothing: it is mended and never refuses its record.
        minimum, maximum: inclusive limits of a number.
        clock: an integer in milliseconds since 1970 that must also make sense beside the broker's clock.
        words: the closed list that a string is taken from.
        fields: members of an object, or of each object in an array.
        items: type of the plain items of an array, where `fields` is empty.
    """

    name: str
    json_type: JsonType
    doc: str
    required: bool = True
    min_length: int = 0
    max_length: int | None = None
    identifier: bool = False
    tells: bool = False
    minimum: float | None = None
    maximum: float | None = None
    clock: bool = False
    words: type[Documented] | None = None
    fields: tuple[Field, ...] = ()
    items: JsonType | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A kind of record: its name, version, meaning and fields.

    Attributes:
        any_of: fields of which at least one must be there, unless the record's `kind` is one of `unless_kind`.
    """

    name: str
    version: int
    doc: str
    fields: tuple[Field, ...]
    any_of: tuple[str, ...] = ()
    unless_kind: tuple[str, ...] = ()


def _id(name: str, doc: str, required: bool = True) -> Field:
    return Field(
        name=name,
        json_type="string",
        doc=doc,
        required=required,
        min_length=1,
        max_length=ID_CHARS_MAX,
        identifier=True,
    )


def _string(name: str, doc: str, chars: int, required: bool = False) -> Field:
    return Field(name=name, json_type="string", doc=doc, required=required, max_length=chars)


def _telling(name: str, doc: str, chars: int) -> Field:
    return Field(name=name, json_type="string", doc=doc, required=False, max_length=chars, tells=True)


def _word(name: str, words: type[Documented], doc: str, required: bool = True) -> Field:
    return Field(name=name, json_type="string", doc=doc, required=required, words=words)


def _clock(name: str, doc: str) -> Field:
    return Field(name=name, json_type="integer", doc=doc, minimum=CLOCK_MIN_MS, maximum=INT64_MAX, clock=True)


def _count(name: str, doc: str, minimum: int = 0, required: bool = True) -> Field:
    return Field(name=name, json_type="integer", doc=doc, required=required, minimum=minimum, maximum=SAFE_INTEGER_MAX)


def _ms(name: str, doc: str, required: bool = True) -> Field:
    return Field(name=name, json_type="integer", doc=doc, required=required, minimum=INT64_MIN, maximum=INT64_MAX)


def _number(name: str, doc: str, low: float | None = None, high: float | None = None, required: bool = True) -> Field:
    return Field(name=name, json_type="number", doc=doc, required=required, minimum=low, maximum=high)


def _share(name: str, doc: str, required: bool = True) -> Field:
    return _number(name, doc, 0, 1, required)


def _v(version: int) -> Field:
    return Field(name="v", json_type="integer", doc="Version of this record's form.", minimum=version, maximum=version)


def _reasons(doc: str, required: bool = False) -> Field:
    return Field(
        name="reasons",
        json_type="array",
        doc=doc,
        required=required,
        fields=(
            _string("code", "What kind of reason it is, such as `history` or `vote`.", ID_CHARS_MAX, required=True),
            _string("text", "The same in a person's words.", ID_CHARS_MAX * 2),
            _number("weight", "What it adds to the figure's log-odds (nats); below 0 it speaks against."),
            Field(
                name="evidence_ids", json_type="array", doc="Events or rulings to read.", required=False, items="string"
            ),
        ),
    )


_REASONS = _reasons("Not sent: records hold figures only. The explanation that the API gives has the reasons.")
_CORE_VERSION = _string("core_version", "Version of the scoring rules and parameters that made the figure.", 64, True)
_PUBLISHED = _count("version", "Counts the publications of this key: the highest is the current one.", 1)

EVENT = Record(
    "event",
    1,
    "Something that a source did in the course of a claim.",
    (
        _v(1),
        _id("id", "Identifier of the event, unique within its source and claim."),
        _word("kind", Kind, "What was done."),
        _id("source_id", "Who did it."),
        _clock("occurred_at_ms", "When it was done by the platform's clock, milliseconds since 1970."),
        _id("parent_id", "The event that this one answers or passes on.", required=False),
        _id("root_id", "The post at the cascade's root; names the claim where `claim_id` is absent.", required=False),
        _id(
            "claim_id",
            "The claim that the event bears on, where the sender knows it; deletes and updates need none.",
            required=False,
        ),
        _telling("url", "Where a person can see the event or what it links to.", URL_CHARS_MAX),
        _telling("text", "What was said; used to recognise copied text, never stored in scores.", TEXT_CHARS_MAX),
        _word("stance", Stance, "What it says about the claim, where the sender knows it.", required=False),
        _id("community_id", "The community in which it was said.", required=False),
        _telling("lang", "Language of the text as a BCP 47 tag.", LANG_CHARS_MAX),
    ),
    # A post may start a claim; deletes and updates are about an event. All else must say where it belongs.
    any_of=("claim_id", "root_id"),
    unless_kind=(Kind.POST, *CORRECTING),
)

RULING = Record(
    "ruling",
    1,
    "A finding about a claim by a fact-checker, a moderator or on appeal; revisable and withdrawable.",
    (
        _v(1),
        _id("id", "Identifier of the ruling."),
        _id("claim_id", "The claim that is ruled on."),
        _count("version", "Counts the rater's rulings on this claim: a higher one replaces the former exactly.", 1),
        _word("verdict", Verdict, "What was found."),
        _id("rater_id", "Who found it; must be on the operator's list of raters, if there is one."),
        _clock("ruled_at_ms", "When it was found, milliseconds since 1970."),
        _word("kind", RulingKind, "By what kind of process it was found."),
        _id("event_id", "The event that the ruling is about, if it is about one.", required=False),
        _telling("url", "Where the finding is published.", URL_CHARS_MAX),
        Field(name="original", json_type="any", doc="The rating on the rater's own scale, as it came.", required=False),
    ),
)

CLAIM_SCORE = Record(
    "claim-score",
    1,
    "What Credence knows about a claim; the latest record of a claim counts.",
    (
        _v(1),
        _id("claim_id", "The claim."),
        _PUBLISHED,
        _CORE_VERSION,
        _ms("as_of_ms", "Event time up to which the figures hold, milliseconds since 1970."),
        _share("score", "Public corroboration: probability that the claim is true by credible, independent support."),
        _share("low", "Lower end of the 90 % interval of the score."),
        _share("high", "Upper end of the 90 % interval of the score."),
        _share("risk", "Probability that the claim is false by every signal; for triage only."),
        _count("events", "Events that stand: repeats, and what was taken back, are not counted."),
        _count("participants", "Sources with an event that stands."),
        _count("supports", "Sources whose last stance that stands is support."),
        _count("denies", "Sources whose last stance that stands is denial."),
        _count("queries", "Sources that asked for evidence and took no side.", required=False),
        _count("comments", "Sources that commented and took no side.", required=False),
        _ms("first_event_ms", "Time of the earliest event that stands, or stood until none did, ms since 1970."),
        _ms("last_event_ms", "Time of the latest event that stands, or stood until none did, ms since 1970."),
        Field(name="verdict", json_type="string", doc="Verdict in force, if any.", required=False, words=Verdict),
        Field(name="flagged", json_type="boolean", doc="Whether a flag is raised now."),
        _number("evidence", "Effective weight of independent sources behind the score.", low=0, required=False),
        Field(
            name="enough_evidence",
            json_type="boolean",
            doc="Whether there is enough to go by; if not, people read so instead of the score.",
            required=False,
        ),
        _number("infectiousness", "Reshares that an exposure brings about, decayed.", low=0, required=False),
        _number("infectiousness_low", "Lower end of its 90 % interval.", low=0, required=False),
        _number("infectiousness_high", "Upper end of its 90 % interval.", low=0, required=False),
        _number("expected_growth_24h", "Events expected in the next 24 hours.", low=0, required=False),
        _REASONS,
    ),
)

SOURCE_SCORE = Record(
    "source-score",
    1,
    "What Credence knows about a source; the latest record of a source counts.",
    (
        _v(1),
        _id("source_id", "The source."),
        _PUBLISHED,
        _CORE_VERSION,
        _ms("as_of_ms", "Event time up to which the figures hold, milliseconds since 1970."),
        _share("credibility", "Probability that a stance of this source proves right, learned from verdicts alone."),
        _share("low", "Lower end of the 90 % interval of the credibility."),
        _share("high", "Upper end of the 90 % interval of the credibility."),
        _count("events", "Events that stand: repeats, and what it took back, are not counted."),
        _count("claims", "Claims in which an event of the source stands."),
        _count("right", "Settled claims on which its last stance, as it stood before the first ruling, proved right."),
        _count("wrong", "Settled claims on which that stance proved wrong."),
        _number("insight", "Mean of 1 − q for stances that proved right and −q for wrong ones, shrunk to 0.", -1, 1),
        _REASONS,
    ),
)

COMMUNITY = Record(
    "community",
    1,
    "How a community fares, for operators and never part of a score; the latest record of a community counts.",
    (
        _v(1),
        _id("community_id", "The community: as events name it, or m01, m02… where it was found by the company kept."),
        _PUBLISHED,
        _CORE_VERSION,
        _ms("as_of_ms", "Broker's time up to which the figures hold, milliseconds since 1970."),
        _count("members", "Sources that belong to it, among those that took part in two claims or more of late."),
        _count("claims", "Claims that they took part in."),
        _count("settled", "Those of the claims that have a verdict."),
        Field(name="enough_evidence", json_type="boolean", doc="Whether there is enough to go by."),
        _share("echo_index", "Whether members err on the same claims: 1 always together, 0 independently."),
        _share("low", "Lower end of the 90 % interval of the echo index."),
        _share("high", "Upper end of the 90 % interval of the echo index."),
        _share("accuracy", "Share of members' stances on settled claims that proved right.", required=False),
        _number("insularity", "E-I index of meetings on claims: -1 among themselves, 1 with others only.", -1, 1),
        _share("dissent", "Mean share of stances against the majority of the members on a claim."),
        _share("hidden_dissent", "Share of denials of what most members supported that came after the verdict only."),
        _number("correction_half_life_h", "Hours in which new support of a falsehood halves.", 0, required=False),
        _number("origins", "Effective number of communities that its claims come from."),
        _share("concentration", "Share of all activity by the most active tenth of the members."),
        _share("bridging", "Mean agreement across viewpoints on what its members support.", required=False),
    ),
)

FLAG = Record(
    "flag",
    2,
    "Asks a person to look at a claim, or takes the request back; never names who reported.",
    (
        _string("flag_id", "Identifier of the flag, the same from raise to retraction.", ID_CHARS_MAX + 64, True),
        _count("revision", "Counts the records of this flag; (flag_id, revision) identifies a record.", 1),
        Field(name="schema_version", json_type="integer", doc="Version of this record's form.", minimum=2, maximum=2),
        _word("action", FlagAction, "What this record does to the flag."),
        _word("retracted_because", Retraction, "Why it was taken back; in a retraction only.", required=False),
        Field(
            name="subject",
            json_type="object",
            doc="What the flag is about; its id is the record's key.",
            fields=(
                _string("type", "Kind of subject, such as `claim`.", 64, required=True),
                _id("id", "Identifier of the subject."),
                _string("uri", "Where the subject can be read in the API.", URI_CHARS_MAX),
            ),
        ),
        _string("label", "Label to show and to index by, in the letters a-z and hyphens.", 64, required=True),
        _string("policy_id", "The policy under which it was raised.", 64, required=True),
        _string("rule_id", "The rule that raised it, a slash, and the rule's version.", 64, required=True),
        _word("severity", Severity, "How much is at stake."),
        Field(
            name="priority",
            json_type="integer",
            minimum=0,
            maximum=100,
            doc="Place in the queue, 100 first; 0 in a retraction, which nobody needs to look at.",
        ),
        _share("risk", "Probability that the claim is false by every signal, at this moment; for triage only."),
        _share("score", "Public corroboration of the claim at this moment: probability that it is true."),
        _count("claim_version", "`version` of the claim's score with this risk and score; a newer may replace it.", 1),
        _share(
            "confidence", "Probability that the risk is over the threshold, by the error of the risk's calibration."
        ),
        _share("threshold", "Risk from which this claim was flagged when the record was made."),
        _string("score_version", "Version of the scoring rules and parameters behind the figures.", 64, required=True),
        _reasons(
            "What adds up to the log-odds of `risk`: `start`, the strongest reasons, and `others`, the rest in one.",
            required=True,
        ),
        _string("source", "`automated`, or `user` where a person raised it.", 16, required=True),
        _ms("event_time_ms", "Time of the claim's latest event at this moment, milliseconds since 1970."),
        _ms("detected_at_ms", "Broker's time when the flag moved, by which flags lapse, milliseconds since 1970."),
        _ms(
            "expires_at_ms",
            "Broker's time from which it is retracted unless an update renews it, milliseconds since 1970; absent in a "
            "retraction.",
            required=False,
        ),
        _string("trace_id", "The log record that moved it: topic/partition/offset.", TRACE_CHARS_MAX, required=True),
    ),
)

DEAD_LETTER = Record(
    "dead-letter",
    1,
    "A record that a stage refused, with the reason and the bytes; (topic, topic_id, partition, offset) identifies it.",
    (
        _v(1),
        _word("code", DeadLetterCode, "Why it was refused."),
        _string("detail", "What exactly was wrong, for a person.", 500, required=True),
        _string("topic", "Topic that the record was read from.", 249, required=True),
        _string("topic_id", "Begin of the topic's id, where it may be deleted and made anew: an input topic.", 64),
        _count("partition", "Partition of that topic."),
        _count("offset", "Offset in that partition."),
        _ms("append_ms", "Broker's time of the record, milliseconds since 1970."),
        _string("stage", "The stage that refused it.", 64, required=True),
        _string("key_b64", "The record's key in base64, cut at 1,024 bytes; absent if it had none.", 1_368),
        _count("key_length", "Length of the whole key, bytes.", required=False),
        Field(
            name="raw",
            json_type="string",
            doc="The record's value in base64, cut at 65,536 bytes; absent if it had none or the stage had lost it.",
            required=False,
        ),
        _string("raw_sha256", "SHA-256 of the whole value in hexadecimal; absent with `raw`.", 64),
        _count("raw_length", "Length of the whole value, bytes; absent with `raw`.", required=False),
        _string("redrive_of", "Origin of the dead letter that this record was redriven from, if it was.", 300),
        _count("redrives", "How often this record was redriven, if it was.", required=False),
        _ms("redriven_at_ms", "When it was last redriven, milliseconds since 1970.", required=False),
    ),
)

RECORDS = (EVENT, RULING, CLAIM_SCORE, SOURCE_SCORE, COMMUNITY, FLAG, DEAD_LETTER)
