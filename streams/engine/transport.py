"""Faust's Kafka transport with one change: a message is everything that was fetched of a partition at once.

Stock Faust pays about 250 µs an event for tasks, queues, sensors and acks around each record. Around each batch they
cost nothing that shows. What is overridden, and why, with the test that fails on stock Faust:

* `getmany` yields whole batches, and leaves out partitions whose former batches are still being worked on, so that a
  slow stage holds back its own partitions and never the loop that feeds the others. Stateful partitions are not fetched
  ahead: the first record that comes would be fetched, and be the whole of the next batch.
* `_new_offset` commits the highest offset acknowledged: a partition's batches are processed in order, so what lies
  below is done. The stock method believes only consecutive offsets, and batches are not.
* `_add_gap` does nothing: gaps between batches are not work that was skipped.
* A fetch waits 10 ms on the broker for something to come, not 1.5 s, since it holds up all other partitions' fetches.
* `on_start` shortens a time-out that the fetcher sleeps through when it is woken while its fetch returns.
* A worker reads committed records only, also outside Faust's own transactions, and their end is the last stable offset.
* `_fetch_records` hands out aiokafka's records as its compiled reader makes them: a ConsumerRecord costs 2.5 µs more,
  and says of each record what is known of the batch. Of topics that the app leaves unparsed it hands out the batches
  (`engine/fetched.py`). It also ends a poll early when its partitions have changed.
* `perform_seek` places each partition where the app says, not where the group's commit says: a commit is a hint.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError
from faust import Schema
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message

from streams.engine.fetched import take
from streams.kafka.log_reader import ISOLATION

POLL_S = 0.05
FETCH_WAIT_MS = 10


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that fetches, with a short long poll."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._changed = asyncio.Event()  # set and cleared in the thread's loop

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # aiokafka has one fetch a broker under way, for the partitions that it held nothing of when it was sent. A
        # partition whose batch is taken meanwhile waits for it to return: 1.5 s, with the time-out Faust gives it.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        # Platforms write with transactions, and what they take back must not count. Faust asks for it in its own only.
        consumer._isolation_level = ISOLATION
        return consumer

    def highwater(self, tp: TP) -> int:
        """The end of what can be read: what comes after it belongs to a transaction that is open."""
        end: int = self._ensure_consumer().last_stable_offset(tp)
        return end

    async def on_start(self) -> None:
        """Start the client."""
        await super().on_start()
        # Woken at the moment when its fetch returns, aiokafka's fetcher believes that one is still under way, and sends
        # none until this time-out: 200 ms.
        self._ensure_consumer()._fetcher._fetcher_timeout = FETCH_WAIT_MS / 1000

    async def _fetch_records(
        self, consumer: Any, active_partitions: set[TP], timeout: float | None = None, max_records: int | None = None
    ) -> Any:
        fetcher, until = consumer._fetcher, time.monotonic() + (timeout or 0.0)
        while self.consumer.flow_active:
            if consumer._closed or fetcher._closed:
                raise ConsumerStoppedError
            for fetched in fetcher._records.values():
                if isinstance(fetched, FetchResult):
                    fetched.getall = partial(self._getall, fetched)
            with fetcher._subscriptions.fetch_context():
                records = await fetcher.fetched_records(active_partitions, timeout=0)
                left = until - time.monotonic()
                if records or left <= 0 or self._changed.is_set():
                    break
                await self._something(fetcher, left)
        else:
            records = {}
        self._changed.clear()
        return records

    def _getall(self, fetched: FetchResult, max_records: int | None = None) -> list[Any]:
        fetch = take(fetched)
        if fetch is None:
            return []
        tp = fetched._topic_partition
        if tp.topic in self.consumer.app.unparsed_topics():
            return [fetch]
        if records := fetch.records():
            fetched._assignment.state_value(tp).pause()
        return records

    def fetch_again(self, tps: Iterable[TP]) -> None:
        """Go on with partitions of which records were taken; the poll under way returns at once. From any thread."""
        with suppress(RuntimeError):  # the loop is closed: nothing is polled any more
            self.thread_loop.call_soon_threadsafe(self._fetch_again, list(tps))

    def join_again(self) -> None:
        """Have the group's partitions given out anew, by what topics and partitions there are now. From any thread."""
        with suppress(RuntimeError):
            self.thread_loop.call_soon_threadsafe(lambda: self.thread_loop.create_task(self._join_again()))

    async def _join_again(self) -> None:
        consumer = self._ensure_consumer()
        if await consumer._client.force_metadata_update() and consumer._coordinator is not None:
            consumer._coordinator.request_rejoin()

    def _fetch_again(self, tps: list[TP]) -> None:
        subscriptions = self._ensure_consumer()._subscription
        for tp in (TopicPartition(tp.topic, tp.partition) for tp in tps):
            if subscriptions.is_assigned(tp):
                subscriptions.resume(tp)
        self._changed.set()

    async def _something(self, fetcher: Any, timeout: float) -> None:
        """Wait until something was fetched, or there is more to fetch."""
        changed = asyncio.ensure_future(self._changed.wait())
        waits = {changed, fetcher._create_fetch_waiter()}
        done, pending = await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for each in pending:
            each.cancel()
        for each in done:
            each.result()  # the fetcher's may be an error of authorisation


class BatchConsumer(driver.Consumer):
    """Consumer whose messages are lists: of records (offset, timestamp, key, value, headers), or of one `Fetch`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # One batch a partition at a time: several actors of an agent may then share its partitions, and overlap their
        # waits for acks, without ever taking two batches of one partition out of order.
        self._at_hand: set[TP] = set()
        self._room = asyncio.Event()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """Yield one message a partition that has records, at most one poll's worth."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        wanted = self._get_active_partitions() - self._at_hand - self.app.held_partitions()
        if not wanted:
            self._room.clear()
            await asyncio.wait({asyncio.ensure_future(self._room.wait())}, timeout=POLL_S)
            return
        generation = self.app.consumer_generation_id
        records = await self._getmany(active_partitions=wanted, timeout=POLL_S)
        for tp, batch in (records or {}).items():
            if not self.flow_active or self.should_stop or self.app.consumer_generation_id != generation:
                # Fetched for an assignment that ended: `perform_seek` reads them again for whoever owns them now.
                return
            if batch:
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                self._at_hand.add(tp)
                yield tp, self._to_batch(tp, batch)

    def _to_batch(self, tp: TP, batch: list[Any]) -> ConsumerMessage:
        last = batch[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            0,
            None,
            None,
            batch,
            None,
            None,
            None,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    def join_again(self) -> None:
        """See BatchConsumerThread."""
        self._thread.join_again()

    def at_hand(self) -> set[TP]:
        """Partitions of which a batch is being worked on."""
        return self._at_hand

    def batch_done(self, tp: TP) -> None:
        """To be called by whoever worked on a batch. (Not `ack`: Faust's compiled stream iterator goes around it.)"""
        self._at_hand.discard(tp)
        self._room.set()
        self._thread.fetch_again([tp])

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
        """Seek to the committed offsets, then to where the app says."""
        await super().perform_seek()
        self._at_hand.clear()
        self._thread.fetch_again(self.assignment())
        positions: Mapping[TP, int] = self.app.positions()
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
