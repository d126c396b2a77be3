"""The closed lists of words that records use, each word with its sentence, and the limits of input.

The order of a list is part of the state: `streams.contract.codes` numbers the words by it. New words go to the end.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

EVENT_BYTES_MAX = 64 * 1024
"""Longest value of an event or ruling record, bytes. Also where a dead letter cuts the raw bytes."""
ID_CHARS_MAX = 256
TEXT_CHARS_MAX = 10_000
ROOT_TEXT_CHARS_MAX = 500
"""Where the words of a claim's root are cut, in flags."""
SENTENCES_CHARS_MAX = 2_000
"""Longest passage that a record tells a person."""
URL_CHARS_MAX = 2_048
NOTE_CHARS_MAX = 2_000
VIA_CHARS_MAX = 64
RATINGS_MAX = 10
"""Raters that a record names of those who ruled on its claim, the newest first."""
URI_CHARS_MAX = 64 + 12 * ID_CHARS_MAX
"""Longest address of a subject in the API. One character of an id takes at most 12 there."""
TRACE_CHARS_MAX = 300
"""Longest topic/partition/offset. A topic's name has at most 249 characters."""
LANG_CHARS_MAX = 35
"""Longest language tag that RFC 5646 asks a reader to accept."""
DEPTH_MAX = 64
"""Deepest nesting of arrays and objects in a record. The record itself is level 1."""
SAFE_INTEGER_MAX = 2**53 - 1
"""Largest integer that every JSON implementation keeps exact (RFC 8259, section 6)."""
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
CLOCK_MIN_MS = 946_684_800_000
"""2000-01-01T00:00:00Z: an earlier clock is a fault of the sender."""
CLOCK_AHEAD_MAX_MS = 24 * 3_600_000
"""How far a clock may run ahead of the broker's. Within this it is clamped; beyond it the record is refused."""


FLAG_RULES = ("risk-cascade", "risk-trial")
"""Names of the rules that raise flags; `streams.scoring.parameters.flag_rules` declares them."""


class Documented(StrEnum):
    """A closed list of words, each with the sentence that says what it means."""

    doc: str

    # `Kind("post")` looks a word up by the same call, without a sentence: hence the default.
    def __new__(cls, word: str, doc: str = "") -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.doc = doc
        return member


class Kind(Documented):
    """What a source did."""

    POST = "post", "Says something of its own; without a claim or root it starts one."
    RESHARE = "reshare", "Passes another's post on unchanged: spread, not evidence."
    REPLY = "reply", "Answers another event, with or without a stance."
    REACTION = "reaction", "Likes, favours or otherwise reacts without words."
    REPORT = "report", "Tells the platform that something is wrong."
    FOLLOW = "follow", "Starts to follow a source in the course of a cascade."
    DELETE = "delete", "Takes back the event of the same source that bears this id, in whatever claim: a tombstone."
    UPDATE = "update", "Edits the event of the same source that bears this id: what it says of stance and text holds."


CORRECTING = (Kind.DELETE, Kind.UPDATE)
"""Kinds that take back or edit an earlier event, and are no events themselves."""


class Stance(Documented):
    """What a source says about the claim."""

    SUPPORT = "support", "Asserts that the claim is true."
    DENY = "deny", "Asserts that the claim is false."
    QUERY = "query", "Asks for evidence; asserts nothing."
    COMMENT = "comment", "Speaks without taking a side; asserts nothing."


class Verdict(Documented):
    """What a rater found."""

    TRUE = "true", "The claim is true."
    FALSE = "false", "The claim is false."
    MIXED = "mixed", "Partly true: the claim is settled, and nobody gains or loses credit."
    WITHDRAWN = "withdrawn", "The rater takes the former verdict back; its effects are undone exactly."


class RulingKind(Documented):
    """By what kind of process a verdict came about."""

    FACT_CHECK = "fact-check", "A fact-checker's published finding."
    MODERATION = "moderation", "A decision by the platform's moderators."
    APPEAL = "appeal", "A decision on an appeal against an earlier one."


class FlagDecision(Documented):
    """What a person decided on a flag."""

    CONFIRMED = "confirmed", "The flag was right: the claim is false or misleads."
    DISMISSED = "dismissed", "The flag was wrong: there is nothing to do about the claim."
    DUPLICATE = "duplicate", "The matter is dealt with under another flag: neither right nor wrong."


class FlagAction(Documented):
    """What a flag record does to the flag that bears its id."""

    RAISE = "raise", "Asks a person to look."
    HOLD = "hold", "A budget is used up: it waits among those held back, the most pressing first, and is in no queue."
    UPDATE = "update", "The flag stands; its priority moved, or its claim was heard of again and it lapses later."
    RETRACT = "retract", "The ground for the flag is gone, or it expired: nobody needs to look."


