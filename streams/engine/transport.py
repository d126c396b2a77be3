"""Faust's Kafka transport with one change: a message is all that was fetched of a partition at once.

Stock Faust spends about 250 µs on tasks, queues, sensors and acks around each record. Around a batch that is nothing.
What is overridden, and why, with the test that fails on stock Faust:

* `getmany` yields whole batches. It leaves out partitions whose last batch is still being worked on: a slow stage holds
  back its own partitions, never the loop that feeds the others. What comes for them meanwhile is kept
  (`engine/fetching.py`), and is their next batch.
* `_new_offset` commits the highest offset acknowledged: a partition's batches are processed in order, so all below is
  done. The stock method wants consecutive offsets, which those of batches are not.
* `_commit_offsets` only commits. The stock method first draws a table of the offsets for a log that is off, a twelfth
  of the worker's time at 100 events a second.
* `_add_gap` does nothing: no work was skipped between the offsets of batches.
* A fetch waits on the broker until something comes, and no partition that is wanted meanwhile waits behind it
  (`LaneFetcher`). The app says at which pace each topic is fetched.
* A worker always reads committed records only; Faust asks for that in its own transactions alone. Their end is the
  last stable offset.
* `_fetch_records` hands out records as aiokafka's compiled reader makes them. A ConsumerRecord costs 2.5 µs more, and
  only repeats what is known of the batch. For topics that the app leaves unparsed it hands out the batches
  (`engine/fetched.py`).
* `perform_seek` places each partition where the app says, not where the group's commit says: a commit is a hint.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Set
from contextlib import suppress
from typing import Any

from aiokafka.errors import ConsumerStoppedError
from faust import Schema
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message

from streams.engine.fetched import Fetch, Records, joined
from streams.engine.fetching import WAIT_MS, Ahead, LaneFetcher
from streams.kafka.log_reader import ISOLATION

POLL_S = 0.25
HELD_POLL_S = 0.05
"""How long a poll takes while partitions are held back: only a new one notices that they are not any more."""


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that fetches."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._changed = asyncio.Event()  # set and cleared in the thread's loop
        self._ahead = Ahead()

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = WAIT_MS
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
        LaneFetcher.take_over(self._ensure_consumer()._fetcher, self.consumer.app.pace_s)

    async def _fetch_records(
        self, consumer: Any, active_partitions: set[TP], timeout: float | None = None, max_records: int | None = None
    ) -> Any:
        fetcher, until = consumer._fetcher, time.monotonic() + (timeout or 0.0)
        while self.consumer.flow_active:
            if consumer._closed or fetcher._closed:
                raise ConsumerStoppedError
            self._changed.clear()
            with fetcher._subscriptions.fetch_context():
                await self._ahead.drain(fetcher)
                # Not what was wanted when the poll began: batches have been done since.
                fetched = self._ahead.hand_out(self.consumer.wanted())
                left = until - time.monotonic()
                if fetched or left <= 0:
                    return {tp: self._batch(tp, fetches) for tp, fetches in fetched.items()}
                await self._something(fetcher, left)
        return {}

    def _batch(self, tp: TP, fetches: list[Fetch]) -> list[Any]:
        if tp.topic in self.consumer.app.unparsed_topics():
            return [joined(fetches)]
        return Records(fetches)

    def look_again(self, tps: Iterable[TP] | None = None) -> None:
        """Have the poll under way look what there is of partitions (None: of any). From any thread."""
        if tps is None or any(tp in self._ahead for tp in tps):
            with suppress(RuntimeError):  # the loop is closed: nothing is polled any more
                self.thread_loop.call_soon_threadsafe(self._changed.set)

    def join_again(self) -> None:
        """Have the group's partitions assigned anew, as topics and partitions are now. From any thread."""
        with suppress(RuntimeError):
            self.thread_loop.call_soon_threadsafe(lambda: self.thread_loop.create_task(self._join_again()))

    async def _join_again(self) -> None:
        consumer = self._ensure_consumer()
        if await consumer._client.force_metadata_update() and consumer._coordinator is not None:
            consumer._coordinator.request_rejoin()

    async def _something(self, fetcher: Any, timeout: float) -> None:
        """Wait until records were fetched, or more partitions are wanted."""
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
        self.handed_at_s: dict[TP, float] = {}
        """When the last batch of a partition was there (`time.perf_counter`)."""
        self._held: Set[TP] = set()
        self._room = asyncio.Event()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """Yield one message for each partition that has records, from one poll."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        self._held = self.app.held_partitions()
        poll_s = HELD_POLL_S if self._held else POLL_S
        if not (wanted := self.wanted()):
            self._room.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._room.wait(), poll_s)
            return
        generation = self.app.consumer_generation_id
        records = await self._getmany(active_partitions=wanted, timeout=poll_s)
        self.app.handed_out(records or ())
        for tp, batch in (records or {}).items():
            if not self.flow_active or self.should_stop or self.app.consumer_generation_id != generation:
                # Fetched for an assignment that has ended. `perform_seek` reads them again for the owner of now.
                return
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            self._at_hand.add(tp)
            self.handed_at_s[tp] = time.perf_counter()
            yield tp, self._to_batch(tp, batch)

    def wanted(self) -> set[TP]:
        """Partitions of which a batch may be handed out now. From any thread."""
        active: set[TP] = self._get_active_partitions()
        return active - self._at_hand - self._held

    def stop_flow(self) -> None:
        """Hand out nothing any more; the poll under way ends."""
        super().stop_flow()
        self._thread.look_again()

    def _to_batch(self, tp: TP, batch: list[Any]) -> ConsumerMessage:
        last = batch if isinstance(batch, Records) else batch[-1]
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
        self.app.company.came(tp)
        self._room.set()
        self._thread.look_again([tp])

    def _new_offset(self, tp: TP) -> int | None:
        acked = self._acked[tp]
        if not acked:
            return None
        highest: int = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return highest + 1

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        assigned = self.assignment()
        ours = {tp: offset for tp, offset in offsets.items() if tp in assigned}
        committed = bool(ours) and await self._commit(ours)
        self._committed_offset.update(ours)
        if committed:
            self.app.committed()
        return committed

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        return

    async def perform_seek(self) -> None:
        """Seek to the committed offsets, then to where the app says."""
        await super().perform_seek()
        self._at_hand.clear()
        self.app.company.forget()
        positions: Mapping[TP, int] = self.app.positions()
        for tp in self.assignment():
            if tp in positions:
                await self.seek(tp, positions[tp])

    async def on_partitions_revoked(self, revoked: Iterable[TP]) -> None:
        """Forget batches at hand: what was not applied is fetched again."""
        self._at_hand.clear()
        self.app.company.forget()
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
