"""Counts, in the plainest way, what does not depend on order, from the input topics or from a data set's files.

This is the second opinion of `credence verify`: JSON and CSV of the standard library, dictionaries and loops. It shares
the reader of logs, which knows offsets but no contents, and what labels mean. It imports nothing of the codec, of the
readers of data sets or of the scoring core, so that a mistake there cannot hide here. Dead letters tell what was
refused; all else on the input topics must have been counted exactly once.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from streams.datasets.csv_files import FIRST_ROW
from streams.datasets.labels import verdict_of
from streams.kafka.log_reader import LogReader
from streams.ops.tally import Recount, Tally

Origin = tuple[str, str, int, int]  # topic, its short id, partition, offset

STANDING = {"true": 1, "false": -1}
MILLISECONDS_MIN = 1e11


@dataclass
class Former:
    """Input that was taken in and is gone from its topic, which was made anew or cut since.

    Only the logs of the stages tell of it. Each record is (origin, fields, append time in ms).
    """

    events: list[tuple[Origin, dict[str, Any], int]] = field(default_factory=list)
    rulings: list[tuple[Origin, dict[str, Any], int]] = field(default_factory=list)

    def add(self, other: Former) -> None:
        """Add what was found elsewhere."""
        self.events += other.events
        self.rulings += other.rulings


async def recount(
    client: Mapping[str, Any],
    events: str,
    rulings: str,
    dead_letters: str,
    topic_ids: Mapping[str, str],
    former: Former,
) -> Recount:
    """Count over the input topics, leaving out what the dead letters name.

    Args:
        client: keyword arguments for an aiokafka consumer.
        events, rulings, dead_letters: full topic names.
        topic_ids: input topic → short id of what is there now.
        former: counted as well.
    """
    refused: set[Origin] = set()
    async for record in _records(client, dead_letters):
        letter = json.loads(record.value)
        refused.add((letter["topic"], letter.get("topic_id", ""), letter["partition"], letter["offset"]))
    tally = Tally()
    for origin, event, append_ms in former.events:
        if origin not in refused:
            tally.take(event, append_ms)
    async for record in _records(client, events):
        if (record.topic, topic_ids[record.topic], record.partition, record.offset) not in refused:
            tally.take(_read(record.value), record.timestamp)
    verdicts = _verdicts(
        [
            (_read(record.value), record.timestamp)
            async for record in _records(client, rulings)
            if (record.topic, topic_ids[record.topic], record.partition, record.offset) not in refused
        ]
        + [(ruling, append_ms) for origin, ruling, append_ms in former.rulings if origin not in refused]
    )
    return tally.count(verdicts)


def _read(value: bytes) -> dict[str, Any]:
    """The fields of a record. A broken character can only be in a text that names nothing, which is not counted."""
    # Integers are read as floats, so that one with thousands of digits is no error. Clocks are exact as floats.
    found: dict[str, Any] = json.loads(value.decode("utf-8", "replace"), parse_int=float)
    return found


def recount_files(
    directory: Path, lag_ms: int, left_out: Collection[int] = (), meant: Mapping[str, str] | None = None
) -> Recount:
    """Count over `events.csv[.gz]` and `claims.csv[.gz]`, without Kafka.

    Args:
        directory: a data set.
        lag_ms: a verdict is due this long after its claim's earliest event.
        left_out: numbers of the rows that were left out of the replay. The header is row 1.
        meant: label → "true", "false" or "none". Goes before the usual spellings.
    """
    tally = Tally()
    first_ms: dict[str, int] = {}
    for number, row in enumerate(_rows(directory, "events"), FIRST_ROW):
        if number in left_out:
            continue
        at_ms, kind = _time_ms(row["ts"]), row["kind"].strip().lower()
        claim = row["claim_id"] or (row["event_id"] if kind == "post" else "")
        event = {
            "id": row["event_id"], "source_id": row["user_id"], "claim_id": claim, "occurred_at_ms": at_ms,
            "kind": kind, "stance": (row.get("stance") or "").strip().lower(),
        }  # fmt: skip
        tally.take(event, at_ms)
        if kind not in ("delete", "update"):
            first_ms[claim] = min(at_ms, first_ms.get(claim, at_ms))
    labels = {row["claim_id"]: STANDING.get(verdict_of(row["label"], meant), 0) for row in _rows(directory, "claims")}
    verdicts = {c: (first_ms[c] + lag_ms, truth) for c, truth in labels.items() if truth and c in first_ms}
    return tally.count(verdicts)


def _time_ms(text: str) -> int:
    """A time in ms, from ISO 8601, seconds, or ms: a number larger than any sensible time in seconds."""
    try:
        number = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text.strip())
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    return round(number if abs(number) > MILLISECONDS_MIN else number * 1000)


def _rows(directory: Path, stem: str) -> Iterator[dict[str, str]]:
    plain = directory / f"{stem}.csv"
    with open(plain, "rb") if plain.exists() else gzip.open(directory / f"{stem}.csv.gz") as file:
        csv.field_size_limit(1 << 30)
        yield from csv.DictReader(line.decode("utf-8-sig") for line in file)


def _verdicts(rulings: list[tuple[dict[str, Any], int]]) -> dict[str, tuple[int, int]]:
    """Claim → (time of the first ruling in force, ms; +1 true, −1 false), for claims found true or false."""
    raters: dict[str, dict[str, list[tuple[int, int, str]]]] = {}
    for ruling, append_ms in rulings:
        versions = raters.setdefault(ruling["claim_id"], {}).setdefault(ruling["rater_id"], [])
        versions.append((ruling["version"], min(ruling["ruled_at_ms"], append_ms), ruling["verdict"]))
    settled = {}
    for claim, by_rater in raters.items():
        in_force = []
        for versions in by_rater.values():
            verdict = max(versions, key=lambda v: v[0])[2]
            if verdict != "withdrawn":
                in_force.append((min(at for _, at, _ in versions), STANDING.get(verdict, 0)))
        total = sum(finding for _, finding in in_force)
        if total:
            settled[claim] = (min(at for at, _ in in_force), 1 if total > 0 else -1)
    return settled


async def _records(client: Mapping[str, Any], topic: str) -> AsyncIterator[Any]:
    """Every record of a topic, of all of its partitions."""
    async with LogReader(client) as logs:
        partitions = (await logs.partitions([topic])).get(topic, 0)
        for partition, (first, end) in enumerate(await logs.bounds(topic, partitions)):
            async for record in logs.read(topic, partition, first, end):
                yield record
