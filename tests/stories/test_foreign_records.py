"""Strange records on the topics between the stages: each stage writes a letter and goes on."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import orjson
from kafka import KafkaProducer

from load_tests.bench.children import running
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.kafka import provision
from streams.ops import dead_letters as deadletters
from streams.ops.idle import wait_idle
from streams.ops.verify import verify
from streams.tables.block_wire import encode, pack
from streams.tables.blocks import make
from streams.tables.compression import compress

TOPICS = {
    topics.BY_SOURCE: "sources",
    topics.BY_CLAIM: "claims",
    topics.LESSONS: "parameters",
    topics.PARTICIPATION: "communities",
}
# Of a kind that each of the stages reads from somewhere, and that none reads where it is sent here.
STRANGERS = {
    topics.BY_SOURCE: make("joined", "x/0", 1, {"s": ["a"], "c": ["c"], "t": [1], "x": [1], "m": [""]}),
    topics.BY_CLAIM: make("assign", "x/0", 1, {"s": ["a"], "cl": [1]}),
    topics.LESSONS: make("settled", "x/0", 1, {"c": ["c"], "f": [1], "t": [1]}),
    topics.PARTICIPATION: make("params", "x/0", 1, {}, version=9, values={"risk_slow": 1.0}),
}


def strange(topic: topics.Topic) -> list[bytes]:
    """No block, a block that another stage reads, and one whose columns do not fit its kind."""
    packed = pack(STRANGERS[topic])
    head = orjson.loads(packed[4:]) | {"k": "settled", "same": {"f": "false"}}
    wrong = orjson.dumps(head)
    return [b"hello", encode(STRANGERS[topic]), compress(len(wrong).to_bytes(4, "little") + wrong)]


def test_every_stage_writes_a_letter_for_what_no_stage_wrote_and_goes_on(settings: Settings, tmp_path: Path) -> None:
    provision.create(settings.broker, settings)
    producer = KafkaProducer(**client_kwargs(settings), acks="all")
    for topic in TOPICS:
        for value in strange(topic):
            producer.send(topic.name(settings), value, partition=0)
    producer.flush()
    producer.close()
    with (
        running(settings, "streams.cli", "worker", log=tmp_path / "worker.log") as worker,
        running(settings, "streams.cli", "communities", log=tmp_path / "communities.log") as communities,
    ):
        patience = time.monotonic() + 90  # a stage that has not begun yet is not waited for by `wait_idle`
        while len(deadletters.summary(settings).letters) < 3 * len(TOPICS) and time.monotonic() < patience:
            time.sleep(0.5)
        asyncio.run(wait_idle(settings))
        assert (worker.poll(), communities.poll()) == (None, None)
    found = {(letter.topic, letter.offset, letter.code) for letter in deadletters.summary(settings).letters}
    assert found == {(topic.name(settings), offset, "foreign_record") for topic in TOPICS for offset in range(3)}
    report = asyncio.run(verify(settings))
    assert report.passed, report
    provision.delete(settings.broker, settings)
