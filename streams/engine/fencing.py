"""Who may write a partition's changelog and compacted outputs: the last process that claimed it, and nobody else.

A claim runs InitProducerId with a transactional id that belongs to the partition, which raises the producer epoch.
Plain idempotent batches are then sent under that producer id and epoch. Once the new owner has written to a partition,
the broker refuses every older epoch there, also from a process that was stopped and wakes up.
This costs nothing per batch, unlike transactions (measured: 271,000 against 22,000 records/s).

The hand-over of producer id and epoch uses private attributes of aiokafka's transaction manager, here and nowhere
else; tests/engine/test_fencing.py fails if a release changes them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.engine.journal import Entry, Outgoing

MAX_BATCH_BYTES = 32 << 20  # a changelog batch or a hop record; the topics allow 16 MiB and say so if it is less
OUTPUT_BATCH_BYTES = 512 << 10  # stays below the 1 MiB that topics take by default


class ProduceFailed(RuntimeError):
    """A record was refused or not acknowledged in time. The log may hold it or not, so the worker must end."""


async def send_batches(producer: AIOKafkaProducer, outgoing: Sequence[Outgoing]) -> list[Any]:
    """Hand records to a producer in few, bounded batches; returns their acks. A send a record costs ten times more."""
    groups: dict[tuple[str, int], list[Outgoing]] = {}
    for record in outgoing:
        groups.setdefault((record.topic, record.partition), []).append(record)
    acks = []
    for (topic, partition), records in groups.items():
        batch, size = producer.create_batch(), 0
        for record in records:
            more = len(record.key or b"") + len(record.value or b"")
            if size and size + more > OUTPUT_BATCH_BYTES:
                acks.append(await producer.send_batch(batch, topic, partition=partition))
                batch, size = producer.create_batch(), 0
            size += more
            if batch.append(key=record.key, value=record.value, timestamp=None) is None:
                raise ProduceFailed(f"a record of {len(record.value or b'')} bytes for {topic} is too large")
        acks.append(await producer.send_batch(batch, topic, partition=partition))
    return acks


class FencedProducer:
    """An idempotent producer under the newest epoch of a claim.

    Args:
        client: keyword arguments for every aiokafka client (bootstrap servers, security).
        transactional_id: names what is claimed. A new claim replaces the former.
        timeout_s: how long an acknowledgement may take before the claim is given up.
    """

    def __init__(self, client: Mapping[str, Any], transactional_id: str, timeout_s: float = 60.0) -> None:
        self._client = dict(client)
        self._transactional_id = transactional_id
        self._timeout_s = timeout_s
        self._producer: AIOKafkaProducer | None = None

    async def claim(self) -> None:
        """Raise the epoch and start a producer under it. This object's former producer is stopped first."""
        await self.close()
        claimant = AIOKafkaProducer(**self._client, transactional_id=self._transactional_id)
        try:
            async with asyncio.timeout(self._timeout_s):
                await claimant.start()
                await claimant._txn_manager.wait_for_pid()
            granted = claimant._txn_manager._pid_and_epoch
        finally:
            await claimant.stop()
        producer = AIOKafkaProducer(
            **self._client,
            enable_idempotence=True,
            acks="all",
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_BATCH_BYTES,
        )
        producer._txn_manager.set_pid_and_epoch(granted.pid, granted.epoch)
        await producer.start()
        self._producer = producer

    async def append(self, topic: str, partition: int, entries: Sequence[Entry]) -> int:
        """Append the entries as one batch, which the log takes whole or not at all. Returns the offset of the first."""
        batch = self._started().create_batch()
        for key, value in entries:
            if batch.append(key=key, value=value, timestamp=None) is None:
                raise ProduceFailed(f"a changelog batch for {topic}/{partition} exceeds {MAX_BATCH_BYTES} bytes")
        ack = await self._started().send_batch(batch, topic, partition=partition)
        (metadata,) = await self._acked([ack])
        return int(metadata.offset)

    async def send(self, outgoing: Sequence[Outgoing]) -> None:
        """Send records and wait for all acks. The order within a partition is kept."""
        await self._acked(await send_batches(self._started(), outgoing))

    async def _acked(self, acks: Sequence[Any]) -> list[Any]:
        try:
            async with asyncio.timeout(self._timeout_s):
                return [await ack for ack in acks]
        except (KafkaError, TimeoutError) as error:
            raise ProduceFailed(f"{self._transactional_id}: {error!r}") from error

    def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise ProduceFailed(f"{self._transactional_id} is not claimed")
        return self._producer

    async def close(self) -> None:
        """Stop the producer; what it holds unsent is lost, as after a crash."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()
