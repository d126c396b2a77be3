"""A stage's partition on a real broker: what is durable when, and what another owner makes of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.engine.fencing import FencedProducer
from streams.engine.journal import Outgoing
from streams.engine.progress import Progress
from streams.engine.replica import Applied, Fence
from streams.engine.sending import ProduceFailed
from streams.engine.stage import BatchReport, StageMismatchError, StagePartition, StageSpec
from streams.kafka import provision
from streams.kafka.log_reader import LogReader
from streams.tables.block_wire import encode
from streams.tables.blocks import Block
from tests.engine.toy import Counter, ToyEffects, read_partition, rows


class Silent:
    """An observer that looks away."""

    def writes(self, stage: str, partition: int) -> None:
        return None

    async def applied(self, stage: str, partition: int, fence: Fence, batch: BatchReport) -> None:
        return None


@pytest.fixture
def spec(settings: Settings) -> StageSpec:
    provision.create(settings.broker, settings, [topics.BY_SOURCE, topics.SOURCES_CHANGELOG, topics.SOURCE_SCORES])
    scores = topics.SOURCE_SCORES.name(settings)

    def emit(
        partition: int, applied: Sequence[Applied], rejected: Sequence[Any], sequence: Callable[[], int]
    ) -> list[Outgoing]:
        counts = {k: v for step in applied for k, v in step.effects.counts.items()}
        return [Outgoing(scores, partition, k.encode(), b"%d" % v) for k, v in counts.items()]

    return StageSpec(
        "toy", topics.BY_SOURCE.name(settings), topics.SOURCES_CHANGELOG.name(settings), (scores,),
        lambda partition: Counter(), emit, 1,
    )  # fmt: skip


async def log(settings: Settings, spec: StageSpec, values: list[bytes], start: int = 0) -> list[Any]:
    """Put values on the input partition; the records as fetched."""
    producer = AIOKafkaProducer(**client_kwargs(settings))
    await producer.start()
    for value in values:
        await producer.send_and_wait(spec.input_topic, value, partition=0)
    await producer.stop()
    end = start + len(values)
    return [r async for r in read_partition(client_kwargs(settings), spec.input_topic, 0, start, end)]


def owner(settings: Settings, spec: StageSpec, **meta: Any) -> StagePartition:
    return StagePartition(spec, 0, client_kwargs(settings), {"partitions": 1, **meta})


async def published(settings: Settings, spec: StageSpec) -> list[tuple[bytes, bytes]]:
    topic = spec.guarded_topics[0]
    async with LogReader(client_kwargs(settings)) as logs:
        (_, end), *_ = await logs.bounds(topic, 1)
        records = [r async for r in logs.read(topic, 0, 0, end)]
    return [(r.key, r.value) for r in records if not r.key.startswith(b"\x00")]


async def test_a_new_owner_recovers_the_state_and_the_fence(settings: Settings, spec: StageSpec) -> None:
    records = await log(settings, spec, [encode(rows("e/0", range(9))), b"junk", encode(rows("e/1", range(4)))])
    first = owner(settings, spec)
    await first.acquire()
    await first.process(records, Silent())
    second = owner(settings, spec)
    await second.acquire()
    assert second.replica.fence == first.replica.fence
    assert second.replica.fence.offset == 2
    assert second.replica.core.tables[0].difference(first.replica.core.tables[0]) == 0.0


async def test_processing_the_same_records_again_changes_nothing(settings: Settings, spec: StageSpec) -> None:
    records = await log(settings, spec, [encode(rows("e/0", range(9)))])
    one = owner(settings, spec)
    await one.acquire()
    await one.process(records, Silent())
    before = await published(settings, spec)
    await one.process(records, Silent())
    assert await published(settings, spec) == before


async def test_a_stage_whose_steps_take_long_lets_the_process_answer_meanwhile(
    settings: Settings, spec: StageSpec
) -> None:
    answered = threading.Event()

    class Slow(Counter):
        def apply(self, block: Block, append_ms: int, cursor: int = 0) -> ToyEffects:
            assert answered.wait(20)
            return super().apply(block, append_ms, cursor)

    async def answer() -> None:
        answered.set()

    records = await log(settings, spec, [encode(rows("e/0", range(9)))])
    one = owner(settings, replace(spec, core=lambda partition: Slow(), aside=True))
    await one.acquire()
    await asyncio.gather(one.process(records, Silent()), answer())
    assert dict(await published(settings, spec)) == {b"u0": b"3", b"u1": b"3", b"u2": b"3"}


async def test_a_crash_before_the_changelog_leaves_nothing_behind(
    settings: Settings, spec: StageSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = await log(settings, spec, [encode(rows("e/0", range(9)))])
    one = owner(settings, spec)
    await one.acquire()

    async def crash(*_: Any) -> int:
        raise ProduceFailed("crash")

    with monkeypatch.context() as patch:
        patch.setattr(FencedProducer, "append", crash)
        with pytest.raises(ProduceFailed):
            await one.process(records, Silent())
    assert await published(settings, spec) == []
    two = owner(settings, spec)
    await two.acquire()
    assert two.replica.fence == Fence()
    await two.process(records, Silent())
    assert dict(await published(settings, spec)) == {b"u0": b"3", b"u1": b"3", b"u2": b"3"}


async def test_a_crash_before_the_outbox_is_sent_is_made_good_by_the_next_owner(
    settings: Settings, spec: StageSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = await log(settings, spec, [encode(rows("e/0", range(9)))])
    one = owner(settings, spec)
    await one.acquire()

    async def crash(*_: Any) -> None:
        raise ProduceFailed("crash")

    with monkeypatch.context() as patch:
        patch.setattr(FencedProducer, "send", crash)
        with pytest.raises(ProduceFailed):
            await one.process(records, Silent())
    assert await published(settings, spec) == []
    two = owner(settings, spec)
    await two.acquire()
    assert two.replica.fence.offset == 0
    assert dict(await published(settings, spec)) == {b"u0": b"3", b"u1": b"3", b"u2": b"3"}


async def test_what_is_reported_is_known_to_the_next_owner_also_where_all_of_it_were_repeats(
    settings: Settings, spec: StageSpec
) -> None:
    """A worker that sends its outbox again causes such a record. Its next owner ended itself: the state seemed cut."""
    records = await log(settings, spec, [encode(rows("e/0", range(3))), encode(rows("e/0", range(3)))])
    reported = []

    class Told(Silent):
        async def applied(self, stage: str, partition: int, fence: Fence, batch: BatchReport) -> None:
            reported.append(fence.offset)

    one = owner(settings, spec)
    await one.acquire()
    for record in records:
        await one.process([record], Told())
    assert reported[-1] == 1
    two = owner(settings, spec)
    await two.acquire()
    two.check_reported(Progress(spec.name, 0, reported[-1], 0, 0, "id"), "id")


async def test_a_former_owner_reads_only_what_it_missed(settings: Settings, spec: StageSpec) -> None:
    records = await log(settings, spec, [encode(rows("e/0", range(9))), encode(rows("e/0", range(9, 12)))])
    one, two = owner(settings, spec), owner(settings, spec)
    await one.acquire()
    await one.process(records[:1], Silent())
    await two.acquire()
    await two.process(records[1:], Silent())
    kept = one.replica.core.tables[0]
    await one.acquire()
    assert one.replica.core.tables[0] is kept
    assert kept.difference(two.replica.core.tables[0]) == 0.0
    with pytest.raises(ProduceFailed):
        await two.process(await log(settings, spec, [encode(rows("e/0", [12]))], start=2), Silent())


async def test_an_owner_that_claims_again_does_not_send_an_old_outbox(settings: Settings, spec: StageSpec) -> None:
    """What it would bring back are scores that newer ones have replaced, and compaction would keep them."""
    records = await log(settings, spec, [encode(rows("e/0", range(9))), encode(rows("e/0", range(9, 18)))])
    await (first := owner(settings, spec)).acquire()
    await first.process(records[:1], Silent())
    await (second := owner(settings, spec)).acquire()
    await second.process(records[1:], Silent())
    await second.acquire()
    assert (await published(settings, spec))[-1][1] == b"6"


async def test_a_record_in_steps_survives_a_crash_between_them(
    settings: Settings, spec: StageSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = await log(settings, spec, [encode(rows("e/0", range(12), steps=4))])
    one = owner(settings, spec)
    await one.acquire()
    append, calls = FencedProducer.append, 0

    async def crash_third(self: FencedProducer, *args: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise ProduceFailed("crash")
        return await append(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(FencedProducer, "append", crash_third)
        with pytest.raises(ProduceFailed):
            await one.process(records, Silent())
    two = owner(settings, spec)
    await two.acquire()
    assert two.replica.fence.cursor == 2
    await two.process(records, Silent())
    table = two.replica.core.tables[0]
    assert sum(int(table["n"][row]) for _, row in table.items()) == 12


async def test_a_changelog_of_other_topics_is_fatal_and_names_the_way_out(settings: Settings, spec: StageSpec) -> None:
    one = owner(settings, spec, topics={"hop": "a"})
    await one.acquire()
    await one.process(await log(settings, spec, [encode(rows("e/0", range(3)))]), Silent())
    with pytest.raises(StageMismatchError, match=r"\(hop a → b\)[\s\S]*credence topics reset"):
        await owner(settings, spec, topics={"hop": "b"}).acquire()
