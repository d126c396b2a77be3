"""Lists with filters and pages, read from the store's file over a connection and on a thread of their own.

What reads a whole table has another of each, so that no list waits for it.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
import struct
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from streams.contract.attention import DAY_MS
from streams.ops.flag_precision import JudgedFlag, told

PAGE_MAX = 1_000
PRECISION_S = 2.0
_RANK = struct.Struct(">d")
# A place in a list, after an entry: its rank and its id, in hexadecimal digits. Every text of this form is a place, so
# that the OpenAPI document can say exactly what is taken; the empty one is the beginning.
CURSOR_PATTERN = r"^(([0-9a-f]{2}){8,2000})?$"


@dataclass(frozen=True)
class Order:
    """What a list is of and what comes first: the highest rank, and of equal ranks the lower id.

    `only` are filters that belong to it, as those of `Lists.page`.
    """

    table: str
    rank: str
    only: tuple[tuple[str, Any], ...] = ()


# What was silent for a day before the latest event of all grows no more, whatever was expected of it.
_STILL_HEARD = ("heard_ms > (SELECT max(heard_ms) FROM claims) - ?", DAY_MS)
CLAIMS = {"risk": Order("claims", "rank"), "growth": Order("claims", "growth", (_STILL_HEARD,))}
SOURCES = Order("sources", "rank")
COMMUNITIES = Order("communities", "rank")
FLAGS_BY_PRIORITY = Order("flags", "priority")
FLAGS_BY_TIME = Order("flags", "moved_ms")


@dataclass(frozen=True)
class Page:
    """Part of a list, and the cursor of what follows; None on the last page."""

    records: list[dict[str, Any]]
    next_cursor: str | None


class Lists:
    """Reads lists from a store's file.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._thread, self._slow = ThreadPoolExecutor(1, "lists"), ThreadPoolExecutor(1, "whole tables")
        self._db, self._whole = _opened(path), _opened(path)
        self._precision: tuple[float, dict[str, Any]] = (-math.inf, {})

    async def page(self, order: Order, filters: Sequence[tuple[str, Any]], cursor: str, limit: int) -> Page:
        """The records after a cursor ("" for the beginning) that pass all filters.

        Args:
            filters: conditions in SQL with one `?` each, and their values.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._page, order, filters, cursor, limit)

    def _page(self, order: Order, filters: Sequence[tuple[str, Any]], cursor: str, limit: int) -> Page:
        rank, after = _place(cursor)
        conditions = [(f"{order.rank} <= ?", rank), *order.only, *filters]
        where = " AND ".join(condition for condition, _ in conditions)
        rows = self._db.execute(
            f"SELECT {order.rank}, id, value FROM {order.table} WHERE {where} AND ({order.rank} < ? OR id > ?) "
            f"ORDER BY {order.rank} DESC, id LIMIT ?",
            (*(value for _, value in conditions), rank, after, limit + 1),
        ).fetchall()
        records = [orjson.loads(value) for *_, value in rows[:limit]]
        return Page(records, _cursor(*rows[limit - 1][:2]) if len(rows) > limit else None)

    async def count(self, order: Order, filters: Sequence[tuple[str, Any]]) -> int:
        """How many records pass all filters, which are as in `page`."""
        conditions = [*order.only, *filters]
        where = " AND ".join(condition for condition, _ in conditions)
        query, values = f"SELECT count(*) FROM {order.table} WHERE {where}", [value for _, value in conditions]
        loop = asyncio.get_running_loop()
        found: int = await loop.run_in_executor(self._thread, lambda: self._db.execute(query, values).fetchone()[0])
        return found

    async def counts(self) -> dict[str, int]:
        """How many claims, sources, communities and flags there are: of a million keys it takes a moment."""
        return await asyncio.get_running_loop().run_in_executor(self._slow, self._counts)

    def _counts(self) -> dict[str, int]:
        tables = ("claims", "sources", "communities", "flags")
        return {table: self._whole.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}

    async def precision(self, max_age_s: float = PRECISION_S) -> dict[str, Any]:
        """How often flags were right: see `flag_precision`. It reads every flag, so that it may be so old."""
        if time.monotonic() - self._precision[0] > max_age_s:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._slow, lambda: told(judged_flags(self._whole)))
            self._precision = time.monotonic(), found
        return self._precision[1]

    def close(self) -> None:
        """Give up the connections."""
        for thread, db in ((self._thread, self._db), (self._slow, self._whole)):
            thread.shutdown()
            db.close()


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA query_only = ON")
    return db


def judged_flags(db: sqlite3.Connection) -> list[JudgedFlag]:
    """Every flag of a store's database, as it was raised, and how it was judged."""
    # SQLite takes the records apart, in another thread than answers are made in: thousands of them would hold those up.
    rows = db.execute(
        "SELECT json_extract(r.text, '$.rule_id'), json_extract(r.text, '$.community'),"
        " json_extract(r.text, '$.event_time_ms'), json_extract(CAST(c.value AS TEXT), '$.verdict'), d.decision"
        " FROM flags f"
        " JOIN (SELECT flag, CAST(value AS TEXT) AS text FROM revisions WHERE revision = 1) r ON r.flag = f.id"
        " LEFT JOIN claims c ON c.id = f.subject LEFT JOIN decisions d ON d.flag = f.id"
    )
    return [
        JudgedFlag(str(rule), community, at_ms or 0, verdict, decision)
        for rule, community, at_ms, verdict, decision in rows.fetchall()
    ]


def _cursor(rank: float, id_: str) -> str:
    return _RANK.pack(rank).hex() + id_.encode().hex()


def _place(cursor: str) -> tuple[float, str]:
    if not cursor:
        return math.inf, ""
    data = bytes.fromhex(cursor)
    rank = _RANK.unpack_from(data)[0]
    # Not a number is no place: nothing follows it.
    return -math.inf if math.isnan(rank) else rank, data[_RANK.size :].decode(errors="replace")
