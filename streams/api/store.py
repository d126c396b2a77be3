"""The newest records of the output topics in a local SQLite database: bounded memory, ordered reads, disposable.

It is rebuilt from the topics at every start, so it is neither synced nor kept.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from streams.api.published import Entry
from streams.contract.topics import CLAIM_SCORES, COMMUNITIES, FLAGS, SOURCE_SCORES, Topic
from streams.contract.words import FlagAction

# No index on rank and values beside the keys, not among them: 110,000 records a CPU-second instead of 48,000, and whole
# lists are only asked for by commands.
_SCHEMA = """
CREATE TABLE claims (id TEXT PRIMARY KEY, rank REAL, value BLOB);
CREATE TABLE sources (id TEXT PRIMARY KEY, rank REAL, value BLOB);
CREATE TABLE communities (id TEXT PRIMARY KEY, rank REAL, value BLOB);
CREATE TABLE flags (id TEXT PRIMARY KEY, revision INTEGER, subject TEXT, open INTEGER, priority INTEGER, value BLOB)
WITHOUT ROWID;
CREATE INDEX flags_by_priority ON flags (open, priority DESC, id);
CREATE INDEX flags_by_subject ON flags (subject);
"""
# What comes first in a list: the riskiest claim, the busiest source, the largest community.
_RANKS = {
    CLAIM_SCORES: ("claims", "claim_id", "risk"),
    SOURCE_SCORES: ("sources", "source_id", "events"),
    COMMUNITIES: ("communities", "community_id", "members"),
}
_SCORE_SQL = (
    "INSERT INTO {0} VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET rank = excluded.rank, value = excluded.value"
)
_FLAG_SQL = """INSERT INTO flags VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET revision = excluded.revision,
subject = excluded.subject, open = excluded.open, priority = excluded.priority, value = excluded.value
WHERE excluded.revision >= flags.revision"""


# A place in the list: priority and id of the last flag shown. Every text of this form is one, so that the OpenAPI
# document can say exactly what is taken; the empty one is the beginning.
CURSOR_PATTERN = r"^((100|[1-9]?[0-9]):[\s\S]*)?$"
_CURSOR = re.compile(r"(100|[1-9]?[0-9]):(.*)", re.DOTALL)


class CursorError(ValueError):
    """A page cursor that no answer of ours contained."""


class Store:
    """Newest record of each claim, source and flag. Not thread-safe.

    Args:
        path: of the database file; "" for a temporary one that SQLite removes, spilled to disk when it grows.
    """

    def __init__(self, path: str = "") -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;" + _SCHEMA
        )

    def close(self) -> None:
        """Give up the database."""
        self._db.close()

    def apply(self, entries: Iterable[Entry]) -> int:
        """Take in records in log order, passing over what is no score or flag of ours; returns how many were taken."""
        taken = 0
        # Of several records of a key within the batch only the last is written.
        scores: dict[Topic, dict[str, tuple[str, float, bytes] | None]] = {topic: {} for topic in _RANKS}
        flags = []
        for entry in entries:
            if entry.topic is FLAGS:
                if (row := _flag_row(entry)) is not None:
                    flags.append(row)
                    taken += 1
            elif entry.value is None:
                scores[entry.topic][entry.key] = None
                taken += 1
            elif (score := _score_row(entry)) is not None:
                scores[entry.topic][score[0]] = score
                taken += 1
        self._db.execute("BEGIN")
        for topic, rows in scores.items():
            table = _RANKS[topic][0]
            self._db.executemany(_SCORE_SQL.format(table), [row for row in rows.values() if row is not None])
            gone = [(key,) for key, row in rows.items() if row is None]
            self._db.executemany(f"DELETE FROM {table} WHERE id = ?", gone)
        self._db.executemany(_FLAG_SQL, flags)
        self._db.execute("COMMIT")
        return taken

    def claim(self, id_: str) -> dict[str, Any] | None:
        """The newest score record of a claim; None if there is none."""
        return self._one("SELECT value FROM claims WHERE id = ?", id_)

    def source(self, id_: str) -> dict[str, Any] | None:
        """The newest score record of a source; None if there is none."""
        return self._one("SELECT value FROM sources WHERE id = ?", id_)

    def community(self, id_: str) -> dict[str, Any] | None:
        """The newest record of a community; None if there is none."""
        return self._one("SELECT value FROM communities WHERE id = ?", id_)

    def _one(self, query: str, id_: str) -> dict[str, Any] | None:
        row = self._db.execute(query, (id_,)).fetchone() if encodable(id_) else None
        return orjson.loads(row[0]) if row else None

    def claims(self, limit: int = -1) -> Iterator[dict[str, Any]]:
        """Claims, the riskiest first; all without a limit."""
        return map(
            orjson.loads, _firsts(self._db.execute("SELECT value FROM claims ORDER BY rank DESC, id LIMIT ?", (limit,)))
        )

    def sources(self, limit: int = -1) -> Iterator[dict[str, Any]]:
        """Sources, the busiest first; all without a limit."""
        return map(
            orjson.loads,
            _firsts(self._db.execute("SELECT value FROM sources ORDER BY rank DESC, id LIMIT ?", (limit,))),
        )

    def communities(self) -> Iterator[dict[str, Any]]:
        """Communities, the largest first."""
        return map(orjson.loads, _firsts(self._db.execute("SELECT value FROM communities ORDER BY rank DESC, id")))

    def flags_about(self, subject_id: str) -> list[dict[str, Any]]:
        """The newest record of every flag ever raised about a claim."""
        found = self._db.execute("SELECT value FROM flags WHERE subject = ? ORDER BY id", (subject_id,))
        return [orjson.loads(value) for value in _firsts(found)]

    def open_flags(
        self, min_priority: int = 0, cursor: str = "", limit: int = 100
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Flags that stand, the most pressing first, and the cursor of the next page; None on the last.

        Raises CursorError on a cursor that is none.
        """
        priority, after = _read_cursor(cursor) if cursor else (101, "")
        rows = self._db.execute(
            "SELECT priority, id, value FROM flags WHERE open = 1 AND priority >= ? "
            "AND (priority < ? OR (priority = ? AND id > ?)) ORDER BY priority DESC, id LIMIT ?",
            (min_priority, priority, priority, after, limit + 1),
        ).fetchall()
        page = [orjson.loads(value) for *_, value in rows[:limit]]
        return page, _write_cursor(*rows[limit - 1][:2]) if len(rows) > limit else None

    def counts(self) -> dict[str, int]:
        """How many claims, sources, communities and flags there are."""
        return {
            each: self._db.execute(f"SELECT count(*) FROM {each}").fetchone()[0]
            for each in ("claims", "sources", "communities", "flags")
        }


