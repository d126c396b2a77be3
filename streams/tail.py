"""Reading a topic as it stands, or as it grows, for commands: every partition, in order within each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from streams.settings import Settings, client_kwargs
from streams.topics import TopicsError

POLL_MS = 500
CONNECT_MS = 10_000
"""How long to try before a broker counts as out of reach."""
_FETCH_BYTES = 4 * 1024 * 1024


@contextmanager
def consumer(settings: Settings) -> Iterator[Any]:
    """A consumer of no group; TopicsError if the broker cannot be reached."""
    from kafka import KafkaConsumer
    from kafka.errors import KafkaError

    try:
        made = KafkaConsumer(
            **client_kwargs(settings),
            client_id="credence-tail",
            bootstrap_timeout_ms=CONNECT_MS,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
    except KafkaError as error:
        raise TopicsError(f"cannot reach Kafka at {settings.broker}: {error!r}. Is it running?") from error
    try:
        yield made
    finally:
        made.close()


def tail(
    settings: Settings,
    topic: str,
    *,
    partition: int | None = None,
    start: int | None = None,
    last: int | None = None,
    follow: bool = False,
    idle_s: float | None = None,
) -> Iterator[Any]:
    """Records of a topic up to the end that it has now, or without end.

    Args:
        settings: which Kafka.
        topic: full name.
        partition: only this one.
        start: begin at this offset of the partition, or at the first one that is left after it.
        last: begin this many records before the end of each partition.
        follow: go on with what comes later.
        idle_s: when following, end after so long without a record; None never ends.

    Raises TopicsError if the topic or the partition does not exist.
    """
    from kafka import TopicPartition

    with consumer(settings) as client:
        # The whole list, and not the one topic: asking for a topic by name may create it.
        there = client.partitions_for_topic(topic) if topic in client.topics() else None
        if not there:
            raise TopicsError(f"there is no topic {topic}: `credence topics list` shows those that are there")
        if partition is not None and partition not in there:
            raise TopicsError(f"{topic} has no partition {partition}, only {len(there)}")
        wanted = [TopicPartition(topic, p) for p in sorted(there) if partition in (None, p)]
        client.assign(wanted)
        first, ends = client.beginning_offsets(wanted), client.end_offsets(wanted)
        for tp in wanted:
            at = start if start is not None else ends[tp] - last if last is not None else 0
            client.seek(tp, min(max(at, first[tp]), ends[tp]))
        yield from _endless(client, idle_s) if follow else _to_the_end(client, ends)


def _to_the_end(client: Any, ends: Mapping[Any, int]) -> Iterator[Any]:
    open_ = {tp for tp, end in ends.items() if client.position(tp) < end}
    while open_:
        for tp, records in client.poll(timeout_ms=POLL_MS).items():
            yield from (record for record in records if record.offset < ends[tp])
        open_ = {tp for tp in open_ if client.position(tp) < ends[tp]}


def _endless(client: Any, idle_s: float | None) -> Iterator[Any]:
    heard = time.monotonic()
    while idle_s is None or time.monotonic() - heard < idle_s:
        for records in client.poll(timeout_ms=POLL_MS).values():
            yield from records
            heard = time.monotonic()
