"""Replays on a real Kafka with a real worker: order, places, verdicts waited for, repeats, a missing worker."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from typer.testing import CliRunner

from streams.broker.machine import free_port
from streams.cli.main import app
from streams.contract import topics
from streams.contract.settings import Settings
from streams.contract.words import Kind
from streams.datasets import dataset
from streams.datasets.dataset import Dataset
from streams.datasets.social_world import make_world, write_world
from streams.demo.processes import Child
from streams.demo.watch import Watch
from streams.kafka import provision
from streams.ops.idle import StalledError, Standstill, wait_idle
from streams.ops.replay import Publisher, Replay, ReplayStatus
from streams.ops.verify import verify

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return dataset.read(write_world(make_world("tiny", seed=3), tmp_path_factory.mktemp("world")))


@pytest.fixture(scope="module")
def live(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of an installation in which one worker runs."""
    settings = Settings(
        broker=broker, namespace=f"replay-{uuid.uuid4().hex[:8]}.", partitions=2, metrics_port=free_port(),
        session_timeout_ms=45_000,
    )  # fmt: skip
    provision.create(broker, settings)
    worker = Child(
        "worker", ["worker", "--log-level", "info"], settings, tmp_path_factory.mktemp("logs") / "worker.log"
    )
    try:
        yield settings
    finally:
        worker.stop()


async def read_all(settings: Settings, topic: topics.Topic) -> list[ConsumerRecord]:
    """Every record of a topic, partition by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.broker, enable_auto_commit=False)
    await consumer.start()
    try:
        parts = [TopicPartition(topic.name(settings), p) for p in range(settings.partitions)]
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        ends = await consumer.end_offsets(parts)
        found: list[ConsumerRecord] = []
        for part, end in ends.items():
            while await consumer.position(part) < end:
                found += (await consumer.getmany(part, timeout_ms=500)).get(part, [])
        return found
    finally:
        await consumer.stop()


@asynccontextmanager
async def publisher(settings: Settings, topic: topics.Topic) -> AsyncIterator[Publisher]:
    producer = AIOKafkaProducer(bootstrap_servers=settings.broker, enable_idempotence=True, max_batch_size=512 << 10)
    await producer.start()
    try:
        yield Publisher(producer, topic.name(settings))
    finally:
        await producer.stop()


async def test_events_go_to_their_sources_partition_in_order(settings: Settings, world: Dataset) -> None:
    provision.create(settings.broker, settings, [topics.EVENTS])
    async with publisher(settings, topics.EVENTS) as out:
        assert await out.publish(world.records(0, len(world))) == len(world)
        await out.acked()
    wanted, found = defaultdict(list), defaultdict(list)
    for source, value in world.records(0, len(world)):
        wanted[source].append(value)
    for record in await read_all(settings, topics.EVENTS):
        assert record.partition == topics.partition_of(record.key.decode(), settings.partitions)
        found[record.key.decode()].append(record.value)
    assert found == wanted


async def test_without_a_worker_it_says_what_to_run(settings: Settings, world: Dataset) -> None:
    provision.create(settings.broker, settings)
    with pytest.raises(StalledError, match=f"credence worker --broker {settings.broker}"):
        await Replay(settings, world, DAY_MS, stall_s=1.0).run()


def test_verdicts_with_no_event_in_between_share_one_wait(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(
        "ts,kind,claim_id,event_id,parent_id,user_id\n"
        "1400000000,post,a,a,,u\n1400000001,post,b,b,,v\n1400000002,post,c,c,,w\n1400000012,reply,a,d,a,w\n"
    )
    (tmp_path / "claims.csv").write_text("claim_id,label\na,true\nb,false\nc,true\n")
    replay = Replay(Settings(broker="nowhere:1"), dataset.read(tmp_path), lag_ms=10_000)
    groups = [(row, [release.claim_id for release in due]) for row, due in replay._due()]
    assert groups == [(3, ["a", "b", "c"])]  # the reply has the time of c's verdict: the verdict comes first


async def test_a_replay_learns_from_every_verdict_before_it_goes_on(live: Settings, world: Dataset) -> None:
    """Whenever it has waited, every ruling published so far is applied, credits and new stamps included."""
    seen: list[ReplayStatus] = []
    status = await Replay(live, world, DAY_MS, on_status=seen.append).run()
    assert (status.events, status.verdicts) == (len(world), len(world.releases(DAY_MS)))
    assert [s.events for s in seen] == sorted(s.events for s in seen)
    waited = [s for s in seen if not s.waiting and s.waits]
    assert {s.verdicts for s in waited} >= set(range(max(s.verdicts for s in waited), 0, -1)) - {
        s.verdicts for s in seen if s.waiting
    }
    async with Standstill(live) as standstill:
        behind = standstill.lag(await standstill.ends())
        # A tick that asks for what was held back may have come to the stages since.
        assert not any(lag for stage, lag in behind.items() if stage not in ("sources", "claims"))
    async with Watch(live) as watch:
        await watch.caught_up()
        learned = sum(record["right"] + record["wrong"] for record in watch.sources.values())
        assert learned > 0
        rulings = [orjson.loads(record.value) for record in await read_all(live, topics.RULINGS)]
        assert {r["claim_id"]: r["verdict"] for r in rulings} == {
            c: watch.claims[c]["verdict"] for c in watch.claims if watch.claims[c]["verdict"]
        }


async def test_publishing_again_changes_nothing(live: Settings, world: Dataset) -> None:
    """The state's counts are those of a plain count of different events, however often each was published."""
    await Replay(live, world, DAY_MS).run()
    await Replay(live, world, DAY_MS).run()
    await asyncio.sleep(8)  # scores that moved little go out on a tick, five seconds later
    await wait_idle(live)
    report = await verify(live)
    assert report.passed
    assert report.claims == len(world.labels)


