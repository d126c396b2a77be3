"""What is remembered of deliveries, on a compacted topic: so that a restart knows what a target has."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from aiokafka import AIOKafkaProducer

from streams.contract.delivery_record import Delivery
from streams.contract.settings import Settings, client_kwargs
from streams.contract.topics import DELIVERIES, partition_of
from streams.contract.words import DeliveryState
from streams.kafka.log_reader import LogReader

REMEMBERED_MS = 30 * 86_400_000
"""A delivery that has ended is forgotten after this time; no record of its flag can come again by then."""
_ENDED = (DeliveryState.TAKEN_BACK, DeliveryState.REFUSED)


def key_of(target: str, flag_id: str) -> str:
    """Key of a delivery's records."""
    return f"{target} {flag_id}"


async def read(settings: Settings, wanted: Callable[[Delivery], bool]) -> dict[str, Delivery]:
    """The newest delivery of each key. Raises TopicsError if the topic is not there or Kafka is away.

    Args:
        settings: with the broker filled in.
        wanted: which deliveries.
    """
    topic = DELIVERIES.name(settings)
    found: dict[str, Delivery] = {}
    async with LogReader(client_kwargs(settings)) as logs:
        async for records in logs.whole(topic):
            for record in records:
                key = (record.key or b"").decode("utf-8", "replace")
                delivery = _decoded(record.value)
                if delivery is None or not wanted(delivery):
                    found.pop(key, None)
                else:
                    found[key] = delivery
    return found


def _decoded(value: bytes | None) -> Delivery | None:
    try:
        return msgspec.json.decode(value or b"", type=Delivery)
    except msgspec.DecodeError:
        return None


class Delivered:
    """The deliveries of one target.

    Args:
        settings: with the broker filled in.
        name: of the target.
        producer: a started producer with every acknowledgement.
        partitions: how many the topic has.
    """

    def __init__(self, settings: Settings, name: str, producer: AIOKafkaProducer, partitions: int) -> None:
        self._settings = settings
        self._name = name
        self._producer = producer
        self._topic = DELIVERIES.name(settings)
        self._partitions = partitions
        self._known: dict[str, Delivery] = {}

    async def load(self) -> None:
        """Read everything again, and forget what ended long ago."""
        self._known = {d.flag_id: d for d in (await read(self._settings, self._mine)).values()}
        forgotten_ms = time.time_ns() // 1_000_000 - REMEMBERED_MS
        for flag_id, delivery in list(self._known.items()):
            if delivery.state in _ENDED and delivery.at_ms < forgotten_ms:
                await self.remember(flag_id, None)

    def _mine(self, delivery: Delivery) -> bool:
        return delivery.target == self._name

    def of(self, flag_id: str) -> Delivery | None:
        """What is known of a flag."""
        return self._known.get(flag_id)

    def failed(self, flag_id: str) -> bool:
        """Whether the target has refused the flag, or nobody knows whether it has it."""
        known = self.of(flag_id)
        return known is not None and known.state in (DeliveryState.REFUSED, DeliveryState.IN_DOUBT)

    async def remember(self, flag_id: str, delivery: Delivery | None) -> None:
        """Make durable what is known of a flag from now on; None forgets it."""
        key = key_of(self._name, flag_id)
        value = None if delivery is None else msgspec.json.encode(delivery)
        partition = partition_of(key, self._partitions)
        await self._producer.send_and_wait(self._topic, value, key=key.encode(), partition=partition)
        if delivery is None:
            self._known.pop(flag_id, None)
        else:
            self._known[flag_id] = delivery
