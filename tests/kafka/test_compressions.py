"""Every compression that Kafka knows, on the producer's side or the topic's, read by everything that reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from streams.agents.intake.careful import Limits
from streams.agents.intake.events import decode_events
from streams.agents.publish.letters import of_reject
from streams.cli.main import app
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.engine.progress import Progress, ProgressBoard
from streams.kafka import provision
from streams.kafka.follower import tail
from streams.kafka.log_reader import LogReader
from streams.kafka.topic_ids import TopicIds
from streams.ops.idle import Standstill
from streams.ops.recount import Former, recount
from tests.scores import claim, community, flag, publish, source

Run = Callable[..., list[str]]
EVENT = {"v": 1, "id": "e", "kind": "post", "source_id": "ana", "occurred_at_ms": 1, "claim_id": "c"}


@pytest.fixture(params=["gzip", "snappy", "lz4", "zstd"])
def squeezed(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Settings]:
    """All topics there; what is written is compressed: the dead letters by the producer, the rest by the broker."""
    settings = settings.replace(partitions=1)
    provision.create(settings.broker, settings)
    admin = KafkaAdminClient(bootstrap_servers=settings.broker)
    for topic in topics.ALL:
        if topic is not topics.DEAD_LETTERS:
            resource = ConfigResource(
                ConfigResourceType.TOPIC, topic.name(settings), {"compression.type": request.param}
            )
            admin.alter_configs([resource])
    admin.close()
    publish(settings, [claim("c"), source("ana"), community("harbour"), flag("f1", "c")])
    asyncio.run(fill(settings, request.param))
    yield settings
    provision.delete(settings.broker, settings)


async def fill(settings: Settings, compression: str) -> None:
    """Two events, one of them refused, its letter, and progress."""
    client = client_kwargs(settings)
    async with AIOKafkaProducer(**client) as plain, AIOKafkaProducer(**client, compression_type=compression) as packed:
        events = topics.EVENTS.name(settings)
        for value in (orjson.dumps(EVENT), b"[" + b" " * 3000 + b"]"):
            await plain.send_and_wait(events, value)
        read = topics.BY_CLAIM.name(settings)
        async with TopicIds(settings) as ids:
            progress = asdict(Progress("claims", 0, 7, 0, 0, (await ids.of([read]))[read]))
        await plain.send_and_wait(topics.PROGRESS.name(settings), orjson.dumps(progress), b"claims/0")
        async with LogReader(client) as logs:
            record = [record async for record in logs.read(events, 0, 1, 2)]
        (reject,) = decode_events(record, 0, Limits())[1]
        letter = of_reject(reject, events, 0, "intake")
        await packed.send_and_wait(topics.DEAD_LETTERS.name(settings), orjson.dumps(letter))


@pytest.fixture
def run(squeezed: Settings) -> Run:
    env = {"CREDENCE_BROKER": squeezed.broker, "CREDENCE_NAMESPACE": squeezed.namespace, "CREDENCE_PARTITIONS": "1"}

    def lines(*words: str) -> list[str]:
        result = CliRunner().invoke(app, list(words), env=env)
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()

    return lines


def test_every_command_reads_them(run: Run, squeezed: Settings) -> None:
    origin = f"{topics.EVENTS.name(squeezed)}/0/1"
    assert json.loads(run("dead-letters", "list", "--json")[0])["origin"] == origin
    assert json.loads(run("dead-letters", "show", origin, "--json")[0])["code"] == "not_object"
    assert run("dead-letters", "redrive", "--all", "--dry-run")[0] == "1 would be redriven"
    assert json.loads(run("show", "social.events", "--json")[0])["value"] == EVENT
    assert len(run("show", "trust.dead-letters", "--json")) == 1
    assert json.loads(run("claims", "--json")[0])["claim_id"] == "c"
    assert json.loads(run("sources", "--json")[0])["source_id"] == "ana"
    assert json.loads(run("health", "--json")[0])["community_id"] == "harbour"
    assert json.loads(run("flags", "tail", "--all", "--no-follow", "--json")[0])["flag_id"] == "f1"
    assert len(list(tail(squeezed, topics.EVENTS.name(squeezed), follow=True, idle_s=2.0))) == 2


async def test_so_do_the_recount_and_what_waits_for_a_standstill(squeezed: Settings) -> None:
    names = [topic.name(squeezed) for topic in (topics.EVENTS, topics.RULINGS, topics.DEAD_LETTERS)]
    counted = await recount(client_kwargs(squeezed), *names, topic_ids=dict.fromkeys(names, ""), former=Former())
    assert {name: found.events for name, found in counted.claims.items()} == {"c": 1}
    async with Standstill(squeezed) as standstill:
        assert standstill.board.applied("claims", 0) == 7
    board = ProgressBoard(client_kwargs(squeezed), topics.PROGRESS.name(squeezed))
    await board.start(publish=False)
    assert await board.ends([(topics.EVENTS.name(squeezed), 0)]) == {(topics.EVENTS.name(squeezed), 0): 2}
    await board.stop()
