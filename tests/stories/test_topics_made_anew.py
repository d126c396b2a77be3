"""Topics made anew under a running installation, and logs that are cut: real workers on a real broker."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from kafka import KafkaProducer

from load_tests.bench.children import start
from load_tests.operator import cut, ends, remake
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.engine.stage import QUIET_S
from streams.kafka import provision
from streams.ops.dead_letters import summary
from streams.ops.idle import wait_idle
from streams.ops.verify import Report, verify
from tests.api.test_service import Api

ENDED_ITSELF = 70
PATIENCE_S = 90.0

pytestmark = pytest.mark.timeout(240)


class Installation:
    """A platform's topics, and workers that a test starts and kills."""

    def __init__(self, settings: Settings, logs: Path) -> None:
        self.settings, self._logs = settings, logs
        self._running: list[subprocess.Popen[bytes]] = []
        provision.create(settings.broker, settings)

    def start(self, name: str = "worker-1", command: str = "worker") -> subprocess.Popen[bytes]:
        process = start(self.settings, "streams.cli", command, "--instance-id", name, log=self.log(name))
        self._running.append(process)
        return process

    def log(self, name: str = "worker-1") -> Path:
        return self._logs / f"{name}.log"

    def said(self, words: str, name: str = "worker-1") -> bool:
        return self.log(name).exists() and words in self.log(name).read_text()

    def post(self, claim: str, events: int, partitions: int = 4) -> None:
        """That many people post a claim, spread over the partitions."""
        producer = KafkaProducer(**client_kwargs(self.settings), acks="all")
        for n in range(events):
            event = {"v": 1, "id": f"{claim}-{n}", "kind": "post", "source_id": f"{claim}-{n}", "claim_id": claim}
            value = orjson.dumps({**event, "occurred_at_ms": time.time_ns() // 1_000_000})
            producer.send(topics.EVENTS.name(self.settings), value, partition=n % partitions)
        producer.flush()
        producer.close()

    def junk(self) -> None:
        """A record that is no event, first on its partition."""
        producer = KafkaProducer(**client_kwargs(self.settings), acks="all")
        producer.send(topics.EVENTS.name(self.settings), b"junk", partition=0)
        producer.flush()
        producer.close()

    def settle(self) -> None:
        """Wait until nothing moves, nor does what the stages hold back until they have been quiet for a while."""
        asyncio.run(wait_idle(self.settings, 60.0))
        time.sleep(2 * QUIET_S)
        asyncio.run(wait_idle(self.settings, 60.0))

    def verified(self) -> Report:
        return asyncio.run(verify(self.settings))

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, f"not within {PATIENCE_S:.0f} s: {what}"
        time.sleep(0.2)


def ended(process: subprocess.Popen[bytes]) -> int:
    return process.wait(PATIENCE_S)


@pytest.fixture
def here(settings: Settings, tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(settings, tmp_path)
    yield installation
    installation.end()
    provision.delete(settings.broker, settings)


def counted(here: Installation, events: int) -> Report:
    """What `verify` finds: this many events counted, none lost or doubled, whatever topic they came from."""
    report = here.verified()
    assert (report.max_abs_diff, report.records_differing, report.counts_differing) == (0.0, 0, 0), report
    assert (report.lost, report.duplicated, report.events) == (0, 0, events), report
    return report


def test_a_running_worker_ends_itself_when_its_input_was_made_anew_and_the_next_one_reads_the_new_log_whole(
    here: Installation,
) -> None:
    worker = here.start()
    here.junk()
    here.post("before", 20)
    here.settle()
    remake(here.settings, topics.EVENTS)
    here.post("after", 70)
    assert ended(worker) == ENDED_ITSELF
    assert here.said("social.events.v1 was deleted and made anew")
    assert here.said("Run `credence worker` again")

    here.start()
    here.junk()
    here.settle()
    report = counted(here, 90)
    assert not report.complete
    assert report.not_in_input == 20
    letters = summary(here.settings).letters
    assert len({letter.origin for letter in letters}) == 2, "one of each incarnation"


def test_a_worker_that_is_killed_while_its_input_is_made_anew_reads_the_new_log_whole(here: Installation) -> None:
    worker = here.start()
    here.post("before", 20)
    here.settle()
    worker.kill()
    worker.wait()
    remake(here.settings, topics.EVENTS)
    here.post("after", 70)
    again = here.start()
    time.sleep(1.0)
    again.kill()  # wherever it is
    again.wait()
    here.start()
    here.settle()
    counted(here, 90)


def test_of_two_workers_neither_takes_records_of_the_new_input_for_those_of_the_old(here: Installation) -> None:
    workers = [here.start("worker-1"), here.start("worker-2")]
    until(lambda: all(here.said("ready with", f"worker-{n}") for n in (1, 2)), "two workers ready")
    here.post("before", 20)
    here.settle()
    remake(here.settings, topics.EVENTS)
    here.post("after", 70)
    assert [ended(worker) for worker in workers] == [ENDED_ITSELF] * 2
    here.start("worker-1")
    here.start("worker-2")
    here.settle()
    counted(here, 90)


def test_while_an_input_is_gone_a_worker_waits_for_it(here: Installation) -> None:
    worker = here.start()
    here.post("before", 8)
    here.settle()
    provision.delete(here.settings.broker, here.settings, [topics.EVENTS])
    until(lambda: here.said("social.events.v1 is gone"), "the worker says that its input is gone")
    time.sleep(2.0)
    assert worker.poll() is None
    provision.create(here.settings.broker, here.settings)
    assert ended(worker) == ENDED_ITSELF


@pytest.mark.parametrize("topic", [topics.BY_CLAIM, topics.SOURCES_CHANGELOG, topics.CLAIM_SCORES])
def test_an_internal_topic_made_anew_ends_the_worker_at_once_and_every_later_one_until_a_reset(
    topic: topics.Topic, here: Installation
) -> None:
    worker = here.start()
    here.post("before", 20)
    here.settle()
    remake(here.settings, topic)
    assert ended(worker) == ENDED_ITSELF
    assert here.said(f"{topic.base} was deleted")
    assert here.said("run `credence topics reset`")
    assert ended(here.start("worker-2")) == ENDED_ITSELF
    assert here.said("run `credence topics reset`", "worker-2")
    provision.reset(here.settings.broker, here.settings)
    here.start("worker-3")
    here.settle()
    assert counted(here, 20).complete


def test_the_communities_process_ends_itself_when_its_topic_was_made_anew(here: Installation) -> None:
    process = here.start("communities-1", "communities")
    until(lambda: here.said("ready with", "communities-1"), "communities ready")
    remake(here.settings, topics.PARTICIPATION)
    assert ended(process) == ENDED_ITSELF
    assert here.said("run `credence topics reset`", "communities-1")


def test_all_states_lost_at_once_are_missed(here: Installation) -> None:
    worker = here.start()
    here.post("before", 20)
    here.settle()
    worker.kill()
    worker.wait()
    for topic in (topics.SOURCES_CHANGELOG, topics.CLAIMS_CHANGELOG, topics.PARAMETERS_CHANGELOG):
        remake(here.settings, topic)
    assert ended(here.start("worker-2")) == ENDED_ITSELF
    assert here.said("the state has lost something", "worker-2")


def test_input_cut_while_nobody_read_it_is_told_and_the_rest_counts(here: Installation) -> None:
    worker = here.start()
    here.post("before", 20)
    here.settle()
    worker.kill()
    worker.wait()
    here.post("unread", 40)
    cut(here.settings, topics.EVENTS, {0: 12, 1: 15})
    again = here.start()
    here.settle()
    again.kill()  # and is still known afterwards
    again.wait()
    here.start("worker-2")
    here.settle()
    assert here.said("offsets 5 to 11 of")
    report = counted(here, 60 - 7 - 10)
    assert not report.complete
    assert report.cut_unread == 17
    api = Api(here.settings)
    try:
        told = api.becomes("/readyz", lambda status, body: status == 200 and body["status"] == "incomplete")
        assert "offsets 5 to 11 of" in told["detail"]
    finally:
        api.end()


def test_input_cut_to_its_end_under_a_worker_that_waits_for_it_is_told(here: Installation) -> None:
    worker = here.start()
    here.post("before", 20)
    here.settle()
    worker.kill()
    worker.wait()
    here.post("unread", 40)
    cut(here.settings, topics.EVENTS, {0: 15})
    here.start()
    here.settle()
    report = counted(here, 50)
    assert report.cut_unread == 10


def test_a_stage_whose_log_was_cut_before_it_had_read_it_ends_itself(here: Installation) -> None:
    worker = here.start()
    here.post("before", 20)
    here.settle()
    worker.kill()
    worker.wait()
    name, end = topics.BY_SOURCE.name(here.settings), ends(here.settings, topics.BY_SOURCE)[0]
    producer = KafkaProducer(**client_kwargs(here.settings), acks="all")
    producer.send(name, b"unread", partition=0).get(30)
    producer.close()
    cut(here.settings, topics.BY_SOURCE, {0: end + 1})
    assert ended(here.start("worker-2")) == ENDED_ITSELF
    assert here.said("credence topics reset", "worker-2")
