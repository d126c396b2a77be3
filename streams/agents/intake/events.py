"""Events to columns: the intake's hot path."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import orjson
from xxhash import xxh3_64_intdigest

from streams.agents.intake.careful import Limits, Refusal, has_control, read
from streams.agents.intake.copied_text import copy_hash
from streams.agents.publish.letters import Reject
from streams.contract.codes import CORRECTS_FROM, KIND_CODES, NO_STANCE, POST, RESHARE, STANCE_CODES, SUPPORT
from streams.contract.records import Event
from streams.contract.words import DEPTH_MAX, ROOT_TEXT_CHARS_MAX, DeadLetterCode, Kind, Mend
from streams.engine.fetched import LogRecord
from streams.tables.blocks import Block, Column
from streams.tables.categorical import Categorical

_row = msgspec.json.Decoder(Event).decode
_canonical = msgspec.msgpack.Encoder().encode
_MAY_START = frozenset(str(kind) for kind in Event.UNLESS_KIND)
_named = attrgetter("claim_id")
CHUNK = 256  # records that are checked together; if one is not plain, all of these are looked at one by one
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError)


def decode_events(
    records: Sequence[LogRecord], partition: int, limits: Limits, mended: list[Mend] | None = None
) -> tuple[Block, list[Reject]]:
    """The events among fetched records as one block, and a reject for each of the others.

    Args:
        records: of one partition of the events topic, ascending by offset; values as fetched.
        partition: the partition that they were fetched from.
        limits: the operator's.
        mended: gets what was mended in events that count, each kind of fault once for an event.

    Returns:
        A block of kind "events", perhaps without rows, and the rejects, both ascending by offset. Every record is in
        exactly one of them. `streams.tables.blocks.COLUMNS` names the block's columns; its origins are the offsets.
        Clocks are clamped to the record's append time. A post or reshare without a stance supports.
    """
    rows: list[Event] = []
    kept: list[LogRecord] = []
    rejects: list[Reject] = []
    for start in range(0, len(records), CHUNK):
        chunk = records[start : start + CHUNK]
        found = _all_plain(chunk, limits)
        if found is None:
            found, chunk = _one_by_one(chunk, limits, rejects, [] if mended is None else mended)
        rows += found
        kept += chunk
    return _block(rows, kept, partition), rejects


def _claim_of(row: Event) -> str | None:
    """The claim that the row itself names; None if it names none."""
    return row.claim_id or row.root_id or (row.id if row.kind in _MAY_START else None)


def _all_plain(records: Sequence[LogRecord], limits: Limits) -> list[Event] | None:
    """The rows, if all records are plainly valid; None if they must be looked at one by one.

    The typed decoder checks most. The rest is checked on all values joined: each ends in a brace, so that what holds
    for the whole holds for each.
    """
    values: list[Any] = [record.value for record in records]
    try:
        rows = list(map(_row, values))  # None makes the decoder raise TypeError
        whole = b"".join(values)
        whole.decode()  # the decoder does not check UTF-8 in members that it skips
        b"\0".join(filter(None, [record.key for record in records])).decode()
    except _UNREADABLE:
        return None
    occurred = np.fromiter([row.occurred_at_ms for row in rows], np.int64, len(rows))
    latest = np.fromiter([record.timestamp for record in records], np.int64, len(rows)) + limits.clock_ahead_max_ms
    if (occurred > latest).any() or max(map(len, values)) > limits.value_bytes_max:
        return None
    if not all(map(_named, rows)) and None in map(_claim_of, rows):
        return None
    # Without a backslash there is no control character; with one brace a value there is no nesting.
    simple = 92 not in whole and 91 not in whole and whole.count(b"{") == len(values)
    return rows if simple or all(map(_harmless, values, rows)) else None


def _one_by_one(
    records: Sequence[LogRecord], limits: Limits, rejects: list[Reject], mended: list[Mend]
) -> tuple[list[Event], list[LogRecord]]:
    """The rows of valid records, and these records. Others go to `rejects`."""
    rows: list[Event] = []
    kept: list[LogRecord] = []
    for record in records:
        try:
            found = _all_plain([record], limits)
            rows.append(found[0] if found else _examined(record, limits, mended))
            kept.append(record)
        except Refusal as refusal:
            rejects.append(Reject(refusal.code, refusal.detail, record))
    return rows, kept


def _harmless(value: bytes, row: Event) -> bool:
    """Whether a value is not nested too deeply and its ids have no control character."""
    if (value.rfind(b"{") or 91 in value) and value.count(b"[") + value.count(b"{") > DEPTH_MAX:
        return False
    if 92 not in value:
        return True
    ids = f"{row.id}{row.source_id}{row.parent_id}{row.root_id}{row.claim_id}{row.community_id}"
    return ids.isprintable() or not has_control(ids)


def _examined(record: LogRecord, limits: Limits, mended: list[Mend]) -> Event:
    """The row by the careful path. Raises Refusal if there is none."""
    fields, mends = read(record, Event, limits)
    row = Event(**fields)
    if _claim_of(row) is None:
        raise Refusal(DeadLetterCode.ORPHAN, f"a {row.kind} must name its claim_id or root_id")
    mended += mends
    return row


def _block(rows: list[Event], kept: list[LogRecord], partition: int) -> Block:
    n = len(rows)
    ids = [row.id for row in rows]
    kind = np.fromiter([KIND_CODES[row.kind] for row in rows], np.int8, n)
    stance = np.fromiter([STANCE_CODES[row.stance] for row in rows], np.int8, n)
    occurred = np.fromiter([row.occurred_at_ms for row in rows], np.int64, n)
    appended = np.fromiter([record.timestamp for record in kept], np.int64, n)
    root = np.zeros(n, np.int8)
    for i in np.flatnonzero(kind == POST).tolist():
        root[i] = _starts(rows[i])
    claims = [row.claim_id or row.root_id or row.id for row in rows]
    for i in np.flatnonzero(kind >= CORRECTS_FROM).tolist():
        claims[i], root[i] = "", rows[i].text is not None
    columns: dict[str, Column] = {
        "s": Categorical.of([row.source_id for row in rows]),
        "c": Categorical.of(claims),
        "i": ids,
        "e": np.maximum(np.fromiter(map(xxh3_64_intdigest, ids), np.uint64, n), np.uint64(1)),  # 0 would be no event
        "h": np.fromiter(map(xxh3_64_intdigest, map(_canonical, rows)), np.uint64, n),  # however it was written
        "kind": kind,
        "x": _effective(kind, stance),
        "t": np.minimum(occurred, appended),
        "m": Categorical.of([row.community_id or "" for row in rows]),
        "g": _copy_hashes([row.text or "" for row in rows]),
        "r": root,
        "said": _said(rows, root),
    }
    return Block("events", f"e/{partition}", np.fromiter([record.offset for record in kept], np.int64, n), columns)


def _said(rows: list[Event], root: npt.NDArray[np.int8]) -> Categorical:
    """[rows] words and place of roots, and of updates that bring a text, as JSON; "" for all others."""
    categories, codes = [""], np.zeros(len(rows), np.int64)
    for i in np.flatnonzero(root).tolist():
        row = rows[i]
        if row.text or row.url or row.kind == Kind.UPDATE:
            codes[i] = len(categories)
            categories.append(orjson.dumps([_cut(row.text or ""), row.url or "", row.lang or ""]).decode())
    return Categorical(categories, codes)


def _cut(text: str) -> str:
    return text if len(text) <= ROOT_TEXT_CHARS_MAX else text[: ROOT_TEXT_CHARS_MAX - 1] + "…"


def _copy_hashes(texts: list[str]) -> npt.NDArray[np.uint64]:
    """[texts] hash of each; equal texts are hashed once."""
    hashes = {text: copy_hash(text) for text in set(texts)}
    return np.fromiter(map(hashes.__getitem__, texts), np.uint64, len(texts))


def _effective(kind: npt.NDArray[np.int8], stance: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """[rows] stance as given; a post or reshare without one supports what it spreads."""
    spreads = (kind == POST) | (kind == RESHARE)
    return np.where(spreads & (stance == NO_STANCE), np.int8(SUPPORT), stance)


def _starts(row: Event) -> bool:
    """Whether the event, a post, is the root of its cascade."""
    return row.parent_id is None and (row.root_id is None or row.root_id == row.id)
