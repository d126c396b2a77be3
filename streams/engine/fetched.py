"""What was fetched of a partition, before anybody parses it.

Taking one record out of what Kafka sent costs 1.3 µs, under Python's lock. For blocks of thousands of rows that is
nothing. A platform's events come one a record, so they are left as they came, for the process that decodes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import aiokafka.consumer.fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords


class LogRecord(Protocol):
    """A fetched record: aiokafka's ConsumerRecord, or the bare record that it is made from."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


_HEAD_BYTES = 12  # of a batch: its first offset, and the length of what follows


class _KeptRecords(MemoryRecords):  # type: ignore[misc]
    """aiokafka's reader of a fetch, which keeps hold of the batches that it reads."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.data = data


# Every consumer of this process reads through it; only `take` uses what it adds.
aiokafka.consumer.fetcher.MemoryRecords = _KeptRecords


class Fetch(NamedTuple):
    """Batches of one partition as the broker sent them.

    Attributes:
        data: one or more whole batches (record format 2).
        position: the first offset that was asked for. Batches are sent whole, so the first may begin before it.
        offset: the last offset in it.
        timestamp: append time of the last batch, ms.
        aborted: (producer id, first offset) of each aborted transaction with records in it.
    """

    data: bytes
    position: int
    offset: int
    timestamp: int
    aborted: tuple[tuple[int, int], ...] = ()

    def records(self) -> list[Any]:
        """The bare records that count: not before `position`, not aborted. Raises CorruptRecordException."""
        batches, records = MemoryRecords(self.data), []
        takes_back = _Aborted(self.aborted) if self.aborted else None
        while batches.has_next():
            batch = batches.next_batch()
            if not batch.validate_crc():
                raise CorruptRecordException(f"invalid CRC at offset {batch.base_offset}")
            if takes_back is not None and takes_back(batch):
                continue
            if batch.is_control_batch:
                continue
            if batch.base_offset < self.position:
                records += [record for record in batch if record.offset >= self.position]
            else:
                records += batch
        return records


class Records(list[Any]):
    """What was fetched of a partition of a stage: the records that count, and the offsets that they cover.

    Attributes:
        position: the first offset that was asked for.
        offset: the last one. Offsets without a record are marks of transactions, or were taken back.
        timestamp: append time of the last batch, ms.
    """

    def __init__(self, fetches: Sequence[Fetch]) -> None:
        super().__init__(record for fetch in fetches for record in fetch.records())
        self.position, self.offset, self.timestamp = fetches[0].position, fetches[-1].offset, fetches[-1].timestamp


def joined(fetches: Sequence[Fetch]) -> Fetch:
    """Fetches of a partition that follow each other, at least one, as if they were one."""
    first, last = fetches[0], fetches[-1]
    if first is last:
        return first
    aborted = tuple(sorted({each for fetch in fetches for each in fetch.aborted}))
    return Fetch(b"".join(fetch.data for fetch in fetches), first.position, last.offset, last.timestamp, aborted)


class _Aborted:
    """Tells which batches belong to aborted transactions. Must be asked about every batch of a fetch, in order."""

    def __init__(self, transactions: Iterable[tuple[int, int]]) -> None:
        self._later = sorted(transactions, key=lambda transaction: -transaction[1])
        self._open: set[int] = set()

    def __call__(self, batch: Any) -> bool:
        while self._later and self._later[-1][1] <= batch.base_offset:
            self._open.add(self._later.pop()[0])
        if batch.is_control_batch:
            self._open.discard(batch.producer_id)  # a marker ends its producer's transaction
        return batch.is_transactional and batch.producer_id in self._open


def take(fetched: Any) -> Fetch | None:
    """As `FetchResult.getall`, without its loop over records. Moves the consumer's position past what was fetched."""
    if not fetched.check_assignment(fetched._topic_partition) or not fetched.has_more():
        return None
    unread = fetched._partition_records
    position, batches = unread.next_fetch_offset, unread._records
    timestamp = size = 0
    while batches.has_next():
        batch = batches.next_batch()
        size += _HEAD_BYTES + int.from_bytes(batches.data[size + 8 : size + _HEAD_BYTES], "big")
        timestamp, unread.next_fetch_offset = batch.max_timestamp, batch.next_offset
    fetched._update_position()
    fetched._partition_records = None
    aborted = tuple(unread._aborted_transactions)
    # A fetch may end within a batch.
    return Fetch(bytes(batches.data[:size]), position, unread.next_fetch_offset - 1, timestamp, aborted)