async def test_a_worker_started_again_where_nothing_is_left_to_do_stays(live: Settings, tmp_path: Path) -> None:
    await wait_idle(live)
    hasty = live.replace(stall_ms=8_000, metrics_port=0)
    again = Child("worker", ["worker", "--instance-id", "again"], hasty, tmp_path / "again.log")
    try:
        end = time.monotonic() + 60
        while "ready with" not in again.tail() and time.monotonic() < end:
            await asyncio.sleep(0.2)
        await asyncio.sleep(18)  # more than twice what it may stand still with work to do
        assert again.ended() is None, again.tail()
    finally:
        again.stop()


async def test_a_paced_replay_takes_its_time(live: Settings, tmp_path: Path) -> None:
    rows = "".join(f"{1400000000 + 60 * i},post,p{i},p{i},,u{i}\n" for i in range(4))
    (tmp_path / "events.csv").write_text("ts,kind,claim_id,event_id,parent_id,user_id\n" + rows)
    (tmp_path / "claims.csv").write_text("claim_id,label\n")
    began = time.perf_counter()
    await Replay(live, dataset.read(tmp_path), DAY_MS, speed=120.0).run()
    assert time.perf_counter() - began >= 180 / 120


async def test_a_replay_goes_as_far_as_it_is_allowed_to(live: Settings, tmp_path: Path) -> None:
    rows = "".join(f"{1500000000 + i},post,h{i},h{i},,u{i}\n" for i in range(5))
    (tmp_path / "events.csv").write_text("ts,kind,claim_id,event_id,parent_id,user_id\n" + rows)
    (tmp_path / "claims.csv").write_text("claim_id,label\n")
    allowed, seen = 3, []
    note = lambda status: seen.append(status.events)  # noqa: E731
    replay = Replay(live, dataset.read(tmp_path), DAY_MS, on_status=note, allowed=lambda: allowed)
    running = asyncio.create_task(replay.run())
    while 3 not in seen:
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    assert seen[-1] == 3
    allowed = 5
    assert (await running).events == 5


async def test_publishing_is_not_what_takes_the_time(settings: Settings, world: Dataset) -> None:
    """Far below what it does alone, so that a busy machine passes: about 100,000 events/s on one free core."""
    provision.create(settings.broker, settings, [topics.EVENTS])
    values = list(world.records(0, len(world))) * 20
    async with publisher(settings, topics.EVENTS) as out:
        rates = []
        for _ in range(3):
            began = time.process_time()
            await out.publish(values)
            await out.acked()
            rates.append(len(values) / (time.process_time() - began))
            await asyncio.sleep(0)
    assert np.max(rates) > 40_000


