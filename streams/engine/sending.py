"""One way out for all that a worker writes: what is due together goes to the broker in one request.

aiokafka's producer is made for records that trickle in, of one writer. A worker writes whole batches, of many writers:
each partition's owner is one by its epoch (`engine/fencing.py`), and the worker itself is another. A request costs the
same CPU whether it carries one batch or twenty. So while one is under way the others gather, and go together, and what
is due waits for the company of batches that are being worked on (`engine/company.py`).

Order and repeats are as with aiokafka's idempotent producer: a batch carries its writer's id, epoch and number, one
batch at a time is under way to a partition, and what fails in passing is sent again as it is.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerClosed, for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from streams.engine.company import Company
from streams.engine.journal import Outgoing
from streams.kafka.clients import started

log = logging.getLogger(__name__)

MAX_BATCH_BYTES = 32 << 20  # a changelog batch or a hop record; the topics allow 16 MiB and say so if it is less
OUTPUT_BATCH_BYTES = 512 << 10  # stays below the 1 MiB that topics take by default
REQUEST_TIMEOUT_MS = 30_000
RETRY_S = 0.1
RECORD_BYTES_MAX = 40  # that a record takes beside its key and value

TIMEOUT_S = 60.0
"""How long an acknowledgement may take before whoever waits gives up."""

Entry = tuple[bytes | None, bytes | None]


class ProduceFailed(RuntimeError):
    """A record was refused or not acknowledged in time; the worker must end, since the log may hold it or not."""


@dataclass(slots=True)
class Writer:
    """Who writes: a producer id and epoch, and how many records it has sent to each partition."""

    producer_id: int
    epoch: int
    sent: dict[TopicPartition, int] = field(default_factory=lambda: defaultdict(int))


Put = tuple[Writer, str, int, Sequence[Entry]]
"""Records of a writer for a partition of a topic."""


class _Parcel(NamedTuple):
    """Records that stay together, and who waits for the offset of the first."""

    writer: Writer
    entries: Sequence[Entry]
    size: int
    ack: asyncio.Future[int]


@dataclass(slots=True)
class _Batch:
    """What is sent to a partition at once: parcels of one writer, as bytes."""

    data: bytes
    parcels: list[_Parcel]

    def arrived(self, offset: int) -> None:
        for parcel in self.parcels:
            if not parcel.ack.done():
                parcel.ack.set_result(offset)
            offset += len(parcel.entries)

    def failed(self, error: BaseException) -> None:
        for parcel in self.parcels:
            if not parcel.ack.done():
                parcel.ack.set_exception(error)
                parcel.ack.exception()  # whoever waited may be gone


class Sender:
    """Sends batches of any writer.

    Args:
        client: keyword arguments for aiokafka clients.
    """

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._client_options = dict(client)
        self._open = AsyncExitStack()
        self._queues: dict[TopicPartition, deque[_Parcel]] = {}
        self._again: dict[TopicPartition, _Batch] = {}  # failed in passing
        self._under_way: dict[int, asyncio.Task[None]] = {}  # by broker
        self._busy: set[TopicPartition] = set()
        self._due = asyncio.Event()
        self.company = Company()
        self._routine: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect. The worker's own writer is there when this returns."""
        # It is never given a record: its connections and its producer id are used.
        producer = await self._open.enter_async_context(
            started(AIOKafkaProducer, self._client_options, enable_idempotence=True)
        )
        self._client = producer.client
        await producer._txn_manager.wait_for_pid()
        granted = producer._txn_manager._pid_and_epoch
        self.own = Writer(granted.pid, granted.epoch)
        """The worker itself: for what needs no fence."""
        self._routine = asyncio.create_task(self._run())

    async def put(self, writer: Writer, topic: str, partition: int, entries: Sequence[Entry]) -> asyncio.Future[int]:
        """Have records sent as parts of one batch, which the log takes whole or not at all; the first one's offset.

        Puts of one writer to one partition arrive in order. The future fails with what the broker says for good; what
        may pass is tried again for ever. Raises ProduceFailed if they are too large for a batch.
        """
        size = sum(len(key or b"") + len(value or b"") + RECORD_BYTES_MAX for key, value in entries)
        if size > MAX_BATCH_BYTES:
            raise ProduceFailed(f"{size} bytes for {topic}/{partition} exceed a batch of {MAX_BATCH_BYTES}")
        if self._routine is not None and self._routine.done():
            self._routine.result()
        await self._client._wait_on_metadata(topic)
        ack: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        parcels = self._queues.setdefault(TopicPartition(topic, partition), deque())
        parcels.append(_Parcel(writer, entries, size, ack))
        self._due.set()
        return ack

    async def send(
        self,
        writer_of: Callable[[str], Writer],
        outgoing: Sequence[Outgoing],
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Send records and wait for all of them; the order within a partition of a topic is kept.

        Args:
            writer_of: topic → who writes to it.
            timeout_s: how long the acknowledgements may take.

        Raises ProduceFailed if one was refused, or not acknowledged in time.
        """
        await self.acked([(writer_of(each[0]), *each) for each in _together(outgoing)], timeout_s)

    async def acked(self, puts: Iterable[Put], timeout_s: float = TIMEOUT_S) -> list[int]:
        """`put` each, and wait for all of them: the offsets. Raises ProduceFailed as `send` does."""
        try:
            async with asyncio.timeout(timeout_s):
                acks = [await self.put(*each) for each in puts]
                return [await ack for ack in acks]
        except (KafkaError, TimeoutError) as error:
            raise ProduceFailed(repr(error)) from error

    def forget(self, writer: Writer) -> None:
        """Drop what was not sent yet of a writer that is none any more, as a crash would."""
        for tp in [tp for tp, batch in self._again.items() if batch.parcels[0].writer is writer]:
            self._again.pop(tp).failed(ProducerClosed())
        for tp, queue in list(self._queues.items()):
            for parcel in [parcel for parcel in queue if parcel.writer is writer]:
                queue.remove(parcel)
                _Batch(b"", [parcel]).failed(ProducerClosed())
            if not queue:
                del self._queues[tp]

    async def _run(self) -> None:
        while True:
            await self._due.wait()
            await self.company.wait()
            await asyncio.sleep(0)  # whoever was woken at the same time puts, too
            self._due.clear()
            requests, homeless = self._next()
            for node, batches in requests.items():
                self._busy |= batches.keys()
                self._under_way[node] = asyncio.create_task(self._deliver(node, batches))
            if homeless:
                self._client.force_metadata_update()
                asyncio.get_running_loop().call_later(RETRY_S, self._due.set)

    def _next(self) -> tuple[dict[int, dict[TopicPartition, _Batch]], bool]:
        """What to send to each broker that nothing is under way to, and whether a partition has no leader."""
        requests: dict[int, dict[TopicPartition, _Batch]] = defaultdict(dict)
        sizes: dict[int, int] = defaultdict(int)
        homeless = False
        for tp in (self._again | self._queues).keys() - self._busy:
            node = self._client.cluster.leader_for_partition(tp)
            if node in (None, -1):
                homeless = True
            elif node not in self._under_way and sizes[node] < MAX_BATCH_BYTES:
                batch = self._again.pop(tp, None) or self._batch(tp)
                requests[node][tp] = batch
                sizes[node] += len(batch.data)
        return requests, homeless

    def _batch(self, tp: TopicPartition) -> _Batch:
        queue = self._queues[tp]
        writer, size, parcels = queue[0].writer, 0, list[_Parcel]()
        while queue and queue[0].writer is writer and (not size or size + queue[0].size <= OUTPUT_BATCH_BYTES):
            size += queue[0].size
            parcels.append(queue.popleft())
        if not queue:
            del self._queues[tp]
        number = writer.sent[tp]
        builder = DefaultRecordBatchBuilder(2, 0, 0, writer.producer_id, writer.epoch, number, 2 * MAX_BATCH_BYTES)
        entries = [entry for parcel in parcels for entry in parcel.entries]
        for offset, (key, value) in enumerate(entries):
            builder.append(offset, None, key, value, [])
        writer.sent[tp] = (number + len(entries)) % (1 << 31)
        return _Batch(bytes(builder.build()), parcels)

    async def _deliver(self, node: int, batches: dict[TopicPartition, _Batch]) -> None:
        topics: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        for tp, batch in batches.items():
            topics[tp.topic].append((tp.partition, batch.data))
        again = batches
        try:
            answer = await self._client.send(node, ProduceRequest(None, -1, REQUEST_TIMEOUT_MS, list(topics.items())))
            said = {
                TopicPartition(topic, partition): (for_code(code), offset)
                for topic, partitions in answer.topics
                for partition, code, offset, *_ in partitions
            }
            again = {tp: batch for tp, batch in batches.items() if not _settled(batch, *said[tp])}
        except KafkaError as error:
            log.warning("%d batches have to be sent again: %r", len(batches), error)
        finally:
            del self._under_way[node]
            self._busy -= batches.keys()
            if again:
                self._again |= again
                self._client.force_metadata_update()
                asyncio.get_running_loop().call_later(RETRY_S, self._due.set)
            else:
                self._due.set()

    async def stop(self) -> None:
        """Disconnect; what was not sent is lost, as after a crash."""
        for batch in self._again.values():
            batch.failed(ProducerClosed())
        for queue in self._queues.values():
            _Batch(b"", list(queue)).failed(ProducerClosed())
        tasks = [task for task in (self._routine, *self._under_way.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._open.aclose()


def _settled(batch: _Batch, error: type[KafkaError], offset: int) -> bool:
    """Tell who waits for a batch what the broker said of it; False if it is to be sent again."""
    if error.errno == 0:
        batch.arrived(offset)
    elif error.retriable:
        return False
    else:
        batch.failed(error())
    return True


def _together(outgoing: Sequence[Outgoing]) -> Iterator[tuple[str, int, list[Entry]]]:
    """Records by topic and partition, as many at a time as a batch of output may have."""
    groups: dict[tuple[str, int], list[Entry]] = {}
    for topic, partition, key, value, _ in outgoing:
        groups.setdefault((topic, partition), []).append((key, value))
    for (topic, partition), entries in groups.items():
        some, size = list[Entry](), 0
        for key, value in entries:
            more = len(key or b"") + len(value or b"") + RECORD_BYTES_MAX
            if some and size + more > OUTPUT_BATCH_BYTES:
                yield topic, partition, some
                some, size = [], 0
            some.append((key, value))
            size += more
        yield topic, partition, some
