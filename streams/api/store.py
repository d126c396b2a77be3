"""The newest records of the output topics in a local SQLite database: bounded memory, ordered reads, quick restarts.

How far each topic has been read is written with what was read, as one transaction: a copy that is kept goes on where
it stopped. Whether a copy may be used again is decided in `kept_copy`. Lists are read over a connection of their own
(`lists`), so that a long one holds up no single read.
"""

from __future__ import annotations

import sqlite3
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from streams.api import history_points
from streams.api.published import Entry
from streams.contract.topics import CLAIM_SCORES, COMMUNITIES, DECISIONS, FLAGS, SOURCE_SCORES, Topic
from streams.contract.words import INT64_MAX, INT64_MIN, FlagAction, FlagDecision

FORM = 5
"""Version of the tables; a copy of another is made anew."""
Places = Mapping[tuple[str, int], int]
"""(Topic without namespace, partition) → the next offset to read."""

# Values lie beside the keys, not among them: twice the records a CPU-second.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (topic TEXT, partition INTEGER, next INTEGER, PRIMARY KEY (topic, partition))
WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (id TEXT PRIMARY KEY, rank REAL, growth REAL, heard_ms INTEGER, settled INTEGER,
flagged INTEGER, value BLOB);
CREATE INDEX IF NOT EXISTS claims_by_risk ON claims (rank, id);
CREATE INDEX IF NOT EXISTS claims_by_growth ON claims (growth, id);
CREATE INDEX IF NOT EXISTS claims_by_time ON claims (heard_ms);
CREATE TABLE IF NOT EXISTS histories (id TEXT PRIMARY KEY, points BLOB);
CREATE TABLE IF NOT EXISTS sources (id TEXT PRIMARY KEY, rank REAL, value BLOB);
CREATE INDEX IF NOT EXISTS sources_by_events ON sources (rank, id);
CREATE TABLE IF NOT EXISTS communities (id TEXT PRIMARY KEY, rank REAL, value BLOB);
CREATE TABLE IF NOT EXISTS flags (id TEXT PRIMARY KEY, revision INTEGER, subject TEXT, standing INTEGER,
priority INTEGER, moved_ms INTEGER, rule TEXT, lang TEXT, community TEXT, value BLOB) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS flags_by_priority ON flags (standing, priority, id);
CREATE INDEX IF NOT EXISTS flags_by_time ON flags (moved_ms, id);
CREATE INDEX IF NOT EXISTS flags_by_subject ON flags (subject);
CREATE TABLE IF NOT EXISTS revisions (flag TEXT, revision INTEGER, value BLOB, PRIMARY KEY (flag, revision))
WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS decisions (flag TEXT PRIMARY KEY, decision TEXT, decided_ms INTEGER) WITHOUT ROWID;
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
_CLAIM_SQL = """INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET rank = excluded.rank,
growth = excluded.growth, heard_ms = excluded.heard_ms, settled = excluded.settled, flagged = excluded.flagged,
value = excluded.value"""
_HISTORY_SQL = """INSERT INTO histories VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET
points = lengthened(points, excluded.points)"""
_FLAG_SQL = """INSERT INTO flags VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
revision = excluded.revision, subject = excluded.subject, standing = excluded.standing, priority = excluded.priority,
moved_ms = excluded.moved_ms, rule = excluded.rule, lang = coalesce(excluded.lang, flags.lang),
community = coalesce(excluded.community, flags.community), value = excluded.value
WHERE excluded.revision >= flags.revision"""


_DECISION_SQL = """INSERT INTO decisions VALUES (?, ?, ?) ON CONFLICT (flag) DO UPDATE SET
decision = excluded.decision, decided_ms = excluded.decided_ms WHERE excluded.decided_ms >= decisions.decided_ms"""


