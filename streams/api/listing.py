"""Lists with filters and pages, read from the store's file over a connection and on a thread of their own."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

PAGE_MAX = 1_000
_RANK = struct.Struct(">d")
# A place in a list, after an entry: its rank and its id, in hexadecimal digits. Every text of this form is a place, so
# that the OpenAPI document can say exactly what is taken; the empty one is the beginning.
CURSOR_PATTERN = r"^(([0-9a-f]{2}){8,2000})?$"


@dataclass(frozen=True)
class Order:
    """What a list is of and what comes first: the highest rank, and of equal ranks the lower id."""

    table: str
    rank: str


CLAIMS = {"risk": Order("claims", "rank"), "growth": Order("claims", "growth")}
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
        self._thread = ThreadPoolExecutor(1, "lists")
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA query_only = ON")

    async def page(self, order: Order, filters: Sequence[tuple[str, Any]], cursor: str, limit: int) -> Page:
        """The records after a cursor ("" for the beginning) that pass all filters.

        Args:
            filters: conditions in SQL with one `?` each, and their values.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._page, order, filters, cursor, limit)

    def _page(self, order: Order, filters: Sequence[tuple[str, Any]], cursor: str, limit: int) -> Page:
        rank, after = _place(cursor)
        conditions = [(f"{order.rank} <= ?", rank), *filters]
        where = " AND ".join(condition for condition, _ in conditions)
        rows = self._db.execute(
            f"SELECT {order.rank}, id, value FROM {order.table} WHERE {where} AND ({order.rank} < ? OR id > ?) "
            f"ORDER BY {order.rank} DESC, id LIMIT ?",
            (*(value for _, value in conditions), rank, after, limit + 1),
        ).fetchall()
        records = [orjson.loads(value) for *_, value in rows[:limit]]
        return Page(records, _cursor(*rows[limit - 1][:2]) if len(rows) > limit else None)

    async def counts(self) -> dict[str, int]:
        """How many claims, sources, communities and flags there are: of a million keys it takes a moment."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._counts)

    def _counts(self) -> dict[str, int]:
        tables = ("claims", "sources", "communities", "flags")
        return {table: self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}

    def close(self) -> None:
        """Give up the connection."""
        self._thread.shutdown()
        self._db.close()


def _cursor(rank: float, id_: str) -> str:
    return _RANK.pack(rank).hex() + id_.encode().hex()


def _place(cursor: str) -> tuple[float, str]:
    if not cursor:
        return math.inf, ""
    data = bytes.fromhex(cursor)
    rank = _RANK.unpack_from(data)[0]
    # Not a number is no place: nothing follows it.
    return -math.inf if math.isnan(rank) else rank, data[_RANK.size :].decode(errors="replace")