class Retraction(Documented):
    """Why a flag was taken back."""

    SETTLED = "settled", "A verdict has come."
    RISK_FELL = "risk-fell", "The risk has fallen."
    POSTS_GONE = "posts-gone", "Its posts were taken back."
    EXPIRED = "expired", "Nothing new has come."
    KILLED = "killed", "An operator stopped the rule."


class Severity(Documented):
    """How much harm is at stake, in four steps of the priority."""

    LOW = "low", "Priority below 30: next to no further spread is expected."
    MEDIUM = "medium", "Priority from 30: it spreads as an ordinary story does."
    HIGH = "high", "Priority from 60: it spreads fast, to dozens within a day."
    CRITICAL = "critical", "Priority from 75: it spreads fast and to very many, a thousand or more within a day."


class DeliveryState(Documented):
    """What a moderation tool has of a flag."""

    STANDING = "standing", "The target took it."
    TAKEN_BACK = "taken-back", "The target took it, and took its retraction."
    REFUSED = "refused", "The target will not have it: `detail` says why. `credence deliver again` tries it once more."
    IN_DOUBT = (
        "in-doubt",
        "It was sent and no answer was read, and a repeat would count twice: it waits for a person, or for an answer.",
    )


class Fate(Documented):
    """What becomes of a ruling."""

    COUNTS = "counts", "It is its rater's word on the claim."
    HELD = "held", "It will be its rater's word on the claim, of which no event is known yet."
    SUPERSEDED = "superseded", "A higher version of the same rater replaced it."
    LATE = "late", "It came after a higher version of the same rater, so that its time counts and its verdict does not."
    REFUSED = "refused", "The rater used the version before, with other content, which stands: a dead letter."
    REPEATED = "repeated", "The very same ruling had come before."
    FORGOTTEN = "forgotten", "No event of its claim came for as long as claims are remembered: a dead letter."


class Mend(Documented):
    """What was mended in a record that counts. Only fields that name nothing are mended."""

    CUT = "cut", "A text was longer than its limit and was cut there."
    WRONG_TYPE = "wrong_type", "A text had another JSON type and counts as absent."
    HALF_CHARACTER = "half_character", "An escape named half a character (a lone surrogate): U+FFFD stands for it."
    NOT_UTF8 = "not_utf8", "Bytes in a text were not UTF-8: U+FFFD stands for them."


class DeadLetterCode(Documented):
    """Why a record was refused. If it has several faults, the first in this order is named."""

    EMPTY = "empty", "The record has no value; events and rulings have no tombstones in Kafka's sense."
    OVERSIZE = "oversize", f"The value is longer than {EVENT_BYTES_MAX:,} bytes."
    KEY_NOT_UTF8 = "key_not_utf8", "The record's key is not UTF-8 text."
    NOT_UTF8 = "not_utf8", "No JSON text in UTF-8; or a field that names something holds a byte or escape that is none."
    TOO_DEEP = "too_deep", f"Arrays and objects nest deeper than {DEPTH_MAX} levels."
    NOT_JSON = "not_json", "The value is not one JSON text (RFC 8259); NaN and Infinity are not JSON."
    NOT_OBJECT = "not_object", "The value is JSON, but no object."
    UNSUPPORTED_VERSION = "unsupported_version", "Field `v` is an integer, but no version that this release reads."
    MISSING_FIELD = "missing_field", "A required field is absent or null."
    WRONG_TYPE = "wrong_type", "A field has another JSON type than the schema says; true is no integer."
    EMPTY_ID = "empty_id", "An identifier is the empty string."
    TOO_LONG = "too_long", "An identifier is longer than its limit."
    CONTROL_CHARACTER = "control_character", "An identifier holds a control character (U+0000 to U+001F)."
    OUT_OF_RANGE = "out_of_range", "A number lies outside the range of its field, or of 64 bits."
    UNKNOWN_KIND = "unknown_kind", "The kind of event or ruling is none of the list."
    UNKNOWN_STANCE = "unknown_stance", "The stance is none of the list."
    UNKNOWN_VERDICT = "unknown_verdict", "The verdict is none of the list."
    ABSURD_CLOCK = "absurd_clock", "The time lies before the year 2000 or more than 24 hours after the broker's clock."
    ORPHAN = "orphan", "The event names no claim and no root, and only a post may start a claim."
    UNKNOWN_RATER = "unknown_rater", "The rater is not on the operator's list of raters."
    FOREIGN_RECORD = "foreign_record", "A record on an internal topic that no stage of this release wrote."
    ID_CONFLICT = (
        "id_conflict",
        "The source used this event id, or the rater this version, for this claim before, with other content.",
    )
    UNKNOWN_CLAIM = (
        "unknown_claim",
        "A ruling was held for as long as claims are remembered, and no event of its claim came.",
    )
