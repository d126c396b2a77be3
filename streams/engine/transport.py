"""Faust's Kafka transport with one change: a message is all that was fetched of a partition at once.

Stock Faust spends about 250 µs on tasks, queues, sensors and acks around each record. Around a batch that is nothing.
What is overridden, and why, with the test that fails on stock Faust:

* `getmany` yields whole batches. It leaves out partitions whose last batch is still being worked on: a slow stage holds
  back its own partitions, never the loop that feeds the others. Stateful partitions are not fetched ahead, or the first
  record to come would be a batch by itself.
* `_new_offset` commits the highest offset acknowledged: a partition's batches are processed in order, so all below is
  done. The stock method wants consecutive offsets, which those of batches are not.
* `_add_gap` does nothing: no work was skipped between the offsets of batches.
* A fetch waits 10 ms on the broker for records, not 1.5 s, since meanwhile no other partition is fetched.
* `on_start` shortens a time-out that the fetcher sleeps through if it is woken just as its fetch returns.
* A worker always reads committed records only; Faust asks for that in its own transactions alone. Their end is the
  last stable offset.
* `_fetch_records` hands out records as aiokafka's compiled reader makes them. A ConsumerRecord costs 2.5 µs more, and
  only repeats what is known of the batch. For topics that the app leaves unparsed it hands out the batches
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
        # aiokafka sends one fetch at a time to a broker, for the partitions of which it holds nothing then. A partition
        # whose batch is taken meanwhile waits until that fetch returns: 1.5 s, by Faust's time-out.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        # Platforms write in transactions, and aborted records must not count. Faust asks for this in its own ones only.
        consumer._isolation_level = ISOLATION
        return consumer

    def highwater(self, tp: TP) -> int:
        """The end of what can be read: after it comes an open transaction."""
        end: int = self._ensure_consumer().last_stable_offset(tp)
        return end

    async def on_start(self) -> None:
        """Start the client."""
        await super().on_start()
        # If aiokafka's fetcher is woken just as its fetch returns, it believes that one is still under way, and sends
        # none until this time-out (200 ms by default).
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
        """Fetch again for partitions whose records were taken. The poll under way returns at once. From any thread."""
        with suppress(RuntimeError):  # the loop is closed: nothing is polled any more
            self.thread_loop.call_soon_threadsafe(self._fetch_again, list(tps))

    def join_again(self) -> None:
        """Have the group's partitions assigned anew, as topics and partitions are now. From any thread."""
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
        """Wait until records were fetched, or more partitions are to be fetched."""
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
        # One batch of a partition at a time. Then several actors of an agent can share its partitions and overlap their
        # waits for acks, and never take two batches of one partition out of order.
        self._at_hand: set[TP] = set()
        self._room = asyncio.Event()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """Yield one message for each partition that has records, from one poll."""
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
                # Fetched for an assignment that has ended. `perform_seek` reads them again for the owner of now.
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
        """Call after working on a batch. (`ack` would not do: Faust's compiled stream iterator bypasses it.)"""
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
    """Hands key and value through. What does not parse is dealt with by the stage and never ends its agent."""

    def loads_key(self, app: Any, message: Message, **_: Any) -> Any:
        return message.key

    def loads_value(self, app: Any, message: Message, **_: Any) -> Any:
        return message.value
