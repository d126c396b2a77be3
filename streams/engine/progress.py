"""How far each stage has come: small records on one compacted topic, at most ten times a second.

Intake reads it to hold back, replays to wait for a verdict's credits, `verify` and operators too; nobody has to ask a
worker. It is a report and no commit: what is durable is said by the fence in the changelog.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import orjson
from aiokafka import ConsumerRecord, TopicPartition

from streams.engine.sending import Entry, ProduceFailed, Sender
from streams.kafka.log_reader import FOLLOW_MS, LogReader

log = logging.getLogger(__name__)

TELL_S = 0.1
"""What is reported within so many seconds is published together: of each partition, the last report."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of one partition of a stage.

    Attributes:
        stage: name of the stage.
        partition: of its input topic.
        applied: offset up to which the input is applied and its effects are on their topics; −1 for none.
        lag: records of the input behind `applied`, when this was written.
        append_ms: append time of the last record applied, ms; 0 for none.
        topic_id: short id of the input topic. The report says nothing about another incarnation.
    """

    stage: str
    partition: int
    applied: int
    lag: int
    append_ms: int
    topic_id: str = ""

    @property
    def key(self) -> bytes:
        """Record key: compaction keeps one report for each partition."""
        return f"{self.stage}/{self.partition}".encode()


@dataclass(frozen=True, slots=True)
class Cut:
    """Input that was deleted, by retention or by hand, before it was read.

    Attributes:
        topic, topic_id: where it was; the id is the short one.
        first, until: the offsets first ≤ offset < until are gone. Some of them may have held no record.
    """

    topic: str
    topic_id: str
    partition: int
    first: int
    until: int

    @property
    def key(self) -> bytes:
        """Record key: compaction keeps every cut; one that is noted twice, as after a crash, counts once."""
        return f"cut/{self.topic}/{self.topic_id}/{self.partition}/{self.first}".encode()

    def __str__(self) -> str:
        return f"offsets {self.first} to {self.until - 1} of {self.topic}/{self.partition}"


def _is_cut(key: bytes | None) -> bool:
    return key is not None and key.startswith(b"cut/")


class ProgressBoard:
    """Publishes progress and follows what all workers publish.

    Args:
        client: keyword arguments for aiokafka clients.
        topic: name of the progress topic; one partition.
        sender: sends what is published, started before the board; None: one of its own.
    """

    def __init__(self, client: Mapping[str, Any], topic: str, sender: Sender | None = None) -> None:
        self._client = dict(client)
        self._topic = topic
        self._sender = sender
        self._sender_is_mine = sender is None
        self._latest: dict[tuple[str, int], Progress] = {}
        self._cuts: dict[bytes, Cut] = {}
        self.topic_ids: dict[str, str] = {}
        """Stage → short id of its input. Where that is known, reports on other incarnations do not count."""
        self._logs: LogReader | None = None
        self._open = AsyncExitStack()
        self._follower: asyncio.Task[None] | None = None
        self._teller: asyncio.Task[None] | None = None
        self._untold: dict[bytes, Progress] = {}
        self._reported = asyncio.Event()
        self._changed = asyncio.Event()

    async def start(self, publish: bool = True) -> None:
        """Connect, and read all that was published before. Raises TopicsError without Kafka."""
        try:
            await self._start(publish)
        except BaseException:
            await self.stop()
            raise

    async def _start(self, publish: bool) -> None:
        if publish:
            if self._sender is None:
                self._sender = Sender(self._client)
                await self._sender.start()
            self._teller = asyncio.create_task(self._tell_on())
        # Two connections: what is asked for waits behind a fetch that waits for news, half a second each time.
        self._logs = await self._open.enter_async_context(LogReader(self._client))
        logs = await self._open.enter_async_context(LogReader(self._client, FOLLOW_MS))
        tp = TopicPartition(self._topic, 0)
        await logs.place({tp: 0})
        async for records in logs.upto(await logs.ends([tp])):
            self._take(records)
        self._follower = asyncio.create_task(self._follow(logs))

    async def _follow(self, logs: LogReader) -> None:
        while True:
            self._take(await logs.fetch())

    def _take(self, records: Iterable[ConsumerRecord]) -> None:
        for record in records:
            told = orjson.loads(record.value)
            if _is_cut(record.key):
                self._cuts[record.key] = Cut(**told)
            else:
                self._hear(Progress(**told))
        if records:
            self._changed.set()

    def _hear(self, progress: Progress) -> None:
        """Take note of what is on the topic; not of one's own report of before, which comes back a moment later."""
        known = self._latest.get((progress.stage, progress.partition))
        if known is None or known.topic_id != progress.topic_id or known.applied <= progress.applied:
            self._latest[progress.stage, progress.partition] = progress

    def publish(self, progress: Progress) -> None:
        """Have a report published: the first after a while at once, others with all that follow within TELL_S."""
        self._latest[progress.stage, progress.partition] = progress
        if self._teller is not None:
            if self._teller.done():
                self._teller.result()
            self._untold[progress.key] = progress
            self._reported.set()

    async def _tell_on(self) -> None:
        while True:
            await self._reported.wait()
            await self.tell()
            await asyncio.sleep(TELL_S)

    async def tell(self) -> None:
        """Publish now what has been reported; when this returns, it is on the topic, or the broker refused it.

        What is refused is published later, unless a newer report has come: the last one may be the last for long.
        """
        self._reported.clear()
        untold, self._untold = self._untold, {}
        told = False
        try:
            await self._send([(key, orjson.dumps(progress)) for key, progress in untold.items()])
            told = True
        except ProduceFailed as error:
            log.warning("progress could not be published: %r", error)
        finally:
            if not told:
                self._untold = untold | self._untold
                self._reported.set()

    async def _send(self, entries: list[Entry]) -> None:
        assert self._sender is not None
        await self._sender.acked([(self._sender.own, self._topic, 0, entries)])

    async def publish_cut(self, cut: Cut) -> None:
        """Publish and wait for the ack. A cut must be known for as long as this installation lasts."""
        self._cuts[cut.key] = cut
        if self._sender is not None:
            await self._send([(cut.key, orjson.dumps(cut))])

    def cuts(self) -> list[Cut]:
        """All input known to have been deleted unread."""
        return [self._cuts[key] for key in sorted(self._cuts)]

    def latest(self, stage: str) -> dict[int, Progress]:
        """The last known report of each partition of a stage."""
        return {p: progress for (s, p), progress in self._latest.items() if s == stage}

    def report(self, stage: str, partition: int) -> Progress | None:
        """The last known report of a partition, about any incarnation of the topic."""
        return self._latest.get((stage, partition))

    def applied(self, stage: str, partition: int) -> int:
        """Offset up to which a partition is applied; −1 if unknown."""
        progress = self._latest.get((stage, partition))
        return -1 if progress is None or not self._counts(progress) else progress.applied

    def _counts(self, progress: Progress) -> bool:
        """Whether a report is about the present incarnation of the topic."""
        return self.topic_ids.get(progress.stage, progress.topic_id) == progress.topic_id

    async def wait_reported(self, stage: str, partitions: Iterable[int], timeout_s: float) -> None:
        """Wait until some worker has recovered these partitions of a stage."""
        async with asyncio.timeout(timeout_s):
            while not self.latest(stage).keys() >= set(partitions):
                self._changed.clear()
                await self._changed.wait()

    async def changed(self, timeout_s: float) -> None:
        """Wait until somebody reports, at most this long."""
        if self._follower is not None and self._follower.done():
            self._follower.result()  # following ended by an error: no report will come any more
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()

    async def wait_applied(self, stage: str, offsets: Mapping[int, int], timeout_s: float) -> None:
        """Wait until each partition is applied up to the offset; TimeoutError says which is not."""
        try:
            async with asyncio.timeout(timeout_s):
                while any(self.applied(stage, p) < offset for p, offset in offsets.items()):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            behind = {p: (self.applied(stage, p), o) for p, o in offsets.items() if self.applied(stage, p) < o}
            raise TimeoutError(f"{stage} did not come to {behind} (applied, wanted) in {timeout_s:.0f} s") from None

    async def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """Topic → its number of partitions, for those that exist. Asks the broker."""
        if self._logs is None:
            raise RuntimeError("the board has not been started")
        return await self._logs.partitions(topics)

    async def ends(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """(Topic, partition) → its end, the next offset. Asks the broker."""
        if self._logs is None:
            raise RuntimeError("the board has not been started")
        tps = [TopicPartition(*tp) for tp in partitions]
        return {tuple(tp): end for tp, end in (await self._logs.ends(tps)).items()} if tps else {}

    async def begins(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """(Topic, partition) → the first offset that is left. Asks the broker."""
        if self._logs is None:
            raise RuntimeError("the board has not been started")
        tps = [TopicPartition(*tp) for tp in partitions]
        return {tuple(tp): at for tp, at in (await self._logs.starts(tps)).items()} if tps else {}

    async def stop(self) -> None:
        """Disconnect."""
        tasks = [task for task in (self._follower, self._teller) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._untold:
            await self.tell()
        if self._sender_is_mine and self._sender is not None:
            sender, self._sender = self._sender, None
            await sender.stop()
        await self._open.aclose()
