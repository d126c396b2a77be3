"""Intake: decode, validate, clamp, name the claim, route; what cannot be is a dead letter, and the stream goes on.

Stateless. A crash repeats what was not committed; the next stage drops the repeats by their origins (input offsets),
which stay ascending within each of its partitions because a partition's batches are sent in order by an idempotent
producer, and any failure to send ends the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams import topics
from streams.agents.routing import as_json, spread
from streams.blocks import Block
from streams.codec import Limits, LogRecord, Reject, decode_events, decode_rulings, of_reject
from streams.engine.fencing import MAX_BATCH_BYTES, ProduceFailed, send_batches
from streams.engine.journal import Outgoing
from streams.settings import Settings

Decoder = Callable[[Sequence[LogRecord], int, Limits], tuple[Block, list[Reject]]]

# input topic → (decoder, output topic, routing column)
ROUTES: dict[topics.Topic, tuple[Decoder, topics.Topic, str]] = {
    topics.EVENTS: (decode_events, topics.BY_SOURCE, "s"),
    topics.RULINGS: (decode_rulings, topics.BY_CLAIM, "c"),
}


class Intake:
    """Sends decoded input on its way.

    Args:
        settings: partitions, namespace, limits.
        client: keyword arguments for aiokafka clients.
    """

    def __init__(self, settings: Settings, client: Mapping[str, Any], timeout_s: float = 60.0) -> None:
        self._settings = settings
        self._client = dict(client)
        self._timeout_s = timeout_s
        self._limits = Limits(raters=frozenset(r for r in settings.raters.split(",") if r))
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect."""
        self._producer = AIOKafkaProducer(
            **self._client,
            enable_idempotence=True,
            acks="all",
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_BATCH_BYTES,
        )
        await self._producer.start()

    def translate(
        self, source: topics.Topic, partition: int, records: Sequence[LogRecord]
    ) -> tuple[list[Outgoing], int, list[Reject]]:
        """Records of one input partition as outgoing records, the number of rows in them, and the rejects."""
        decoder, target, column = ROUTES[source]
        settings = self._settings
        block, rejects = decoder(records, partition, self._limits)
        outgoing = spread(block, column, target.name(settings), settings.partitions)
        letters, origin = topics.DEAD_LETTERS.name(settings), source.name(settings)
        for reject in rejects:
            letter = of_reject(reject, origin, partition, "intake")
            outgoing.append(as_json(letters, partition, f"{origin}/{partition}/{reject.record.offset}", letter))
        return outgoing, len(block), rejects

    async def forward(self, outgoing: Sequence[Outgoing]) -> None:
        """Send, and wait for every ack; ProduceFailed if one does not come."""
        if self._producer is None:
            raise ProduceFailed("intake has not been started")
        try:
            async with asyncio.timeout(self._timeout_s):
                for ack in await send_batches(self._producer, outgoing):
                    await ack
        except (KafkaError, TimeoutError) as error:
            raise ProduceFailed(f"intake: {error!r}") from error

    async def stop(self) -> None:
        """Disconnect."""
        if self._producer is not None:
            await self._producer.stop()
