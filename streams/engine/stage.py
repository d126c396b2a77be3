"""A stateful stage, live: it recovers its partitions, applies what is fetched, and makes the effects durable.

The order of steps is the guarantee. For each micro-batch: apply it to memory; append state changes, fence and outbox to
the changelog in one atomic batch; after the ack, send the outbox; then acknowledge the input. A crash between two steps
leaves nothing, or an outbox that recovery sends again; later stages recognise the repeat by its origin. Memory is ahead
of the changelog only inside `process`. Any failure there ends the worker, and its memory with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import orjson
from aiokafka import ConsumerRecord
from xxhash import xxh3_64_hexdigest

from streams.engine.fencing import FencedProducer
from streams.engine.journal import CLAIM_KEY, FENCE_KEY, Change, Entry, Journal, Outgoing, base_of, seal
from streams.engine.progress import Progress
from streams.engine.replica import Applied, Core, Effects, EffectsT, Fence, Replica
from streams.engine.sending import Sender
from streams.kafka.identity import RESET
from streams.kafka.log_reader import LogReader
from streams.tables.block_wire import NotABlockError, decode, encode
from streams.tables.blocks import ARRIVED, COLUMNS, Block

MARKER_KEY = b"\x00claim"
QUIET_S, TICK_S, IDLE_TICK_S = 1.0, 5.0, 60.0
ASIDE_BYTES = 64 << 10  # compressing less takes less time than handing it to a thread


class StageMismatchError(RuntimeError):
    """The changelog was written for other topics, another partition count or another state version."""


class MissingRecordsError(RuntimeError):
    """The input does not continue where the state ends. Going on would lose the records between."""


TakenT = TypeVar("TakenT", bound=Effects, contravariant=True)


class Emitter(Protocol[TakenT]):
    """Turns what a micro-batch did into records. `sequence` gives the next origin for a block."""

    def __call__(
        self,
        partition: int,
        applied: Sequence[Applied[TakenT]],
        rejected: Sequence[tuple[ConsumerRecord, str]],
        sequence: Callable[[], int],
    ) -> list[Outgoing]: ...


class Observer(Protocol):
    """Called with what a stage did, for metrics and progress."""

    def writes(self, stage: str, partition: int) -> None:
        """A micro-batch is applied and is about to be written."""

    async def applied(self, stage: str, partition: int, fence: Fence, batch: BatchReport) -> None: ...


@dataclass(slots=True)
class BatchReport:
    """What one micro-batch was: sizes, seconds by step, append time of its last record.

    `decode_s` is part of `apply_s`. `arrived_ms` has, of each block that says so, when its rows came into Kafka.
    """

    records: int = 0
    rows: int = 0
    apply_s: float = 0.0
    decode_s: float = 0.0
    changelog_s: float = 0.0
    outbox_s: float = 0.0
    changelog_bytes: int = 0
    last_append_ms: int = 0
    outgoing: list[Outgoing] = field(default_factory=list)
    arrived_ms: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StageSpec(Generic[EffectsT]):
    """What makes a stage.

    Attributes:
        name: of the stage, for logs and metrics.
        input_topic: the one topic that it reads.
        changelog_topic: its changelog, with the same partitions.
        guarded_topics: compacted outputs; partition p is written by the owner of p only.
        core: makes the empty state of a partition.
        emit: turns effects into records.
        state_version: raise it when the meaning or layout of the state changes.
        kinds: the kinds of blocks that it reads. Any other on its input is a foreign record.
        batch_rows: rows after which a micro-batch is made durable.
        aside: a step may take seconds. It runs in a thread, so that meanwhile the process still answers Kafka, which
            would give its partitions to another.
    """

    name: str
    input_topic: str
    changelog_topic: str
    guarded_topics: tuple[str, ...]
    core: Callable[[int], Core[EffectsT]]
    emit: Emitter[EffectsT]
    state_version: int
    kinds: frozenset[str] = frozenset(COLUMNS)
    batch_rows: int = 8192
    aside: bool = False


class StagePartition(Generic[EffectsT]):
    """One partition of a stage, owned by this process."""

    def __init__(
        self,
        spec: StageSpec[EffectsT],
        partition: int,
        client: Mapping[str, Any],
        meta: Mapping[str, Any],
        sender: Sender | None = None,
    ) -> None:
        self.spec = spec
        self.partition = partition
        self._client = dict(client)
        self._producer = FencedProducer(
            client, f"{spec.changelog_topic}-{partition}", sender, {spec.changelog_topic, *spec.guarded_topics}
        )
        self.busy_at_s = time.monotonic()  # when a batch was last applied
        self._ticked_at_s = self.busy_at_s
        self._settled = True  # whether nothing has been applied since a tick that flushes
        self._position = 0  # changelog offset up to which the state is read
        self.whole = (
            False  # whether all of it is; before, a core must not be asked anything, for it may remember the answer
        )
        self.replica = Replica(spec.core(partition))
        self._journal = Journal(self.replica.core.tables)
        layout = [f"{t.name}: {t.fields}" for t in self.replica.core.tables]
        made_for = {**meta, "state_version": spec.state_version, "layout": xxh3_64_hexdigest("\n".join(layout))}
        self.meta = self._journal.meta = orjson.dumps(made_for, option=orjson.OPT_SORT_KEYS)

    async def acquire(self) -> int:
        """Claim the partition, then read the changelog to its end. Returns the rows of state that were read.

        Called at every assignment. If this process owned the partition before, it reads only what another owner may
        have written since.
        """
        self.whole = False
        await self._producer.claim()
        spec, partition = self.spec, self.partition
        marker = orjson.dumps({"claimed_at_ms": int(time.time() * 1000)})
        claimed_at = await self._producer.append(spec.changelog_topic, partition, [(CLAIM_KEY, marker)])
        await self._producer.send([Outgoing(t, partition, MARKER_KEY, marker) for t in spec.guarded_topics])
        fence = await self._read(claimed_at)
        if fence is not None:
            self.replica.fence = fence
        self._position = claimed_at + 1
        await self._producer.send(self._journal.outbox)
        # This outbox is done with. From now on this owner sends what it writes, and must not send the old one again.
        self._journal.outbox = []
        self.whole = True
        return sum(len(t) for t in self.replica.core.tables)

    async def _read(self, end: int) -> Fence | None:
        """Apply the changelog from the last position up to `end`. Returns the last fence in it."""
        if end <= self._position:
            return None
        fence: Fence | None = None
        async with LogReader(self._client) as logs:
            start = self._position or await base(logs, self.spec.changelog_topic, self.partition, end)
            async for record in logs.read(self.spec.changelog_topic, self.partition, start, end):
                fence = self._journal.read(record.key, record.value) or fence
        self._journal.recovered()
        if fence is not None and self._journal.meta != self.meta:
            raise StageMismatchError(
                f"{self.spec.changelog_topic}/{self.partition} was written for another installation or version"
                f" ({_differences(self._journal.meta, self.meta)}): state and logs do not belong together. {RESET}"
            )
        self._journal.meta = self.meta
        return fence

    def check_continues(self, offset: int) -> None:
        """Raise MissingRecordsError if records are missing between the fence and this next offset of the input."""
        if self.replica.fence.offset < offset - 1:
            raise MissingRecordsError(
                f"{self.spec.input_topic}/{self.partition} continues at {offset}, the state ends at"
                f" {self.replica.fence.offset}: the log was cut by retention, or records were skipped. {RESET}"
            )

    def check_reported(self, report: Progress, topic_id: str) -> None:
        """Raise StageMismatchError if more was reported as applied than the state holds.

        Reports come after the ack of the changelog. So this happens only if a topic was made anew or lost its end.
        """
        spec, known = self.spec, self.replica.fence.offset
        if report.applied >= 0 and report.topic_id != topic_id:
            raise StageMismatchError(f"{spec.input_topic} is not the topic that {spec.name} has read. {RESET}")
        if report.applied > known:
            raise StageMismatchError(
                f"{spec.changelog_topic}/{self.partition} knows {spec.input_topic} up to offset {known}, and"
                f" {report.applied} was applied: the state has lost something. {RESET}"
            )

    async def process(
        self, records: Sequence[ConsumerRecord], observer: Observer, covered: tuple[int, int] | None = None
    ) -> None:
        """Apply fetched records of the input partition and make the effects durable.

        Args:
            covered: the first offset that was fetched and the last one, some of which may hold no record; None: those
                of the records.
        """
        pending: list[Applied[EffectsT]] = []
        rejected: list[tuple[ConsumerRecord, str]] = []
        report = BatchReport()
        began = time.perf_counter()
        first, last = covered or (records[0].offset, records[-1].offset)
        self.check_continues(first)
        for record in records:
            report.records += 1
            report.last_append_ms = record.timestamp
            block: Block | None = None
            decoding = time.perf_counter()
            try:
                block = block_of(self.spec, record.value)
            except NotABlockError as error:
                rejected.append((record, str(error)))
            report.decode_s += time.perf_counter() - decoding
            async for applied in self._steps(record, block):
                pending.append(applied)
                report.rows += len(applied.block)
                if report.rows >= self.spec.batch_rows or applied.effects.next_cursor is not None:
                    report.apply_s += time.perf_counter() - began
                    await self._flush(pending, rejected, report, observer)
                    pending, rejected, report = [], [], BatchReport(last_append_ms=record.timestamp)
                    began = time.perf_counter()
                    await asyncio.sleep(0)
        report.apply_s += time.perf_counter() - began
        # Repeats have no effects, but they move the fence. What is reported as applied must be durable.
        if self.replica.skip(last) or pending or rejected or report.records:
            await self._flush(pending, rejected, report, observer)

    async def _steps(self, record: ConsumerRecord, block: Block | None) -> AsyncIterator[Applied[EffectsT]]:
        """What a record does to the state, step by step."""
        step = partial(next, self.replica.step(record.offset, record.timestamp, block), None)
        while (applied := await asyncio.to_thread(step) if self.spec.aside else step()) is not None:
            yield applied

    async def _flush(
        self,
        applied: Sequence[Applied[EffectsT]],
        rejected: Sequence[tuple[ConsumerRecord, str]],
        report: BatchReport,
        observer: Observer,
    ) -> None:
        fence = self.replica.fence
        began = time.perf_counter()

        def sequence() -> int:
            fence.sent += 1
            return fence.sent

        outbox = self.spec.emit(self.partition, applied, rejected, sequence)
        report.outgoing, entries = await _sealed(outbox, self._journal.changes(self._position))
        entries.append(self._journal.fence(fence, report.outgoing))
        report.changelog_bytes = sum(len(v or b"") for _, v in entries)
        report.apply_s += time.perf_counter() - began
        began = time.perf_counter()
        if any(step.block.kind != "tick" for step in applied):
            self.busy_at_s, self._settled = time.monotonic(), False
        observer.writes(self.spec.name, self.partition)
        offset = await self._producer.append(self.spec.changelog_topic, self.partition, entries)
        self._position = offset + len(entries)
        report.changelog_s = time.perf_counter() - began
        began = time.perf_counter()
        await self._producer.send(report.outgoing)
        report.outbox_s = time.perf_counter() - began
        report.arrived_ms = [step.block.meta[ARRIVED] for step in applied if ARRIVED in step.block.meta]
        await observer.applied(self.spec.name, self.partition, fence, report)

    async def tick(self, now_s: float) -> None:
        """Write a tick record to the input partition if one is due, so that time passes without events, too.

        While events flow, one is due every TICK_S; one more after they stop, which asks the core to publish all that it
        held back; then seldom. Origins are wall-clock milliseconds, so ticks of a new owner are not taken for repeats.
        """
        idle = now_s - self.busy_at_s > QUIET_S
        flush = idle and not self._settled
        due_s = TICK_S if not self._settled else IDLE_TICK_S
        if not flush and now_s - self._ticked_at_s < due_s:
            return
        self._ticked_at_s = now_s
        self._settled = self._settled or flush
        wall_ms = int(time.time() * 1000)
        block = Block("tick", f"t/{self.partition}", wall_ms, {}, {"flush": flush})
        await self._producer.send([Outgoing(self.spec.input_topic, self.partition, None, encode(block))])

    async def release(self) -> None:
        """Stop writing. The state is kept in case the partition comes back."""
        await self._producer.close()


def _differences(then: bytes, now: bytes) -> str:
    """Where what a state was made for differs from what it would be used for: "name old → new, …"."""
    old, new = _flat(then), _flat(now)
    return ", ".join(f"{k} {old.get(k)} → {new.get(k)}" for k in sorted(old | new) if old.get(k) != new.get(k))


def _flat(meta: bytes) -> dict[str, Any]:
    read: dict[str, Any] = orjson.loads(meta)
    named: dict[str, Any] = read.pop("topics", {})
    return {**read, **named}


async def _sealed(outbox: list[Outgoing], changes: list[Change]) -> tuple[list[Outgoing], list[Entry]]:
    """All of it compressed. Large batches go to a thread, for compressing does not hold Python's lock."""

    def both() -> tuple[list[Outgoing], list[Entry]]:
        return seal(outbox), [change.seal() for change in changes]

    loose = sum(len(o.value or b"") for o in outbox if o.loose) + sum(len(c.value or b"") for c in changes)
    return both() if loose < ASIDE_BYTES else await asyncio.to_thread(both)


def block_of(spec: StageSpec[Any], value: bytes | None) -> Block:
    """The block in a record of the stage's input. Raises NotABlockError, with the reason, if no stage wrote it."""
    block = decode(value)
    if block.kind not in spec.kinds:
        raise NotABlockError(f"a block of {block.kind}, which the stage {spec.name} does not read")
    return block


async def base(logs: LogReader, topic: str, partition: int, end: int) -> int:
    """Offset from which the changelog must be read to recover up to `end`: as its last fence says; 0 without one."""
    window = 8
    while True:
        start = max(0, end - window)
        found = [r.value async for r in logs.read(topic, partition, start, end) if r.key == FENCE_KEY and r.value]
        if found or not start:
            return base_of(found[-1]) if found else 0
        window *= 4