async def test_what_became_dead_letters_is_told_at_the_end(live: Settings, tmp_path: Path) -> None:
    """Published before with another text: nothing is wrong with the set, and yet the stream refuses it."""
    for text in ("first", "second"):
        (tmp_path / "events.csv").write_text(
            "ts,kind,claim_id,event_id,parent_id,user_id,text\n"
            + "".join(f"{1600000000 + i},post,d{i},d{i},,u{i},{text}\n" for i in range(3))
        )
        (tmp_path / "claims.csv").write_text("claim_id,label\n")
        status = await Replay(live, dataset.read(tmp_path), DAY_MS).run()
        assert status.dead_letters == ({} if text == "first" else {"id_conflict": 3})


def test_the_command_ends_with_what_was_refused_and_why(live: Settings, tmp_path: Path) -> None:
    rows = "".join(f"{1500100000 + i},post,w{i},w{i},,u{i}\n" for i in range(6))
    bad = f"1500100009,post,w1,{'x' * 257},,u1\n1500100009,shout,w1,z,,u1\n"
    (tmp_path / "events.csv").write_text("ts,kind,claim_id,event_id,parent_id,user_id\n" + rows + bad)
    (tmp_path / "claims.csv").write_text("claim_id,label\nw1,Hoax\nw2,1\nw3,dubious\n")
    run = lambda *more: CliRunner().invoke(  # noqa: E731
        app, ["replay", str(tmp_path), "--broker", live.broker, *more], env={"CREDENCE_NAMESPACE": live.namespace}
    )
    told = run("--labels", "1=true")
    assert told.exit_code == 0, told.output
    lines = told.stdout.splitlines()
    assert lines[0].startswith("6 events and 2 verdicts published and applied")
    assert lines[1:] == [
        "2 of 8 rows are refused, as the stream would refuse them:",
        "  too_long 1 (first: row 8: field id: 257 characters, 256 are allowed)",
        "  unknown_kind 1 (first: row 9: kind 'shout' is none of: " + ", ".join(Kind) + ")",
        "Labels that are not understood, so that their claims have no verdict: dubious (1). Say what they mean, for "
        "instance --labels 'dubious=false'.",
    ]
    found = orjson.loads(run("--json").stdout)
    assert (found["events"], found["verdicts"], found["dead_letters"]) == (6, 1, {})
    assert {code: (one["rows"], one["first_row"]) for code, one in found["refused"].items()} == {
        "too_long": (1, 8),
        "unknown_kind": (1, 9),
    }
    assert found["unknown_labels"] == {"1": 1, "dubious": 1}


async def test_a_stage_that_was_seen_and_is_gone_is_named_while_it_is_waited_for_and_in_the_end(
    live: Settings, world: Dataset, tmp_path: Path
) -> None:
    """The worker goes on and its ticks with it; the communities stage is stopped in the middle."""
    slow = live.replace(metrics_port=0, instance_id="slow")
    communities = Child("communities", ["communities"], slow, tmp_path / "communities.log")
    seen: list[ReplayStatus] = []

    def stop_in_the_middle(status: ReplayStatus) -> None:
        seen.append(status)
        if status.events > len(world) // 2 and communities.ended() is None:
            communities.stop()

    renamed = {name: [f"gone-{i}" for i in world.columns[name]] for name in ("id", "claim_id", "source_id")}
    other = Dataset("other", world.t_ms, {**world.columns, **renamed}, {})
    try:
        await until_seen(live, "communities")
        with pytest.raises(StalledError, match="stage communities makes no progress") as stalled:
            async with asyncio.timeout(90):
                await Replay(live, other, DAY_MS, on_status=stop_in_the_middle, stall_s=8.0).run()
    finally:
        communities.stop()
    assert f"`credence communities --broker {live.broker}`" in str(stalled.value)
    assert seen[-1].waiting
    assert seen[-1].waiting_for.startswith("communities (")
    assert "none applied for" in seen[-1].waiting_for
    async with asyncio.timeout(60):
        await verify(live)  # which replays the logs as far as they are applied, and waits for nobody
    back = Child("communities", ["communities"], slow, tmp_path / "back.log")
    try:
        await wait_idle(live)
    finally:
        back.stop()


async def until_seen(settings: Settings, stage: str) -> None:
    async with Standstill(settings) as standstill:
        await standstill.board.wait_reported(stage, range(settings.partitions), 60)
