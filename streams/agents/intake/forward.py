"""Intake: decode, validate, clamp, name the claim, route. What is refused becomes a dead letter; the stream goes on.

It has no state. After a crash it repeats what was not committed; the next stage drops repeats by their origins (input
offsets). These ascend within each of its partitions: an idempotent producer sends a partition's batches in order, and
any failure to send ends the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.agents.intake.aside import Aside
from streams.agents.intake.translation import Translation, translate
from streams.contract import topics
from streams.contract.settings import Settings
from streams.engine.fencing import MAX_BATCH_BYTES, ProduceFailed, send_batches
from streams.engine.fetched import Fetch
from streams.engine.journal import Outgoing

ASIDE_ROWS_MIN = 1024  # decoding fewer records takes less time than handing them over


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
        self._aside = Aside(settings)
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect, and start the process that decodes."""
        self._aside.start()
        self._producer = AIOKafkaProducer(
            **self._client,
            enable_idempotence=True,
            acks="all",
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_BATCH_BYTES,
        )
        await self._producer.start()

    async def translate(self, source: topics.Topic, topic_id: str, partition: int, fetch: Fetch) -> Translation:
        """Decode and route what was fetched of an input partition; in the other process if it is much."""
        if fetch.offset - fetch.position < ASIDE_ROWS_MIN:
            return translate(self._settings, source, topic_id, partition, fetch.records())
        return await self._aside.translate(source, topic_id, partition, fetch)

    async def forward(self, outgoing: Sequence[Outgoing]) -> None:
        """Send, and wait for every ack. Raises ProduceFailed if one does not come."""
        if self._producer is None:
            raise ProduceFailed("intake has not been started")
        try:
            async with asyncio.timeout(self._timeout_s):
                for ack in await send_batches(self._producer, outgoing):
                    await ack
        except (KafkaError, TimeoutError) as error:
            raise ProduceFailed(f"intake: {error!r}") from error

    async def stop(self) -> None:
        """Disconnect, and end the process that decodes."""
        self._aside.stop()
        if self._producer is not None:
            await self._producer.stop()