class Store:
    """Newest record of each claim, source and flag. Not thread-safe.

    Args:
        path: of the database file, which is kept; None for a temporary one.

    `damaged` says that the file turned out to be no database any more.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._temporary = None if path else TemporaryDirectory(prefix="credence-", ignore_cleanup_errors=True)
        self.path = path or Path(self._temporary.name if self._temporary else ".") / "scores.sqlite"
        self.damaged = False
        self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self._db.create_function("lengthened", 2, history_points.lengthened, deterministic=True)
        # What a crash takes of the file is read again, for its places are taken with it.
        durably = "NORMAL" if path else "OFF"
        self._db.executescript(
            f"PRAGMA journal_mode = WAL; PRAGMA synchronous = {durably}; PRAGMA cache_size = -65536;" + _SCHEMA
        )

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.OperationalError:
            raise  # a full disk is no damage
        except sqlite3.DatabaseError:
            self.damaged = True
            raise

    def close(self) -> None:
        """Give up the database."""
        self._db.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def places(self) -> dict[tuple[str, int], int]:
        """How far each topic has been read."""
        return {(topic, p): following for topic, p, following in self._rows("SELECT * FROM places")}

    def facts(self) -> dict[str, str]:
        """What the copy says of itself: see `kept_copy`."""
        return dict(self._rows("SELECT * FROM facts"))

    def note(self, facts: Mapping[str, str]) -> None:
        """Write down what the copy says of itself."""
        self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    def apply(self, entries: Iterable[Entry], places: Places | None = None) -> int:
        """Take in records in log order, passing over what is no score or flag of ours; returns how many were taken.

        Args:
            entries: the records.
            places: where reading goes on after them; written in the same transaction.
        """
        taken = 0
        # Of several records of a key within the batch only the last is written.
        scores: dict[Topic, dict[str, tuple[Any, ...] | None]] = {topic: {} for topic in _RANKS}
        points: dict[str, bytes] = {}
        flags: list[tuple[Any, ...]] = []
        decisions: list[tuple[Any, ...]] = []
        for entry in entries:
            if entry.topic is DECISIONS:
                decisions += _decision_rows(entry)
            elif entry.topic is FLAGS:
                if (flag := _flag_row(entry)) is not None:
                    flags.append(flag)
                    taken += 1
            elif entry.value is None:
                scores[entry.topic][entry.key] = None
                points.pop(entry.key, None)
                taken += 1
            elif (score := _score_row(entry)) is not None:
                *row, point = score
                scores[entry.topic][row[0]] = tuple(row)
                if point:
                    points[row[0]] = points.get(row[0], b"") + point
                taken += 1
        self._db.execute("BEGIN")
        try:
            self._write(scores, flags, points)
            self._db.executemany(_DECISION_SQL, decisions)
            if places is not None:
                self._db.executemany(
                    "INSERT OR REPLACE INTO places VALUES (?, ?, ?)", ((*tp, at) for tp, at in places.items())
                )
                self.note({"saved_ms": str(time.time_ns() // 1_000_000)})
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        return taken

    def _write(
        self,
        scores: Mapping[Topic, Mapping[str, tuple[Any, ...] | None]],
        flags: list[tuple[Any, ...]],
        points: Mapping[str, bytes],
    ) -> None:
        for topic, rows in scores.items():
            table = _RANKS[topic][0]
            gone = [(key,) for key, row in rows.items() if row is None]
            self._db.executemany(f"DELETE FROM {table} WHERE id = ?", gone)
            if topic is CLAIM_SCORES:
                self._db.executemany("DELETE FROM histories WHERE id = ?", gone)
            sql = _CLAIM_SQL if topic is CLAIM_SCORES else _SCORE_SQL.format(table)
            self._db.executemany(sql, [row for row in rows.values() if row is not None])
        self._db.executemany(_HISTORY_SQL, points.items())
        self._db.executemany(_FLAG_SQL, flags)
        self._db.executemany(
            "INSERT OR REPLACE INTO revisions VALUES (?, ?, ?)", ((flag[0], flag[1], flag[-1]) for flag in flags)
        )

    def claim(self, id_: str) -> dict[str, Any] | None:
        """The newest score record of a claim; None if there is none."""
        return self._one("SELECT value FROM claims WHERE id = ?", id_)

    def source(self, id_: str) -> dict[str, Any] | None:
        """The newest score record of a source; None if there is none."""
        return self._one("SELECT value FROM sources WHERE id = ?", id_)

    def community(self, id_: str) -> dict[str, Any] | None:
        """The newest record of a community; None if there is none."""
        return self._one("SELECT value FROM communities WHERE id = ?", id_)

    def many(self, topic: Topic, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Id → newest score record, of those that there are. One query for all costs a quarter of one for each."""
        query = f"SELECT id, value FROM {_RANKS[topic][0]} WHERE id IN (SELECT value FROM json_each(?))"
        wanted = orjson.dumps([id_ for id_ in ids if encodable(id_)]).decode()
        return {id_: orjson.loads(value) for id_, value in self._rows(query, wanted)}

    def flag(self, id_: str) -> list[dict[str, Any]]:
        """Every revision of a flag, the oldest first; empty if there is no such flag."""
        query = "SELECT value FROM revisions WHERE flag = ? ORDER BY revision"
        return [orjson.loads(value) for (value,) in self._rows(query, id_)] if encodable(id_) else []

    def decided(self, flag_ids: Iterable[str]) -> dict[str, tuple[str, int]]:
        """Flag → what was decided on it last, and when (ms since 1970), of those on which something was."""
        query = "SELECT flag, decision, decided_ms FROM decisions WHERE flag IN (SELECT value FROM json_each(?))"
        wanted = orjson.dumps([id_ for id_ in flag_ids if encodable(id_)]).decode()
        return {flag: (decision, at_ms) for flag, decision, at_ms in self._rows(query, wanted)}

    def history(self, claim_id: str) -> list[dict[str, Any]]:
        """The scores of a claim that this copy has seen, the oldest first: see `history_points`."""
        rows = self._rows("SELECT points FROM histories WHERE id = ?", claim_id) if encodable(claim_id) else []
        return history_points.read(rows[0][0]) if rows else []

    def _one(self, query: str, id_: str) -> dict[str, Any] | None:
        rows = self._rows(query, id_) if encodable(id_) else []
        return orjson.loads(rows[0][0]) if rows else None

    def claims(self, limit: int = -1) -> Iterator[dict[str, Any]]:
        """Claims, the riskiest first; all without a limit."""
        return self._all("SELECT value FROM claims ORDER BY rank DESC, id LIMIT ?", limit)

    def sources(self, limit: int = -1) -> Iterator[dict[str, Any]]:
        """Sources, the busiest first; all without a limit."""
        return self._all("SELECT value FROM sources ORDER BY rank DESC, id LIMIT ?", limit)

    def communities(self) -> Iterator[dict[str, Any]]:
        """Communities, the largest first."""
        return self._all("SELECT value FROM communities ORDER BY rank DESC, id")

    def claims_in(self, community: str) -> set[str]:
        """Claims that most people of a community say, as far as flags have told it."""
        rows = self._rows("SELECT DISTINCT subject FROM flags WHERE community = ?", community)
        return {subject for (subject,) in rows}

    def flags_about(self, subject_id: str) -> list[dict[str, Any]]:
        """The newest record of every flag ever raised about a claim."""
        return list(self._all("SELECT value FROM flags WHERE subject = ? ORDER BY id", subject_id))

    def _all(self, query: str, *values: Any) -> Iterator[dict[str, Any]]:
        return (orjson.loads(value) for (value,) in self._db.execute(query, values))


