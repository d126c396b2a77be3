"""One record, read field by field: the result is its fields, or the reason to refuse it.

This defines what is valid. It is slow (about 20 µs a record), and sees only rulings, which are few, and events that the
short path does not take.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import orjson
from msgspec.inspect import AnyType, IntType

from streams.agents.intake.mending import characters, damaged
from streams.contract.record_fields import Field, Record, fields_of
from streams.contract.words import (
    CLOCK_AHEAD_MAX_MS,
    CLOCK_MIN_MS,
    DEPTH_MAX,
    EVENT_BYTES_MAX,
    INT64_MAX,
    INT64_MIN,
    DeadLetterCode,
    Kind,
    Mend,
    RulingKind,
    Stance,
    Verdict,
)
from streams.engine.fetched import LogRecord


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator may set; every other limit is part of the schema.

    Attributes:
        value_bytes_max: longest value, bytes.
        clock_ahead_max_ms: how far a clock may run ahead of the broker's before the record is refused.
        raters: the raters whose rulings count; empty means any.
    """

    value_bytes_max: int = EVENT_BYTES_MAX
    clock_ahead_max_ms: int = CLOCK_AHEAD_MAX_MS
    raters: frozenset[str] = field(default_factory=frozenset)


class Refusal(ValueError):
    """Ends the reading of one record. Never leaves this package."""

    def __init__(self, code: DeadLetterCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


_CODE_OF_WORDS = {
    Kind: DeadLetterCode.UNKNOWN_KIND,
    RulingKind: DeadLetterCode.UNKNOWN_KIND,
    Stance: DeadLetterCode.UNKNOWN_STANCE,
    Verdict: DeadLetterCode.UNKNOWN_VERDICT,
}
# Members stay undecoded. So the syntax of unknown fields is checked, and their values are never built.
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_control = re.compile("[\x00-\x1f]").search
_strings = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
# +1 for an opening bracket, −1 for a closing one, 0 for any other byte.
_STEP = np.zeros(256, np.int32)
_STEP[list(b"[{")] = 1
_STEP[list(b"]}")] = -1


def has_control(text: str) -> bool:
    """Whether the text holds U+0000 to U+001F, which JSON allows as escapes only."""
    return _control(text) is not None


def depth_of(value: bytes) -> int:
    """Deepest nesting of arrays and objects in a JSON text, which may be cut or broken."""
    outside = np.frombuffer(_strings.sub(b"", value), np.uint8)
    return int(np.cumsum(_STEP[outside]).max(initial=0))


def read(record: LogRecord, definition: type[Record], limits: Limits) -> tuple[dict[str, Any], set[Mend]]:
    """The declared fields that the record has, checked, and what was mended.

    Fields of any type are left out. Raises Refusal with the first fault: faults of the whole record first, in the order
    of DeadLetterCode, then those of fields, in the order of the definition.
    """
    value = _framed(record, limits)
    members, mends = _parsed(value)
    specs = fields_of(definition)
    if mends and (name := damaged(value, [spec.name for spec in specs if _names(spec)])):
        raise Refusal(DeadLetterCode.NOT_UTF8, f"field {name} holds half a character, or a byte that is none")
    _check_version(members, definition)
    fields: dict[str, Any] = {}
    for spec in specs:
        raw = members.get(spec.name)
        if raw is None or bytes(raw) == b"null":
            if spec.required:
                raise Refusal(DeadLetterCode.MISSING_FIELD, f"field {spec.name} is missing")
        elif spec.tells:
            fields[spec.name] = _told(spec, raw, mends)
        elif type(spec.shape) is not AnyType:
            fields[spec.name] = _checked(spec, raw, record.timestamp + limits.clock_ahead_max_ms)
    return fields, mends


def _names(spec: Field) -> bool:
    """Whether the field names something, by which records are told apart."""
    return not (spec.tells or isinstance(spec.shape, AnyType))


def _no_utf8(value: bytes) -> str:
    try:
        value.decode()
    except UnicodeDecodeError as error:
        return f"byte {error.start}: {error.reason}"
    return ""


def _told(spec: Field, raw: msgspec.Raw, mends: set[Mend]) -> str | None:
    """A text that names nothing: cut if it is too long, None if it is no string."""
    if not bytes(raw).startswith(b'"'):
        mends.add(Mend.WRONG_TYPE)
        return None
    found: str = _plain(spec.name, raw)
    if spec.max_length is not None and len(found) > spec.max_length:
        mends.add(Mend.CUT)
    return found[: spec.max_length]


def _framed(record: LogRecord, limits: Limits) -> bytes:
    """The record's value. Refusal if there is none, if it is too long, or if the key is not UTF-8."""
    value, key = record.value, record.key
    if not value:
        raise Refusal(DeadLetterCode.EMPTY, "the record has no value")
    if len(value) > limits.value_bytes_max:
        raise Refusal(DeadLetterCode.OVERSIZE, f"{len(value):,} bytes, {limits.value_bytes_max:,} are allowed")
    try:
        if key is not None:
            key.decode()
    except UnicodeDecodeError as error:
        raise Refusal(DeadLetterCode.KEY_NOT_UTF8, f"key byte {error.start}: {error.reason}") from None
    return value


def _parsed(value: bytes) -> tuple[Mapping[str, msgspec.Raw], set[Mend]]:
    """The members of the JSON object, undecoded and mended, and what was mended."""
    whole, mends = characters(value)
    if whole.count(b"[") + whole.count(b"{") > DEPTH_MAX and (depth := depth_of(whole)) > DEPTH_MAX:
        raise Refusal(DeadLetterCode.TOO_DEEP, f"{depth:,} levels, {DEPTH_MAX} are allowed")
    try:
        return _members(whole), mends
    except msgspec.DecodeError as error:
        if Mend.NOT_UTF8 in mends:
            raise Refusal(DeadLetterCode.NOT_UTF8, _no_utf8(value)) from None
        if isinstance(error, msgspec.ValidationError):
            raise Refusal(DeadLetterCode.NOT_OBJECT, f"the value begins with {value.lstrip()[:20]!r}") from None
        raise Refusal(DeadLetterCode.NOT_JSON, str(error)) from None


def _check_version(members: Mapping[str, msgspec.Raw], definition: type[Record]) -> None:
    """Check the version before other fields, for another version may have others."""
    raw = members.get("v")
    if raw is None or bytes(raw) == b"null":
        raise Refusal(DeadLetterCode.MISSING_FIELD, "field v is missing")
    version = _integer("v", _plain("v", raw))
    if version != definition.VERSION:
        raise Refusal(
            DeadLetterCode.UNSUPPORTED_VERSION,
            f"version {version} of {definition.NAME}; this release reads version {definition.VERSION}",
        )


def _plain(name: str, raw: msgspec.Raw) -> Any:
    text = bytes(raw)
    try:
        found = orjson.loads(text)
        # Integers of more than 64 bits come as floats, too inexact to compare with limits.
        return int(text) if isinstance(found, float) and text.lstrip(b"-").isdigit() else found
    except ValueError:
        # The syntax was checked before, so this is a number beyond the range of a double.
        raise Refusal(DeadLetterCode.OUT_OF_RANGE, f"field {name} is no finite number") from None


def _checked(spec: Field, raw: msgspec.Raw, clock_max_ms: int) -> Any:
    found = _plain(spec.name, raw)
    if type(spec.shape) is IntType:
        return _in_range(spec, spec.shape, _integer(spec.name, found), clock_max_ms)
    if not isinstance(found, str):
        raise Refusal(DeadLetterCode.WRONG_TYPE, f"field {spec.name} is {_kind_of(found)}, not a string")
    if spec.words is not None:
        if found not in spec.words._value2member_map_:
            raise Refusal(_CODE_OF_WORDS[spec.words], f"{spec.name} {found[:40]!r} is none of: {', '.join(spec.words)}")
        return found
    if spec.identifier and not found:
        raise Refusal(DeadLetterCode.EMPTY_ID, f"field {spec.name} is empty; leave it out instead")
    if spec.max_length is not None and len(found) > spec.max_length:
        raise Refusal(
            DeadLetterCode.TOO_LONG, f"field {spec.name}: {len(found):,} characters, {spec.max_length:,} are allowed"
        )
    if spec.identifier and has_control(found):
        raise Refusal(DeadLetterCode.CONTROL_CHARACTER, f"field {spec.name} holds a control character")
    return found


def _integer(name: str, found: object) -> int:
    """The integer, by JSON Schema's rule: 1.0 is one, true is not. Refusal for anything else."""
    if isinstance(found, float) and found.is_integer():
        return int(found)
    if isinstance(found, bool) or not isinstance(found, int):
        raise Refusal(DeadLetterCode.WRONG_TYPE, f"field {name} is {_kind_of(found)}, not an integer")
    return found


def _in_range(spec: Field, limits: IntType, number: int, clock_max_ms: int) -> int:
    low, high = (INT64_MIN, INT64_MAX) if spec.clock else (limits.ge, limits.le)
    if (low is not None and number < low) or (high is not None and number > high):
        raise Refusal(DeadLetterCode.OUT_OF_RANGE, f"field {spec.name} is {number}, outside {low} to {high}")
    if spec.clock and number < CLOCK_MIN_MS:
        raise Refusal(DeadLetterCode.ABSURD_CLOCK, f"field {spec.name} is {number}, before the year 2000")
    if spec.clock and number > clock_max_ms:
        raise Refusal(
            DeadLetterCode.ABSURD_CLOCK, f"field {spec.name} is {number}, too far ahead of the broker's clock"
        )
    return number


def _kind_of(found: object) -> str:
    names = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "an array",
        dict: "an object",
    }
    return names.get(type(found), "null")