def _score_row(entry: Entry) -> tuple[str, float, bytes] | None:
    _, id_field, rank_field = _RANKS[entry.topic]
    record = entry.record()
    if record is None or entry.value is None:
        return None
    id_, rank = record.get(id_field), record.get(rank_field)
    return (id_, rank, entry.value) if isinstance(id_, str) and isinstance(rank, int | float) else None


def _flag_row(entry: Entry) -> tuple[Any, ...] | None:
    flag = entry.record()
    if flag is None or entry.value is None:
        return None
    try:
        names, numbers = (flag["flag_id"], flag["subject"]["id"]), (flag["revision"], flag["priority"])
        standing = flag["action"] != FlagAction.RETRACT
    except (KeyError, TypeError):
        return None
    if not all(isinstance(name, str) for name in names) or not all(isinstance(number, int) for number in numbers):
        return None
    return names[0], numbers[0], names[1], standing, numbers[1], entry.value


def encodable(text: str) -> bool:
    """Whether a string is Unicode text: no record of ours has an id that is not, and SQLite refuses it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _firsts(rows: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    return (row[0] for row in rows)


def _write_cursor(priority: int, flag_id: str) -> str:
    return f"{priority}:{flag_id}"


def _read_cursor(cursor: str) -> tuple[int, str]:
    matched = _CURSOR.fullmatch(cursor)
    if matched is None or not encodable(cursor):
        raise CursorError("the cursor is not one that an answer of this service contained")
    return int(matched[1]), matched[2]
