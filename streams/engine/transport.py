"""Faust's Kafka transport with one change: a message is everything that was fetched of a partition at once.

Stock Faust pays about 250 µs an event for tasks, queues, sensors and acks around each record. Around each batch they
cost nothing that shows. What is overridden, and why, with the test that fails on stock Faust:

* `getmany` yields whole batches, and leaves out partitions whose former batches are still being worked on, so that a
  slow stage holds back its own partitions and never the loop that feeds the others.
* `_new_offset` commits the highest offset acknowledged: a partition's batches are processed in order, so what lies
  below is done. The stock method believes only consecutive offsets, and batches are not.
* `_add_gap` does nothing: gaps between batches are not work that was skipped.
* A fetch waits 10 ms on the broker for something to come, not 1.5 s, since it holds up all other partitions' fetches.
* `perform_seek` places each partition where its state says, not where the group's commit says: a commit is a hint.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from faust import Schema
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message

# One batch a partition at a time: several actors of an agent may then share its partitions, and overlap their waits
# for acks, without ever taking two batches of one partition out of order. The client fetches ahead meanwhile.
BATCHES_AT_HAND = 1
POLL_S = 0.05
# A poll under way does not see that a batch was done meanwhile: what came for its partition waits for the poll's end.
BUSY_POLL_S = 0.002
FETCH_WAIT_MS = 10


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that fetches, with a short long poll."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # aiokafka has one fetch a broker under way, for the partitions that it held nothing of when it was sent. A
        # partition whose batch is taken meanwhile waits for it to return: 1.5 s, with the time-out Faust gives it.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer


class BatchConsumer(driver.Consumer):
    """Consumer whose messages are lists of ConsumerRecords."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._at_hand: Counter[TP] = Counter()
        self._room = asyncio.Event()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """Yield one message a partition that has records, at most one poll's worth."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        active = self._get_active_partitions()
        wanted = {tp for tp in active if self._at_hand[tp] < BATCHES_AT_HAND}
        busy = len(wanted) < len(active)
        wanted -= self.app.held_partitions()
        if not wanted:
            self._room.clear()
            await asyncio.wait({asyncio.ensure_future(self._room.wait())}, timeout=POLL_S)
            return
        generation = self.app.consumer_generation_id
        records = await self._getmany(active_partitions=wanted, timeout=BUSY_POLL_S if busy else POLL_S)
        for tp, batch in (records or {}).items():
            if not self.flow_active or self.should_stop or self.app.consumer_generation_id != generation:
                # Fetched for an assignment that ended: `perform_seek` reads them again for whoever owns them now.
                return
            if batch:
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                self._at_hand[tp] += 1
                yield tp, self._to_batch(tp, batch)

    def _to_batch(self, tp: TP, batch: list[Any]) -> ConsumerMessage:
        last = batch[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            None,
            None,
            batch,
            None,
            None,
            None,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    def batch_done(self, tp: TP) -> None:
        """To be called by whoever worked on a batch. (Not `ack`: Faust's compiled stream iterator goes around it.)"""
        self._at_hand[tp] = max(0, self._at_hand[tp] - 1)
        self._room.set()

    def _new_offset(self, tp: TP) -> int | None:
        acked = self._acked[tp]
        if not acked:
            return None
        highest: int = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return highest + 1

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        return

    async def perform_seek(self) -> None:
        """Seek to the committed offsets, then to where the state of stateful partitions says."""
        await super().perform_seek()
        self._at_hand.clear()
        positions: Mapping[TP, int] = self.app.state_positions()
        for tp in self.assignment():
            if tp in positions:
                await self.seek(tp, positions[tp])

    async def on_partitions_revoked(self, revoked: Iterable[TP]) -> None:
        """Forget batches at hand: what was not applied is fetched again."""
        self._at_hand.clear()
        await super().on_partitions_revoked(set(revoked))


class BatchTransport(driver.Transport):
    """Transport of whole batches."""

    Consumer = BatchConsumer


class RawSchema(Schema):
    """Hands key and value through: what does not parse is the stage's business, never a crash of its agent."""

    def loads_key(self, app: Any, message: Message, **_: Any) -> Any:
        return message.key

    def loads_value(self, app: Any, message: Message, **_: Any) -> Any:
        return message.value