def _score_row(entry: Entry) -> tuple[Any, ...] | None:
    """Columns of a score, and a claim's point of history."""
    _, id_field, rank_field = _RANKS[entry.topic]
    record = entry.record()
    if record is None or entry.value is None:
        return None
    id_, rank = record.get(id_field), record.get(rank_field)
    if not isinstance(id_, str) or not isinstance(rank, int | float):
        return None
    if entry.topic is not CLAIM_SCORES:
        return id_, float(rank), entry.value, b""
    growth, heard_ms = record.get("expected_growth_24h"), record.get("last_event_ms")
    try:
        point = history_points.point_of(record)
    except (KeyError, TypeError, ValueError, OverflowError, struct.error):
        point = b""
    return (
        id_,
        float(rank),
        float(growth) if isinstance(growth, int | float) else 0.0,
        heard_ms if _is_number(heard_ms) else 0,
        record.get("verdict") is not None,
        bool(record.get("flagged")),
        entry.value,
        point,
    )


def _flag_row(entry: Entry) -> tuple[Any, ...] | None:
    flag = entry.record()
    if flag is None or entry.value is None:
        return None
    try:
        names, numbers = (flag["flag_id"], flag["subject"]["id"]), (flag["revision"], flag["priority"])
        standing = flag["action"] != FlagAction.RETRACT
    except (KeyError, TypeError):
        return None
    if not all(isinstance(name, str) for name in names) or not all(map(_is_number, numbers)):
        return None
    moved, rule, claim = flag.get("detected_at_ms"), flag.get("rule_id"), flag.get("claim")
    lang = claim.get("lang") if isinstance(claim, dict) else None
    found = (each if isinstance(each, str) else None for each in (lang, flag.get("community")))
    told = (moved if _is_number(moved) else 0, str(rule or ""), *found)
    return names[0], numbers[0], names[1], standing, numbers[1], *told, entry.value


def _decision_rows(entry: Entry) -> list[tuple[Any, ...]]:
    found = entry.record() or {}
    row = found.get("flag_id"), found.get("decision"), found.get("decided_at_ms")
    good = isinstance(row[0], str) and row[1] in tuple(FlagDecision) and _is_number(row[2])
    return [row] if good else []


def _is_number(value: Any) -> bool:
    """Whether SQLite can hold it."""
    return isinstance(value, int) and INT64_MIN <= value <= INT64_MAX


def encodable(text: str) -> bool:
    """Whether a string is Unicode text: no record of ours has an id that is not, and SQLite refuses it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
