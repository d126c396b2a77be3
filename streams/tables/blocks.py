"""Blocks: the rows that travel between stages, as columns in one Kafka record.

A block is one log record, and so the unit in which decisions are taken: how records were fetched or batched never
changes a result. On the wire it is a head of JSON and raw columns (see `encode`): cheap to read, cheap to send on.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, starmap
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from streams.contract.words import Kind, Stance, Verdict
from streams.tables.categorical import Categorical
from streams.tables.compression import compress, expand

Column = Any  # npt.NDArray for numbers, Categorical for words, list[str] for other text

WORD = "word"  # texts that repeat: names of sources, claims, communities
TEXT = "text"
ROWS_MAX = 1 << 24  # of a block: more would not fit into a record
_HEAD = struct.Struct("<I")

ANY = "json"  # lists of numbers
_CODES = (("<u1", 1 << 8), ("<u2", 1 << 16), ("<u4", 1 << 32))  # type of codes, below so many words

_STAMP = {
    "w": "f8",  # signed weight of the source's support, nats; public corroboration floors it at 0
    "v": "f8",  # the same of its denial
    "z": "i8",  # stamp sequence of the source: the highest wins
    "cl": "u8",  # copy-cluster of the source, 0 = none
    "band": "i1",  # history band: 0 none, 1 few, 2 many settled claims
    "hist0": "f8",  # history of the source, log-odds of taking part in falsehoods, nats: undecayed,
    "hist30": "f8",  # with a half-life of 30 days,
    "hist60": "f8",  # and of 60 days
    "known": "i1",  # 1 if the source took part in any settled claim
}

COLUMNS: dict[str, dict[str, str]] = {
    "events": {
        "s": WORD,  # source id
        "c": WORD,  # claim id; "" for deletes and updates, which are found by the event id
        "i": TEXT,  # event id
        "e": "u8",  # 64-bit hash of the event id
        "h": "u8",  # 64-bit hash of the content
        "kind": "i1",
        "x": "i1",  # effective stance
        "t": "i8",  # occurred_at_ms
        "m": WORD,  # community named by the event, "" = none
        "g": "u8",  # 64-bit hash of the normalised text, 0 = none
        "r": "i1",  # 1 for the claim's root post, and for an update that brings a text
    },
    "credits": {
        "s": WORD,
        "c": WORD,
        "ver": "i8",  # settlement version of the claim: the highest wins
        "y": "i1",  # +1 right, −1 wrong, 0 none
        "stance": "i1",  # stance that was credited
        "q": "f8",  # P(own stance is right) just before it was taken
        "f": "i1",  # +1 the claim was false, −1 true, 0 no finding
        "t": "i8",  # time of the first ruling, ms
    },
    "stamped": {
        "s": WORD,
        "c": WORD,
        "i": TEXT,
        "e": "u8",
        "kind": "i1",
        "x": "i1",
        "t": "i8",
        "m": WORD,
        "g": "u8",
        "r": "i1",
        **_STAMP,
    },
    # Deletes and updates of events that were stamped before.
    "corrections": {
        "s": WORD,
        "c": WORD,
        "i": TEXT,
        "e": "u8",
        "kind": "i1",
        "x": "i1",  # stance that an update brings, 0 = none
        "t": "i8",
        "g": "u8",
        "r": "i1",  # 1 for an update that brings a text
    },
    "restamp": {"s": WORD, "c": WORD, **_STAMP},
    "rulings": {
        "c": WORD,
        "id": TEXT,
        "ver": "i8",
        "verdict": "i1",  # 0 withdrawn, 1 true, 2 false, 3 mixed
        "rater": TEXT,
        "t": "i8",
        "kind": TEXT,
        "event": TEXT,
        "url": TEXT,
        "h": "u8",  # 64-bit hash of the content
    },
    # From claims to the parameters stage, when a verdict settles a claim: what was known of it at set ages, and how
    # its sources' stances turned out.
    "lessons": {
        "c": WORD,
        "h": "i1",  # age of the snapshot in hours; 0 for a row of tallies
        "f": "i1",  # +1 the claim was false, −1 true
        "t": "i8",
        "n": "i8",  # participants at the snapshot
        "L": "f8",  # corroboration at the snapshot, nats
        "A": "f8",  # independent weight behind it
        "al": "f8",  # highest alarm before the verdict, nats; 0 in a row of tallies
        "sig": ANY,  # signals of risk at the snapshot, in their order; [] in a row of tallies
        "rw": ANY,  # [right, wrong] by kind of stance and band, 18 counts, new minus old; [] in a snapshot
        "w": "i8",  # written stances of the claim; 0 in a snapshot
    },
    # From sources and claims to the communities stage: first assertions of sources on a claim that is not their first
    # one, and claims with a verdict.
    "joined": {"s": WORD, "c": WORD, "t": "i8", "x": "i1", "m": WORD},
    "settled": {"c": WORD, "f": "i1", "t": "i8"},  # f: +1 false, −1 true, 0 no finding any more
    # From the communities stage to the source's partition: what it found about a source, as a version of the whole.
    "assign": {"s": WORD, "cl": "u8"},
    "tick": {},  # carries "t" in `meta`
    "params": {},  # carries the parameter version in `meta`
}


# Columns of codes → the lowest and the highest that a stage knows.
CODES = {
    "kind": (0, len(Kind) - 1),
    "x": (0, len(Stance)),
    "stance": (0, len(Stance) - 1),
    "verdict": (0, len(Verdict) - 1),
    "y": (-1, 1),
    "f": (-1, 1),
    "band": (0, 2),
    "known": (0, 2),
}


@dataclass(slots=True)
class Block:
    """Rows of one kind, as columns of equal length.

    Attributes:
        kind: a key of COLUMNS.
        up: upstream partition that made the rows, such as "e/3"; of an input topic with its short id, "e/3@1f3c9a2e",
            since offsets of one that was made anew begin again.
        origin: sequence in that upstream, for all rows (int) or for each (int64 array, ascending).
        columns: column name → numpy array or list of strings.
        meta: values that belong to the block as a whole.
    """

    kind: str
    up: str
    origin: int | npt.NDArray[np.int64]
    columns: dict[str, Column] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        for column in self.columns.values():
            return len(column)
        return 0

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def take(self, rows: npt.NDArray[np.int64]) -> Block:
        """The given rows, in the given order."""
        picked = rows.tolist() if any(isinstance(column, list) for column in self.columns.values()) else []
        pick = itemgetter(*picked) if len(picked) > 1 else lambda column: [column[i] for i in picked]
        columns = {
            name: list(pick(column)) if isinstance(column, list) else column[rows]
            for name, column in self.columns.items()
        }
        origin = self.origin if isinstance(self.origin, int) else self.origin[rows]
        return Block(self.kind, self.up, origin, columns, self.meta)

    def after(self, fence: int) -> Block | None:
        """The rows whose origin lies beyond the fence; None if there are none."""
        if isinstance(self.origin, int):
            return self if self.origin > fence else None
        first = int(np.searchsorted(self.origin, fence, side="right"))
        if first == 0:
            return self if len(self.origin) else None
        return self.take(np.arange(first, len(self.origin))) if first < len(self.origin) else None

    def last_origin(self) -> int:
        """The highest origin in the block."""
        return self.origin if isinstance(self.origin, int) else int(self.origin[-1])


def upstream(up: str, topic_id: str) -> str:
    """Name of an upstream partition whose origins are offsets of that incarnation of an input topic.

    >>> upstream("e/3", "1f3c9a2e")
    'e/3@1f3c9a2e'
    """
    return f"{up}@{topic_id}"


def parse_upstream(up: str) -> tuple[str, int, str]:
    """Kind, partition and topic id of an upstream partition; the id is "" where there is none.

    >>> parse_upstream("e/3@1f3c9a2e"), parse_upstream("s/0")
    (('e', 3, '1f3c9a2e'), ('s', 0, ''))
    """
    kind, _, rest = up.partition("/")
    partition, _, topic_id = rest.partition("@")
    return kind, int(partition), topic_id


def make(kind: str, up: str, origin: int | Sequence[int], columns: dict[str, Sequence[Any]], **meta: Any) -> Block:
    """A block from plain sequences; ValueError if a column of its kind is missing."""
    spec = COLUMNS[kind]
    if columns.keys() != spec.keys() and columns:
        raise ValueError(f"{kind} block needs columns {sorted(spec)}, got {sorted(columns)}")
    typed = {name: _typed(spec[name], columns[name]) for name in spec if name in columns}
    return Block(kind, up, origin if isinstance(origin, int) else np.asarray(origin, np.int64), typed, meta)


def _typed(dtype: str, values: Sequence[Any]) -> Column:
    if dtype == WORD:
        return Categorical.of(values)
    return list(values) if dtype in (TEXT, ANY) else np.asarray(values, dtype)


def concat(blocks: Sequence[Block]) -> Block:
    """The rows of blocks of one kind, in order; `up` and `origin` are those of the first."""
    first = blocks[0]
    if len(blocks) == 1:
        return Block(first.kind, first.up, first.origin, first.columns, first.meta)
    columns = {name: _joined([block.columns[name] for block in blocks]) for name in first.columns}
    return Block(first.kind, first.up, first.origin, columns, first.meta)


def _joined(columns: list[Column]) -> Column:
    if isinstance(columns[0], Categorical):
        return Categorical.concat(columns)
    return list(chain.from_iterable(columns)) if isinstance(columns[0], list) else np.concatenate(columns)


def _is_constant(column: Column) -> bool:
    if not len(column):
        return False
    if isinstance(column, list):
        return isinstance(column[0], str) and column.count(column[0]) == len(column)
    # JSON has neither NaN nor infinity.
    return bool((column == column[0]).all() and np.isfinite(column[0]))


def _one(column: Column, dtype: str) -> Any:
    return column[0] if dtype == TEXT else np.asarray(column[:1], dtype)[0].item()


def encode(block: Block) -> bytes:
    """The block as the value of a Kafka record: `pack`, compressed."""
    return compress(pack(block))


def pack(block: Block) -> bytes:
    """The block as bytes: length of a JSON head (4 bytes, little-endian), the head, the columns.

    The head holds the texts, the one value of each column that has no other, the distinct texts of columns of words,
    and the names of the columns of numbers. Raw little-endian values follow: an array of origins, the columns of
    numbers, and which word each row has. Through JSON, numbers would cost 1 µs a row to read; so they cost a copy.
    `credence show` prints it.
    """
    spec = COLUMNS[block.kind]
    words = {name: column.used() for name, column in block.columns.items() if spec[name] == WORD}
    others = {name: column for name, column in block.columns.items() if name not in words}
    same = {name: _one(column, spec[name]) for name, column in others.items() if _is_constant(column)}
    varying = {name: column for name, column in others.items() if name not in same}
    numbers = {name: column for name, column in varying.items() if not isinstance(column, list)}
    head = {
        "k": block.kind,
        "up": block.up,
        "o": block.origin if isinstance(block.origin, int) else None,
        "n": len(block) if isinstance(block.origin, int) else len(block.origin),
        "numbers": list(numbers),
        "texts": {name: column for name, column in varying.items() if isinstance(column, list)},
        "same": same,
        "words": {name: column.categories for name, column in words.items()},
        "meta": block.meta,
    }
    packed = orjson.dumps(head)
    parts = [_HEAD.pack(len(packed)), packed]
    if not isinstance(block.origin, int):
        parts.append(np.asarray(block.origin, "<i8").tobytes())
    parts.extend(np.asarray(column, "<" + spec[name]).tobytes() for name, column in numbers.items())
    parts.extend(c.codes.astype(_code_type(c.categories)).tobytes() for c in words.values() if len(c.categories) > 1)
    return b"".join(parts)


def _code_type(categories: Sequence[str]) -> str:
    """The smallest type of numbers that tells so many words apart."""
    return next(dtype for dtype, most in _CODES if len(categories) <= most)


class NotABlockError(ValueError):
    """The value is no block, or none of this release: its columns do not fit its kind."""


def decode(value: bytes | None) -> Block:
    """Inverse of `encode`; NotABlockError if the value is none that it makes, whatever else it may be."""
    try:
        block = _read(expand(value or b""))
        _check(block)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
        raise NotABlockError(f"no block: {error!r}") from error
    return block


def _read(value: bytes) -> Block:
    if len(value) < _HEAD.size:
        raise ValueError("too short for a block")
    (length,) = _HEAD.unpack_from(value)
    at = _HEAD.size + length
    head = orjson.loads(value[_HEAD.size : at])
    kind, count, origin = head["k"], head["n"], head["o"]
    spec = COLUMNS[kind]
    if not 0 <= count <= ROWS_MAX:
        raise ValueError(f"{count} rows are more than a block has")
    if origin is None:
        origin = np.frombuffer(value, "<i8", count, at).astype(np.int64)
        at += origin.nbytes
    found: dict[str, Column] = dict(head["texts"])
    for name, one in head["same"].items():
        found[name] = [one] * count if spec[name] == TEXT else np.full(count, _number(one, spec[name]), spec[name])
    for name in head["numbers"]:
        raw = np.frombuffer(value, "<" + spec[name], count, at)
        at += raw.nbytes
        found[name] = raw.astype(spec[name])  # a copy: aligned, and free to be written to
    for name, categories in head["words"].items():
        codes = np.zeros(count, np.int64)
        if len(categories) > 1:
            raw = np.frombuffer(value, _code_type(categories), count, at)
            at += raw.nbytes
            codes = raw.astype(np.int64)
        if count and codes.max() >= len(categories):
            raise ValueError(f"a row of the {kind} block has no {name}")
        found[name] = Categorical(categories, codes)
    if at != len(value) or (found.keys() != spec.keys() and (found or count)) or {*map(len, found.values())} - {count}:
        raise ValueError(f"columns of the {kind} block do not fit together")
    return Block(kind, head["up"], origin, {name: found[name] for name in spec if name in found}, head["meta"])


def _number(one: object, dtype: str) -> Any:
    if type(one) is int or (type(one) is float and dtype.startswith("f")):
        return one
    raise TypeError(f"{one!r} is no {dtype}")


_TYPES: dict[str, type] = {WORD: Categorical, TEXT: list, ANY: list}


def _check(block: Block) -> None:
    """TypeError or ValueError for what the wire can carry and no stage can read. By columns, never by rows."""
    one = isinstance(block.origin, int) and not isinstance(block.origin, bool) and abs(block.origin) < 1 << 63
    if not isinstance(block.up, str) or not (one or isinstance(block.origin, np.ndarray)):
        raise TypeError("a block without an origin")
    if not isinstance(block.meta, dict) or not all(starmap(_is_meta, block.meta.items())):
        raise TypeError("meta that is no numbers")
    for name, dtype in COLUMNS[block.kind].items() if block.columns else ():
        _check_column(name, dtype, block.columns[name])


def _check_column(name: str, dtype: str, column: Column) -> None:
    fits = isinstance(column, _TYPES.get(dtype, np.ndarray))
    if not fits:
        raise TypeError(f"{name} is no column of {dtype}")
    texts = column.categories if dtype == WORD else column
    if dtype in (TEXT, WORD) and {*map(type, texts)} - {str}:
        raise TypeError(f"{name} is no text")
    if dtype == ANY and not all(map(_is_numbers, column)):
        raise TypeError(f"{name} is no list of numbers")
    low, high = CODES.get(name, (0, 0)) if dtype == "i1" else (0, 0)
    if high and len(column) and not low <= column.min() <= column.max() <= high:
        raise ValueError(f"{name} is outside {low} to {high}")


def _is_numbers(row: object) -> bool:
    return isinstance(row, list) and not {*map(type, row)} - {int, float, type(None)}


def _is_meta(name: str, value: object) -> bool:
    """Numbers by name, names, or else a number: what the block's readers take it for."""
    if name == "values":
        return isinstance(value, dict) and _is_numbers([*value.values()])
    if name == "signals":
        return isinstance(value, list) and not {*map(type, value)} - {str}
    return isinstance(value, int | float)
