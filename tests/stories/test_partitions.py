"""Partitions, on a real broker with real processes: inputs grow, nobody is told a number, a mismatch has a way out."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer

from load_tests.bench.children import running, start
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.kafka import provision
from streams.kafka.admin import Admin
from streams.ops.idle import wait_idle
from streams.ops.verify import verify
from tests.api.test_service import Api

THERE, TOLD = 2, 7
pytestmark = pytest.mark.timeout(300)


def event(n: int) -> bytes:
    at_ms = time.time_ns() // 1_000_000
    return orjson.dumps(
        {
            "v": 1,
            "id": f"e{n}",
            "kind": "post",
            "source_id": f"s{n % 5}",
            "claim_id": f"c{n % 3}",
            "occurred_at_ms": at_ms,
        }
    )


def post(settings: Settings, events: Sequence[int], partitions: int, *more: bytes) -> None:
    """Publish events to the partitions of the input in turn, and `more` values to its last one."""
    producer = KafkaProducer(**client_kwargs(settings), acks="all")
    name = topics.EVENTS.name(settings)
    acks = [producer.send(name, value=event(n), partition=n % partitions) for n in events]
    acks += [producer.send(name, value=value, partition=partitions - 1) for value in more]
    for ack in acks:
        ack.get(timeout=60)
    producer.close()


def grow(settings: Settings, topic: topics.Topic, partitions: int) -> None:
    with Admin(settings.broker, settings) as admin:
        admin.grow(topic.name(settings), partitions)


def credence(settings: Settings, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit status, output and errors of a command of ours, told nothing but Kafka, the namespace and `environment`."""
    ours = {"CREDENCE_BROKER": settings.broker, "CREDENCE_NAMESPACE": settings.namespace, **environment}
    plain = {key: value for key, value in os.environ.items() if not key.startswith("CREDENCE_")}
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        env=plain | ours, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def lines(done: tuple[int, str, str]) -> list[Any]:
    assert done[0] == 0, done
    return [json.loads(line) for line in done[1].splitlines()]


def data_set(folder: Path) -> Path:
    folder.mkdir()
    (folder / "events.csv").write_text(
        "ts,kind,claim_id,event_id,parent_id,user_id\n1400000000,post,a,a,,u\n1400000001,reshare,a,b,a,v\n"
    )
    (folder / "claims.csv").write_text("claim_id,label\na,false\n")
    return folder


@pytest.mark.parametrize("told", ["", str(TOLD)], ids=["told nothing", "told another number"])
def test_every_process_reads_the_partition_count_from_the_topics(settings: Settings, told: str, tmp_path: Path) -> None:
    wrong = {"CREDENCE_PARTITIONS": told} if told else {}
    assert credence(settings, "topics", "create", "--partitions", str(THERE))[0] == 0
    misled = settings.replace(partitions=TOLD if told else Settings().partitions)
    with running(misled, "streams.cli", "worker", log=tmp_path / "worker.log"):
        post(settings, range(30), THERE, b"no event")
        (done,) = lines(credence(settings, "replay", str(data_set(tmp_path / "data")), "--json", **wrong))
        assert (done["events"], done["verdicts"]) == (2, 1)
        (report,) = lines(credence(settings, "verify", "--json", **wrong))
        assert (report["claims"], report["lost"], report["duplicated"]) == (4, 0, 0)
        found = {record["claim_id"] for record in lines(credence(settings, "claims", "--json", **wrong))}
        assert found == {"c0", "c1", "c2", "a"}
        for claim in found:
            assert lines(credence(settings, "explain", claim, "--json", **wrong))[0]["explanation"]["score"]
        (letter,) = lines(credence(settings, "dead-letters", "list", "--json", **wrong))
        assert letter["code"] == "not_json"
        api = Api(misled)
        try:
            api.becomes("/readyz", lambda status, _: status == 200)
            for claim in found:
                assert api.get(f"/v1/claims/{claim}/explanation")[0] == 200
        finally:
            assert api.end() == 0


def test_where_no_topics_are_it_says_what_makes_them(settings: Settings) -> None:
    for command in ("verify", "claims"):
        status, _, said = credence(settings, command)
        assert status == 1
        assert "run `credence topics create`" in said


def test_an_input_that_grows_is_read_whole_by_two_workers_one_of_which_is_killed(
    settings: Settings, tmp_path: Path
) -> None:
    """Also an input with another number from the start, and letters from partitions that no internal topic has."""
    settings = settings.replace(partitions=THERE, session_timeout_ms=6_000)
    provision.create(settings.broker, settings.replace(partitions=3), [topics.EVENTS])
    provision.create(settings.broker, settings)
    workers = [
        start(settings, "streams.cli", "worker", "--instance-id", f"w{n}", log=tmp_path / f"{n}.log") for n in range(2)
    ]
    try:
        post(settings, range(30), 3, b"no event")
        asyncio.run(wait_idle(settings))
        grow(settings, topics.EVENTS, 8)
        post(settings, range(30, 90), 8, b"no event")  # before any worker knows of the new ones
        workers[0].kill()
        workers[0].wait()
        workers[0] = start(settings, "streams.cli", "worker", "--instance-id", "w0", log=tmp_path / "0.log")
        grow(settings, topics.RULINGS, 5)
        post(settings, range(90, 150), 8)
        asyncio.run(wait_idle(settings))
        report = asyncio.run(verify(settings))
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert report.passed, report
    counted = lines(credence(settings, "claims", "--json"))
    assert sum(claim["events"] for claim in counted) == 150
    letters = [letter["origin"] for letter in lines(credence(settings, "dead-letters", "list", "--json"))]
    assert [origin.split("/")[1] for origin in letters] == ["2", "7"]
    assert [worker.poll() for worker in workers] == [-9, -9]  # none had ended itself


def test_an_internal_topic_that_grew_is_named_and_reset_rebuilds_everything_from_the_inputs(
    settings: Settings, tmp_path: Path
) -> None:
    settings = settings.replace(partitions=THERE, session_timeout_ms=6_000)
    provision.create(settings.broker, settings)
    name, log = topics.BY_CLAIM.name(settings), tmp_path / "worker.log"
    worker = start(settings, "streams.cli", "worker", log=log)
    try:
        post(settings, range(30), THERE)
        asyncio.run(wait_idle(settings))
        grow(settings, topics.BY_CLAIM, 3)
        assert worker.wait(60) == 70
    finally:
        worker.kill()
    said = " ".join(log.read_text().split())
    assert f"{name} has more than its {THERE} partitions" in said
    for command, *more in (["worker"], ["verify"], ["replay", str(data_set(tmp_path / "data"))], ["explain", "c0"]):
        status, _, said = credence(settings, command, *more)
        assert status == 1
        assert f"{name} has 3 partitions, and the other internal topics have {THERE}" in said
        assert f"`credence topics reset --partitions {THERE}`" in said

    status, _, said = credence(settings, "topics", "reset", "--yes", "--partitions", "3")
    assert status == 0, said
    with running(settings, "streams.cli", "worker", log=log):
        asyncio.run(wait_idle(settings))
        assert asyncio.run(verify(settings)).passed
        assert sum(claim["events"] for claim in lines(credence(settings, "claims", "--json"))) == 30
    assert provision.installed(settings).partitions == 3
