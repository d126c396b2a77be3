"""Blocks: the rows that travel between stages, as columns in one Kafka record.

A block is one log record: how records were fetched or batched never changes a result. `block_wire` writes and reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import Any, Literal, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from streams.contract.words import Kind, Stance, Verdict
from streams.tables.categorical import Categorical

Numbers: TypeAlias = npt.NDArray[Any]
Column: TypeAlias = Numbers | Categorical | list[str] | list[list[float]]

WORD = "word"  # a Categorical: texts that repeat, names of sources, claims, communities
TEXT = "text"  # a list of str
ANY = "json"  # a list of lists of numbers
ARRIVED = "arrived_ms"
"""In `meta` of a block: the broker's time of the first input record that its rows stem from. It changes no state."""
_STAMP = {
    "w": "f8",  # signed weight of the source's support, nats; public corroboration floors it at 0
    "v": "f8",  # the same of its denial
    "z": "i8",  # stamp sequence of the source: the highest wins
    "cl": "u8",  # copy-cluster of the source, 0 = none
    "band": "i1",  # history band: 0 none, 1 few, 2 many settled claims
    "hist0": "f8",  # history of the source, log-odds of taking part in falsehoods, nats: undecayed,
    "hist30": "f8",  # and with a half-life of 30 days
    "known": "i1",  # how well it is known: 0 in no claim before, 1 in one, 2 in one that is settled
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
        "said": WORD,  # what these say, for people: see `scoring.claims.root_words`; "" for all others
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
        "said": WORD,
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
        "said": WORD,
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
        "note": TEXT,
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


# The type of a column follows from its name, so that mypy knows it where a name is written out. A test compares these
# with COLUMNS. One column stands apart: "kind" of rulings is a TEXT.
WordName = Literal["s", "c", "m", "said"]
TextName = Literal["i", "id", "rater", "event", "url", "note"]
ListName = Literal["sig", "rw"]
NumberName = Literal[
    "A", "L", "al", "band", "cl", "e", "f", "g", "h", "hist0", "hist30", "kind", "known", "n", "q", "r",
    "stance", "t", "v", "ver", "verdict", "w", "x", "y", "z",
]  # fmt: skip

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
        columns: column name → its values, one a row.
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

    @overload
    def __getitem__(self, name: WordName) -> Categorical: ...
    @overload
    def __getitem__(self, name: TextName) -> list[str]: ...
    @overload
    def __getitem__(self, name: ListName) -> list[list[float]]: ...
    @overload
    def __getitem__(self, name: NumberName) -> Numbers: ...
    @overload
    def __getitem__(self, name: str) -> Column: ...
    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def numbers(self, name: str) -> Numbers:
        """A column of numbers whose name is a variable; TypeError if it holds something else."""
        column = self.columns[name]
        if not isinstance(column, np.ndarray):
            raise TypeError(f"{name} of {self.kind} is no column of numbers")
        return column

    def words(self, name: str) -> Categorical:
        """A column of words whose name is a variable; TypeError if it holds something else."""
        column = self.columns[name]
        if not isinstance(column, Categorical):
            raise TypeError(f"{name} of {self.kind} is no column of words")
        return column

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


def no_numbers(count: int) -> list[list[float]]:
    """A column of lists that are all empty."""
    return [[] for _ in range(count)]


def concat(blocks: Sequence[Block]) -> Block:
    """The rows of blocks of one kind, in order; `up` and `origin` are those of the first."""
    first = blocks[0]
    if len(blocks) == 1:
        return Block(first.kind, first.up, first.origin, first.columns, first.meta)
    columns = {name: _joined(blocks, name) for name in first.columns}
    return Block(first.kind, first.up, first.origin, columns, first.meta)


def _joined(blocks: Sequence[Block], name: str) -> Column:
    first = blocks[0].columns[name]
    if isinstance(first, Categorical):
        return Categorical.concat([block.words(name) for block in blocks])
    if isinstance(first, list):
        return list(chain.from_iterable(block.columns[name] for block in blocks))
    return np.concatenate([block.numbers(name) for block in blocks])
