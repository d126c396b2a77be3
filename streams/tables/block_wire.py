"""Blocks on the wire: a head of JSON and raw columns, cheap to read and cheap to send on.

Nothing that a log holds is taken on trust: `decode` checks by columns all that a stage relies on, never by rows.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from itertools import starmap
from operator import countOf
from typing import Any

import numpy as np
import orjson

from streams.tables.blocks import ANY, CODES, COLUMNS, TEXT, WORD, Block, Column
from streams.tables.categorical import Categorical
from streams.tables.compression import compress, expand

ROWS_MAX = 1 << 24  # of a block: more would not fit into a record
_HEAD = struct.Struct("<I")
_CODES = (("<u1", 1 << 8), ("<u2", 1 << 16), ("<u4", 1 << 32))  # type of codes, below so many words


def _is_constant(column: Column) -> bool:
    if not len(column):
        return False
    if isinstance(column, np.ndarray):
        # Bytes, since numpy's comparison of a few numbers takes ten times as long. JSON has neither NaN nor infinity.
        raw = column.tobytes()
        return raw == raw[: column.itemsize] * len(column) and math.isfinite(column[0])
    return isinstance(column[0], str) and countOf(column, column[0]) == len(column)


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
    words = {name: block.words(name).used() for name in block.columns if spec[name] == WORD}
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
    if not isinstance(column, _TYPES.get(dtype, np.ndarray)):
        raise TypeError(f"{name} is no column of {dtype}")
    if dtype == ANY:
        if not all(map(_is_numbers, column)):
            raise TypeError(f"{name} is no list of numbers")
    elif not isinstance(column, np.ndarray):
        texts = column.categories if isinstance(column, Categorical) else column
        if {*map(type, texts)} - {str}:
            raise TypeError(f"{name} is no text")
    elif dtype == "i1" and name in CODES and len(column):
        low, high = CODES[name]
        if not low <= column.min() <= column.max() <= high:
            raise ValueError(f"{name} is outside {low} to {high}")


SAID = ("rule", "control", "by", "note")  # what an operator says of a control


def _is_numbers(row: object) -> bool:
    return isinstance(row, list) and not {*map(type, row)} - {int, float, type(None)}


def _is_meta(name: str, value: object) -> bool:
    """Numbers by name, names, or else a number: what the block's readers take it for."""
    if name == "values":
        return isinstance(value, dict) and _is_numbers([*value.values()])
    if name == "signals":
        return isinstance(value, list) and not {*map(type, value)} - {str}
    if name in SAID:
        return isinstance(value, str)
    return isinstance(value, int | float)
