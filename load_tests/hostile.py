"""Hostile input: seeded records that must be refused, each with the code that must be given.

Every class of fault that the codec knows, and of what it mends instead, is made here from good events, so that a test,
a demo or a soak can mix as many as it likes into a stream and check that each one, and nothing else, ends in the dead
letters. The expected code
comes from how the record was made, never from the codec.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from streams.contract.words import DeadLetterCode as Code
from streams.contract.words import Mend

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Hostile:
    """A record as it is to be produced, and the code that it must get.

    Attributes:
        name: what is wrong with it.
    """

    name: str
    code: Code
    value: bytes | None
    key: bytes | None = None


def good_event(rng: random.Random, now_ms: int) -> dict[str, Any]:
    """A valid event with every optional field; its identifiers begin with "hostile-", so that no count meets them."""
    number = rng.randrange(10**9)
    return {
        "v": 1,
        "id": f"hostile-event-{number}",
        "kind": rng.choice(["post", "reshare", "reply", "reaction", "report", "follow"]),
        "source_id": f"hostile-source-{rng.randrange(1_000)}",
        "occurred_at_ms": now_ms - rng.randrange(HOUR_MS),
        "parent_id": f"hostile-event-{number // 2}",
        "root_id": f"hostile-event-{number // 100}",
        "claim_id": f"hostile-claim-{number // 100}",
        "url": "https://example.org/hostile",
        "text": rng.choice(["It is so.", "It is not so.", "Žluťoučký kůň", 'a "quote" and \\ a backslash\n']),
        "stance": rng.choice(["support", "deny", "query", "comment"]),
        "community_id": "hostile-community",
        "lang": "en",
        "extra": {"nested": [1, 2.5, None, True]},
    }


def good_ruling(rng: random.Random, now_ms: int) -> dict[str, Any]:
    """A valid ruling with every optional field, on a claim that no other stream has."""
    number = rng.randrange(10**9)
    return {
        "v": 1,
        "id": f"hostile-ruling-{number}",
        "claim_id": f"hostile-claim-{number}",
        "version": rng.randrange(1, 9),
        "verdict": rng.choice(["true", "false", "mixed", "withdrawn"]),
        "rater_id": "hostile-rater",
        "ruled_at_ms": now_ms - rng.randrange(HOUR_MS),
        "kind": rng.choice(["fact-check", "moderation", "appeal"]),
        "event_id": f"hostile-event-{number}",
        "url": "https://example.org/hostile",
        "original": {"ratingValue": 1, "bestRating": 5},
    }


Made = tuple[Code, bytes | None] | tuple[Code, bytes | None, bytes]
Maker = Callable[[random.Random, int], Made]


def _bytes(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode()


def _spoilt(code: Code, **changes: Callable[[random.Random], Any] | Any) -> Maker:
    """A good event with some fields set to other values."""

    def make(rng: random.Random, now_ms: int) -> Made:
        event = good_event(rng, now_ms)
        event.update({name: change(rng) if callable(change) else change for name, change in changes.items()})
        return code, _bytes(event)

    return make


def _without(name: str) -> Maker:
    def make(rng: random.Random, now_ms: int) -> Made:
        event = good_event(rng, now_ms)
        if rng.random() < 0.5:
            del event[name]
        else:
            event[name] = None
        return Code.MISSING_FIELD, _bytes(event)

    return make


def _raw(code: Code, make_bytes: Callable[[random.Random], bytes | None]) -> Maker:
    return lambda rng, now_ms: (code, make_bytes(rng))


def _edited(code: Code, edit: Callable[[random.Random, bytes], bytes]) -> Maker:
    """The bytes of a good event, edited."""
    return lambda rng, now_ms: (code, edit(rng, _bytes(good_event(rng, now_ms))))


def _insert(member: bytes) -> Callable[[random.Random, bytes], bytes]:
    """Puts a member in the first or last place of an object."""

    def edit(rng: random.Random, value: bytes) -> bytes:
        return b"{" + member + b"," + value[1:] if rng.random() < 0.5 else value[:-1] + b"," + member + b"}"

    return edit


def _cut(rng: random.Random, value: bytes) -> bytes:
    # Only ASCII is left of the cut, so that the fault is the cut alone.
    value = json.dumps(json.loads(value)).encode()
    return value[: rng.randrange(1, len(value))]


def _nested(rng: random.Random, value: bytes) -> bytes:
    levels = rng.choice([65, 100, 1_000, 20_000])
    opening, closing = rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    levels = min(levels, 60_000 // (len(opening) + 1))
    deep = opening * levels + b"0" + (closing * levels if rng.random() < 0.7 else b"")
    return _insert(b'"deep":' + deep)(rng, value)


def _random_bytes(rng: random.Random) -> bytes:
    # 0xff is in no UTF-8 text, wherever it stands.
    noise = bytearray(rng.randbytes(rng.randrange(1, 2_000)))
    noise[rng.randrange(len(noise))] = 0xFF
    return bytes(noise)


def _clock(code: Code, clock: Callable[[random.Random, int], int]) -> Maker:
    def make(rng: random.Random, now_ms: int) -> Made:
        return code, _bytes(good_event(rng, now_ms) | {"occurred_at_ms": clock(rng, now_ms)})

    return make


def _bad_key(rng: random.Random, now_ms: int) -> Made:
    key = rng.choice([b"\xff", b"user-\xc3", b"\xed\xa0\x80", b"\xc0\xaf", rng.randbytes(1_000_000) + b"\xfe"])
    return Code.KEY_NOT_UTF8, _bytes(good_event(rng, now_ms)), key


def _orphan(rng: random.Random, now_ms: int) -> Made:
    event = good_event(rng, now_ms)
    del event["claim_id"], event["root_id"]
    event["kind"] = rng.choice(["reshare", "reply", "reaction", "report", "follow"])
    return Code.ORPHAN, _bytes(event)


_IDS = ("id", "source_id", "parent_id", "root_id", "claim_id", "community_id")
_NOT_A_STRING: tuple[Any, ...] = (0, 1.5, True, False, [], ["a"], {}, {"a": 1})


def _one_of(code: Code, names: tuple[str, ...], value: Callable[[random.Random], Any]) -> Maker:
    """A good event in which one of the fields has another value."""

    def make(rng: random.Random, now_ms: int) -> Made:
        return code, _bytes(good_event(rng, now_ms) | {rng.choice(names): value(rng)})

    return make


def _long(low: int, high: int) -> Callable[[random.Random], str]:
    return lambda rng: rng.choice("aé漢") * rng.randrange(low, high)


def _control(rng: random.Random) -> str:
    return f"a{chr(rng.randrange(32))}b"


EVENT_FAULTS: dict[str, Maker] = {
    # With a key, since some clients refuse to send a record with neither.
    "no value": lambda rng, now_ms: (Code.EMPTY, None, b"hostile"),
    "value of no bytes": _raw(Code.EMPTY, lambda rng: b""),
    "1 MB of a": _raw(Code.OVERSIZE, lambda rng: b"a" * 1_000_000),
    "valid event of 1 MB": _spoilt(Code.OVERSIZE, text="a" * 1_000_000),
    "valid event over 64 KiB by an unknown field": _spoilt(Code.OVERSIZE, padding="x" * 65_536),
    "key not UTF-8": _bad_key,
    "random bytes": _raw(Code.NOT_UTF8, _random_bytes),
    "UTF-16": _edited(Code.NOT_UTF8, lambda rng, value: b"\xff\xfe" + value.decode().encode("utf-16-le")),
    "stray byte outside of strings": _edited(Code.NOT_UTF8, lambda rng, value: value[:-1] + b"\xff}"),
    "stray byte in an id": _edited(Code.NOT_UTF8, lambda rng, v: v.replace(b"hostile-source", b"\xc3-source")),
    "lone surrogate in an id": _edited(Code.NOT_UTF8, lambda rng, v: v.replace(b"hostile-source", b"\\ud800-source")),
    "half a character in each of two ids": _edited(
        Code.NOT_UTF8,
        lambda rng, v: v.replace(b"hostile-event-", rng.choice([b"\\udc00", b"\\ud83dx", b"\xff", b"\xe6\xbc"])),
    ),
    "deep nesting": _edited(Code.TOO_DEEP, _nested),
    "only opening brackets": _raw(Code.TOO_DEEP, lambda rng: b"[" * rng.randrange(65, 60_000)),
    "cut short": _edited(Code.NOT_JSON, _cut),
    "NaN": _edited(Code.NOT_JSON, _insert(b'"x":NaN')),
    "Infinity": _edited(Code.NOT_JSON, _insert(b'"x":-Infinity')),
    "NaN clock": _spoilt(Code.NOT_JSON, occurred_at_ms=float("nan")),
    "single quotes": _raw(Code.NOT_JSON, lambda rng: b"{'v':1}"),
    "trailing comma": _edited(Code.NOT_JSON, lambda rng, value: value[:-1] + b",}"),
    "two objects": _edited(Code.NOT_JSON, lambda rng, value: value + rng.choice([b"", b",", b"\n"]) + value),
    "comment": _edited(Code.NOT_JSON, lambda rng, value: b"/* */" + value),
    "byte-order mark": _edited(Code.NOT_JSON, lambda rng, value: b"\xef\xbb\xbf" + value),
    "raw control character": _edited(Code.NOT_JSON, _insert(b'"x":"\x00"')),
    "leading zero": _edited(Code.NOT_JSON, _insert(b'"x":007')),
    "unquoted word": _raw(Code.NOT_JSON, lambda rng: rng.choice([b"hello", b"nul", b"{", b"]", b"\x00", b"   "])),
    "XML": _raw(Code.NOT_JSON, lambda rng: b"<event id='1'/>"),
    "array": _edited(Code.NOT_OBJECT, lambda rng, value: b"[" + value + b"]"),
    "plain value": _raw(Code.NOT_OBJECT, lambda rng: rng.choice([b"null", b"1", b'"event"', b"true", b"[]", b"-0.0"])),
    "another version": _spoilt(Code.UNSUPPORTED_VERSION, v=lambda rng: rng.choice([0, 2, 3, -1, 10**30])),
    "version as text": _spoilt(Code.WRONG_TYPE, v=lambda rng: rng.choice(["1", True, 1.5, [1], {}])),
    **{f"without {name}": _without(name) for name in ("v", "id", "kind", "source_id", "occurred_at_ms")},
    "empty object": _raw(Code.MISSING_FIELD, lambda rng: b"{}"),
    "number or structure for a string": _one_of(
        Code.WRONG_TYPE, (*_IDS, "kind", "stance"), lambda rng: rng.choice(_NOT_A_STRING)
    ),
    "boolean clock": _spoilt(Code.WRONG_TYPE, occurred_at_ms=lambda rng: rng.choice([True, False])),
    "clock as text": _spoilt(Code.WRONG_TYPE, occurred_at_ms="2024-01-01T00:00:00Z"),
    "broken clock": _spoilt(Code.WRONG_TYPE, occurred_at_ms=1_700_000_000_000.5),
    "empty id": _one_of(Code.EMPTY_ID, _IDS, lambda rng: ""),
    "long id": _one_of(Code.TOO_LONG, _IDS, _long(257, 5_000)),
    "control character in an id": _one_of(Code.CONTROL_CHARACTER, _IDS, _control),
    "unknown kind": _spoilt(Code.UNKNOWN_KIND, kind=lambda rng: rng.choice(["", "Post", "like", "post ", "\x00"])),
    "unknown stance": _spoilt(Code.UNKNOWN_STANCE, stance=lambda rng: rng.choice(["", "DENY", "for", "ＤＥＮＹ"])),
    "clock before 2000": _clock(Code.ABSURD_CLOCK, lambda rng, now: rng.choice([0, -1, 946_684_799_999, now // 1_000])),
    "clock far ahead": _clock(Code.ABSURD_CLOCK, lambda rng, now: now + 48 * HOUR_MS + rng.randrange(10**15)),
    "clock in nanoseconds": _clock(Code.ABSURD_CLOCK, lambda rng, now: now * 1_000_000),
    "clock beyond 64 bits": _clock(
        Code.OUT_OF_RANGE, lambda rng, now: rng.choice([2**63, 2**64, -(2**63) - 1, 10**40])
    ),
    "infinite clock": _edited(Code.OUT_OF_RANGE, lambda rng, value: value[:-1] + b',"occurred_at_ms":1e999}'),
    "orphan": _orphan,
}
"""What is wrong → how to make an event that is wrong in this way."""

Mender = Callable[[random.Random, int], tuple[Mend, bytes]]


def _mended(mend: Mend, edit: Callable[[random.Random, bytes], bytes]) -> Mender:
    """The bytes of a good event, edited where nothing is named."""
    return lambda rng, now_ms: (mend, edit(rng, _bytes(good_event(rng, now_ms))))


def _told(mend: Mend, name: str, value: Callable[[random.Random], Any]) -> Mender:
    """A good event with another value in a field that only tells."""
    return lambda rng, now_ms: (mend, _bytes(good_event(rng, now_ms) | {name: value(rng)}))


def _in_text(half: bytes) -> Callable[[random.Random, bytes], bytes]:
    """Puts bytes into the text of an event, or into a text that no schema lists."""

    def edit(rng: random.Random, value: bytes) -> bytes:
        return _insert(rng.choice([b'"note":"%b"', b'"raw":{"t":["%b"]}', b'"no%bte":0']) % half)(rng, value)

    return edit


EVENT_MENDS: dict[str, Mender] = {
    "stray byte": _mended(Mend.NOT_UTF8, _in_text(b"\xff")),
    "overlong encoding": _mended(Mend.NOT_UTF8, _in_text(b"\xc0\xaf")),
    "surrogate in bytes": _mended(Mend.NOT_UTF8, _in_text(b"\xed\xa0\x80")),
    "character cut in bytes": _mended(Mend.NOT_UTF8, _in_text(b"\xf0\x9f\x98")),
    "half an emoji": _mended(Mend.HALF_CHARACTER, _in_text(b"\\ud83d")),
    "half an emoji before a letter": _mended(Mend.HALF_CHARACTER, _in_text(b"\\ud83d\\u0041")),
    "two first halves": _mended(Mend.HALF_CHARACTER, _in_text(b"\\ud83d\\ud83d")),
    "lone second half": _mended(Mend.HALF_CHARACTER, _in_text(b"\\udc00 x")),
    "halves in wrong order": _mended(Mend.HALF_CHARACTER, _in_text(b"\\uDE00\\uD83D")),
    "half an emoji in the text": _mended(
        Mend.HALF_CHARACTER, lambda rng, v: v.replace(b'"text": "', b'"text": "\\ud83d')
    ),
    "stray byte in the text": _mended(Mend.NOT_UTF8, lambda rng, v: v.replace(b'"text": "', b'"text": "\xc3')),
    "huge text": _told(Mend.CUT, "text", _long(10_001, 20_000)),
    "long url": _told(Mend.CUT, "url", _long(2_049, 10_000)),
    "long language": _told(Mend.CUT, "lang", _long(36, 1_000)),
    **{
        f"{name} that is no string": _told(Mend.WRONG_TYPE, name, lambda rng: rng.choice(_NOT_A_STRING))
        for name in ("url", "text", "lang")
    },
}
"""What is odd in a field that names nothing → how to make such an event: it counts, and is mended in this way."""


def _ruling(code: Code, **changes: Callable[[random.Random], Any] | Any) -> Maker:
    """A good ruling with some fields set to other values, or left out where the value is None."""

    def make(rng: random.Random, now_ms: int) -> Made:
        ruling = good_ruling(rng, now_ms)
        ruling.update({name: change(rng) if callable(change) else change for name, change in changes.items()})
        return code, _bytes({name: value for name, value in ruling.items() if value is not None})

    return make


_RULING_FIELDS = ("v", "id", "claim_id", "version", "verdict", "rater_id", "ruled_at_ms", "kind")
_ANY_RECORD = (
    "no value",
    "value of no bytes",
    "1 MB of a",
    "random bytes",
    "only opening brackets",
    "XML",
    "plain value",
)

RULING_FAULTS: dict[str, Maker] = {
    **{name: EVENT_FAULTS[name] for name in _ANY_RECORD},
    **{f"without {name}": _ruling(Code.MISSING_FIELD, **{name: None}) for name in _RULING_FIELDS},
    "unknown verdict": _ruling(Code.UNKNOWN_VERDICT, verdict=lambda rng: rng.choice(["", "False", "pants on fire"])),
    "verdict as a boolean": _ruling(Code.WRONG_TYPE, verdict=lambda rng: rng.choice([True, False])),
    "unknown kind of ruling": _ruling(Code.UNKNOWN_KIND, kind="rumour"),
    "version 0": _ruling(Code.OUT_OF_RANGE, version=lambda rng: rng.choice([0, -1, 2**53, 2**63])),
    "broken version": _ruling(Code.WRONG_TYPE, version=lambda rng: rng.choice([1.5, "1", True, [1]])),
    "empty id": _ruling(Code.EMPTY_ID, claim_id=""),
    "long id": _ruling(Code.TOO_LONG, rater_id=_long(257, 5_000)),
    "control character in an id": _ruling(Code.CONTROL_CHARACTER, claim_id=_control),
    "clock before 2000": _ruling(Code.ABSURD_CLOCK, ruled_at_ms=0),
    "clock far ahead": _ruling(Code.ABSURD_CLOCK, ruled_at_ms=10**15),
    "clock beyond 64 bits": _ruling(Code.OUT_OF_RANGE, ruled_at_ms=2**63),
    "another version": _ruling(Code.UNSUPPORTED_VERSION, v=2),
    "an event": lambda rng, now_ms: (Code.MISSING_FIELD, _bytes(good_event(rng, now_ms))),
}
"""What is wrong → how to make a ruling that is wrong in this way."""

_HEAVY = frozenset({"1 MB of a", "valid event of 1 MB", "key not UTF-8"})
_HEAVY_SHARE = 0.02


def hostile_events(seed: int, now_ms: int) -> Iterator[Hostile]:
    """Endless hostile events, every fault in turn and in random order; the same for the same arguments.

    Args:
        seed: of the generator.
        now_ms: a time that is at most a few hours before the one at which the broker will append them.

    The three faults of a megabyte come once in fifty rounds.
    """
    return _endless(EVENT_FAULTS, seed, now_ms)


def hostile_rulings(seed: int, now_ms: int) -> Iterator[Hostile]:
    """As `hostile_events`, for the topic of rulings."""
    return _endless(RULING_FAULTS, seed, now_ms)


def _endless(faults: dict[str, Maker], seed: int, now_ms: int) -> Iterator[Hostile]:
    rng = random.Random(seed)
    names = list(faults)
    while True:
        rng.shuffle(names)
        for name in names:
            if name not in _HEAVY or rng.random() < _HEAVY_SHARE:
                code, value, *key = faults[name](rng, now_ms)
                yield Hostile(name, code, value, key[0] if key else None)


def mutated(rng: random.Random, value: bytes) -> bytes:
    """The bytes with one to four random edits; they may still be valid, so they come without a code."""
    edited = bytearray(value)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(edited) + 1)
        match rng.randrange(4):
            case 0:
                del edited[at : at + rng.randrange(1, 9)]
            case 1:
                edited[at:at] = rng.randbytes(rng.randrange(1, 5))
            case 2:
                edited[at:at] = rng.choice(
                    [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"1e9", b"-"]
                )
            case _:
                edited[at : at + 1] = rng.randbytes(1)
    return bytes(edited)
