"""The process that delivers: reads the flags in a consumer group of its own, and keeps its place after success only.

Records of a claim are delivered one after the other, those of different claims beside each other. Before the place is
kept, what became of each flag is on the topic of deliveries; so a crash in between finds there what the target has.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from streams.contract import metrics
from streams.contract.flag_record import Flag
from streams.contract.settings import Settings, client_kwargs
from streams.contract.topics import DELIVERIES, FLAGS
from streams.deliver.delivered import Delivered
from streams.deliver.delivery import Delivering
from streams.deliver.tries import InterruptedDeliveryError
from streams.kafka.admin import TopicsError, unreachable
from streams.kafka.clients import started
from streams.kafka.log_reader import FOLLOW_MS, ISOLATION, LogReader

log = logging.getLogger(__name__)

BATCH = 500
BESIDE = 8
"""Claims whose flags are delivered at the same time."""
# A target may be away for days, in which the consumer asks for nothing; its heartbeats show that it lives.
_POLL_MAX_MS = 2**31 - 1


def group_of(settings: Settings, name: str) -> str:
    """Consumer group of a target's process."""
    return f"{settings.namespace}credence-deliver-{name}"


class Deliverer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Delivers the flags of the partitions that its group gives it, until told to stop.

    Args:
        settings: with the broker filled in.
        delivering: to one target.
        name: of the process's group, and under which its deliveries are remembered.
        again: first send once more what was refused, and what is in doubt.
    """

    def __init__(self, settings: Settings, delivering: Delivering, name: str, again: bool = False) -> None:
        self._settings = settings
        self._delivering = delivering
        self._tries = delivering.tries
        self._name = name
        self._again = again
        self._busy = asyncio.Lock()
        self._stopping = False

    def stop(self) -> None:
        """End after the requests that are on their way."""
        self._stopping = True
        self._tries.interrupted.set()

    async def run(self) -> None:
        """Deliver until stopped. Raises TopicsError when the topics are not there or Kafka cannot be reached."""
        client = client_kwargs(self._settings)
        async with LogReader(client) as logs:
            names = [FLAGS.name(self._settings), DELIVERIES.name(self._settings)]
            there = await logs.partitions(names)
        if missing := [name for name in names if name not in there]:
            raise TopicsError(f"there is no topic {missing[0]}: run `credence topics create`")
        metrics.DELIVERY_WAITING.at(self._delivering.target.NAME).set_function(self.waiting_s)
        async with (
            started(AIOKafkaProducer, client, acks="all", enable_idempotence=True) as producer,
            started(
                AIOKafkaConsumer,
                client,
                group_id=group_of(self._settings, self._name),
                client_id=f"credence-deliver-{self._name}",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level=ISOLATION,
                max_poll_interval_ms=_POLL_MAX_MS,
                rebalance_timeout_ms=max(60_000, 3 * self._settings.deliver_timeout_ms),
            ) as consumer,
        ):
            self._delivered = Delivered(self._settings, self._name, producer, there[names[1]])
            self._consumer = consumer
            consumer.subscribe([names[0]], listener=self)
            while not self._stopping:
                await self._round()
                if self._again and consumer.assignment():
                    await self._once_more()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Another process may get these: finish what is on its way, and keep the place."""
        self._tries.interrupted.set()
        async with self._busy:
            pass

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Learn what the processes before us have delivered."""
        await self._delivered.load()
        if not self._stopping:
            self._tries.interrupted.clear()
        log.info("%s: delivering the flags of %d partitions", self._name, len(list(assigned)))

    def waiting_s(self) -> float:
        """Seconds for which the target has taken nothing though flags wait for it; 0 when none waits."""
        trouble = self._tries.trouble
        return 0.0 if trouble is None else time.monotonic() - trouble[1]

    async def _round(self) -> None:
        """Fetch a batch, deliver it, keep the place."""
        fetched = await self._consumer.getmany(timeout_ms=FOLLOW_MS, max_records=BATCH)
        if not fetched:
            return
        async with self._busy:
            undone = await self._deliver([record for records in fetched.values() for record in records])
            places = {
                tp: min([r.offset for r in undone if (r.topic, r.partition) == tp], default=records[-1].offset + 1)
                for tp, records in fetched.items()
            }
            await self._keep(places)
            for tp, place in places.items():
                if any((r.topic, r.partition) == tp for r in undone) and tp in self._consumer.assignment():
                    self._consumer.seek(tp, place)

    async def _once_more(self) -> None:
        """Forget what was refused or is in doubt, and deliver the newest record of its flag."""
        self._again = False
        ours = self._consumer.assignment()
        newest: dict[str, ConsumerRecord] = {}
        async with LogReader(client_kwargs(self._settings)) as logs:
            await logs.place(dict.fromkeys(ours, 0))
            async for records in logs.upto({tp: await self._consumer.position(tp) for tp in ours}):
                for record in records:
                    if (flag := flag_of(record.value)) is not None and self._delivered.failed(flag["flag_id"]):
                        newest[flag["flag_id"]] = record
        log.info("%s: %d flags once more", self._name, len(newest))
        async with self._busy:
            for flag_id in newest:
                await self._delivered.remember(flag_id, None)
            await self._deliver(list(newest.values()))

    async def _keep(self, places: Mapping[TopicPartition, int]) -> None:
        try:
            await self._consumer.commit(dict(places))
        except (CommitFailedError, IllegalStateError) as error:
            # The partitions are another's by now. It finds on the topic of deliveries what we did.
            log.info("%s: the place could not be kept: %r", self._name, error)
        except KafkaError as error:
            log.warning("%s: the place could not be kept, and will be with the next batch: %r", self._name, error)

    async def _deliver(self, records: Sequence[ConsumerRecord]) -> list[ConsumerRecord]:
        """Deliver a batch; returns the records that are not delivered because we were interrupted."""
        lines: dict[bytes, list[ConsumerRecord]] = {}
        for record in self._worth_sending(records):
            lines.setdefault(record.key or b"", []).append(record)
        undone: list[ConsumerRecord] = []
        beside = asyncio.Semaphore(BESIDE)

        async def in_order(line: list[ConsumerRecord]) -> None:
            async with beside:
                for n, record in enumerate(line):
                    try:
                        await self._deliver_one(record)
                    except InterruptedDeliveryError:
                        undone.extend(line[n:])
                        return

        try:
            async with asyncio.TaskGroup() as group:
                for line in lines.values():
                    group.create_task(in_order(line))
        except* KafkaError as errors:
            raise unreachable(self._settings.broker, errors.exceptions[0]) from None
        return undone

    def _worth_sending(self, records: Sequence[ConsumerRecord]) -> Iterable[ConsumerRecord]:
        """The newest record of each flag; of a target that follows every step, all of them."""
        if self._delivering.target.EVERY_REVISION:
            return records
        newest: dict[Any, ConsumerRecord] = {}
        for record in records:
            flag = flag_of(record.value)
            id_ = flag["flag_id"] if flag is not None else (record.partition, record.offset)
            newest.pop(id_, None)
            newest[id_] = record
        return newest.values()

    async def _deliver_one(self, record: ConsumerRecord) -> None:
        flag = flag_of(record.value)
        if flag is None:
            log.warning("%s: %s/%d/%d holds no flag", self._name, record.topic, record.partition, record.offset)
            return
        delivered = self._delivered
        await self._delivering.deliver(flag, delivered.of(flag["flag_id"]), delivered.remember)


def flag_of(value: bytes | None) -> dict[str, Any] | None:
    """The flag record of these bytes, as JSON gives it; None if they are none that we know."""
    try:
        msgspec.json.decode(value or b"", type=Flag)
        return msgspec.json.decode(value or b"", type=dict[str, Any])
    except msgspec.DecodeError:
        return None
