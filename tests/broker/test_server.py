"""The embedded broker's life: it starts, keeps its data, moves off taken ports, and never outlives its owner."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from streams.broker import artifacts, machine
from streams.broker import embedded as broker
from streams.broker.errors import BrokerError


@pytest.fixture
def node(tmp_path: Path) -> Iterator[broker.Broker]:
    """A broker in an empty folder, not started."""
    made = broker.Broker(tmp_path / "node")
    yield made
    made.kill()


def produce(bootstrap: str, value: bytes) -> None:
    from kafka import KafkaProducer

    with KafkaProducer(bootstrap_servers=bootstrap, max_request_size=20_000_000) as producer:
        producer.send("kept", value).get(timeout=30)


def make_topic(bootstrap: str) -> None:
    from kafka import KafkaAdminClient

    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({"kept": {"num_partitions": 1, "replication_factor": 1}})


def values(bootstrap: str) -> list[int]:
    """Lengths of all records of the topic `kept`."""
    from kafka import KafkaConsumer

    with KafkaConsumer(
        "kept", bootstrap_servers=bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=3000, group_id=None
    ) as consumer:
        return [len(record.value) for record in consumer]


def gone(pid: int, within_s: float = 15.0) -> bool:
    """Whether the process ends within the time."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.1)
    return False


def test_data_and_address_outlive_a_stop_and_a_kill_and_large_records_fit(node: broker.Broker) -> None:
    first = node.start()
    assert first.running
    assert first.start_s is not None
    make_topic(first.bootstrap)
    produce(first.bootstrap, bytes(16 * 1024**2))
    assert node.stop()
    assert not node.status().running
    assert not node.stop()
    second = node.start()
    assert second.bootstrap == first.bootstrap
    produce(second.bootstrap, b"after the stop")
    node.kill()
    third = node.start()
    assert values(third.bootstrap) == [16 * 1024**2, len("after the stop")]
    # Another handle on the same folder, as another process would have, finds and stops it.
    other = broker.Broker(node.folder)
    assert other.start().pid == third.pid
    assert other.stop()
    assert not node.status().running


def test_a_broker_listens_on_loopback_only(broker: str) -> None:
    port = int(broker.rpartition(":")[2])
    listening = {
        each.laddr.ip for each in psutil.net_connections() if each.status == "LISTEN" and each.laddr.port == port
    }
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1"}
    assert listening


def test_starts_at_the_same_moment_give_one_broker(node: broker.Broker) -> None:
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: broker.Broker(node.folder).start(), range(3)))
    assert len({status.pid for status in found}) == 1
    broker.Broker(node.folder).stop()


def test_a_taken_port_is_left_and_another_chosen_but_never_when_it_was_asked_for(node: broker.Broker) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BrokerError, match=f"port {port} is taken"):
            node.start(port=port)
        wishing = broker.Broker(node.folder, preferred_port=port)
        assert wishing.start().bootstrap != f"127.0.0.1:{port}"
        wishing.stop()


def test_a_private_broker_is_gone_after_its_block_with_its_folder() -> None:
    with broker.private() as node:
        status = node.status()
        assert machine.answers(int(status.bootstrap.rpartition(":")[2]))
    assert status.pid is not None
    assert gone(status.pid)
    assert not node.folder.exists()


def test_a_private_broker_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from streams.broker import embedded as broker\n"
        "with broker.private(sys.argv[1]) as b: print(b.status().pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "b")], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        owner.kill()
    assert gone(pid)


def test_a_broker_that_ignores_the_polite_signal_is_ended_all_the_same(node: broker.Broker) -> None:
    status = node.start()
    assert status.pid is not None
    os.kill(status.pid, signal.SIGSTOP)
    assert node.stop(patience_s=1.0)
    assert gone(status.pid)


def test_a_note_about_a_process_that_is_somebody_elses_is_not_believed(node: broker.Broker) -> None:
    node.folder.mkdir(parents=True)
    (node.folder / "broker.json").write_text(
        f'{{"pid": {os.getpid()}, "bootstrap": "127.0.0.1:1", "started_at_ms": 0}}'
    )
    assert not node.status().running
    assert not node.stop()


def test_too_little_memory_says_how_to_need_less(node: broker.Broker) -> None:
    with pytest.raises(BrokerError, match="--heap-mb"):
        node.start(heap_mb=100_000_000)


def test_a_folder_that_cannot_be_written_says_which_setting_moves_it(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(BrokerError, match="CREDENCE_HOME"):
        broker.Broker(in_the_way / "node").start()


def test_a_broker_that_dies_while_starting_shows_the_end_of_its_log(node: broker.Broker) -> None:
    with pytest.raises(BrokerError, match=r"ended with status 1 .*(?s:.)*process\.roles"):
        node.start(extra={"process.roles": "nonsense"})


def test_without_any_broker_the_error_names_both_ways_to_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from streams.contract.settings import Settings

    monkeypatch.setenv("CREDENCE_HOME", str(tmp_path))
    with pytest.raises(BrokerError, match=r"credence broker start.*CREDENCE_BROKER"):
        broker.resolve(Settings())
    assert broker.resolve(Settings(broker="a:1")).broker == "a:1"


def test_home_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENCE_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert artifacts.home() == tmp_path / "credence"
    monkeypatch.setenv("CREDENCE_HOME", str(tmp_path / "own"))
    assert artifacts.home() == tmp_path / "own"
