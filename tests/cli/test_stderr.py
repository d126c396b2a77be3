"""Commands as a person runs them, on a real broker: on standard error is nothing but what they mean to say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from kafka import KafkaProducer

from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.kafka import provision
from tests.scores import claim, community, flag, publish, source

LETTER = {
    "v": 1, "code": "not_json", "detail": "d", "topic": "t", "partition": 0, "offset": 1, "append_ms": 1,
    "stage": "intake", "raw": None, "key_b64": None, "raw_length": None, "raw_sha256": None,
}  # fmt: skip
SWITCHED = r"(pause|stop|resume|precision|budget): .*\n"
# Command → what it may say on standard error.
COMMANDS = {
    "topics list": "",
    "topics create": "",
    "claims": "",
    "sources": "",
    "health": "",
    "show trust.flags": "",
    "dead-letters list": "",
    "dead-letters redrive --all --dry-run": "",
    "flags tail --all --no-follow": "",
    "flags pause --by me --note x": SWITCHED,
    "flags stop --yes --by me --note x": SWITCHED,
    "flags resume --by me --note x": SWITCHED,
    "flags precision 0.9 --by me --note x": SWITCHED,
    "flags budget --an-hour 9 --by me --note x": SWITCHED,
    "flags status": "",
    "flags dry-run --precision 0.9": "",
    "explain nobody": "no claim and no source .*\n",
    "show nothing": "error: there is no topic nothing: .*\n",
    "show trust.flags --partition 9": "error: .* has no partition 9, only 1\n",
}


def run(settings: Settings, *words: str, warnings: str = "always::ResourceWarning") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, in which whatever is left open is told."""
    ours = {"CREDENCE_BROKER": settings.broker, "CREDENCE_NAMESPACE": settings.namespace, "CREDENCE_PARTITIONS": "1"}
    command = [sys.executable, "-W", warnings, "-m", "streams.cli", *words]
    root = Path(__file__).parent.parent.parent
    return subprocess.run(
        command, env=os.environ | ours, cwd=root, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def installation(broker: str) -> Iterator[Settings]:
    """One record for everything that commands read; whatever is sent to the parameters counts as applied."""
    settings = Settings(broker=broker, namespace=f"quiet-{os.getpid()}.", partitions=1)
    provision.create(broker, settings)
    publish(settings, [claim("c"), source("ana"), community("harbour"), flag("f1", "c")])
    applied = {"stage": "parameters", "partition": 0, "applied": 1 << 40, "lag": 0, "append_ms": 0}
    with KafkaProducer(**client_kwargs(settings)) as producer:
        producer.send(topics.PROGRESS.name(settings), orjson.dumps(applied), b"parameters/0")
        producer.send(topics.DEAD_LETTERS.name(settings), orjson.dumps(LETTER))
        producer.flush()
    yield settings
    provision.delete(broker, settings)


@pytest.mark.broker
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_on_standard_error_but_what_the_command_says(installation: Settings, command: str) -> None:
    done = run(installation, *command.split())
    assert re.fullmatch(COMMANDS[command], done.stderr), done.stderr
    assert (done.returncode == 0) == (COMMANDS[command] in ("", SWITCHED))


UNUSABLE = {"127.0.0.1:1": "cannot reach Kafka at 127.0.0.1:1", "not a host": "CREDENCE_BROKER, or --broker, names"}


@pytest.mark.parametrize(
    "command",
    [
        "claims",
        "flags pause --by me --note x",
        "flags status",
        "show x",
        "dead-letters list",
        "worker",
        "api",
        "verify",
    ],
)
@pytest.mark.parametrize("broker", UNUSABLE)
def test_a_kafka_that_is_not_there_is_told_in_one_sentence(command: str, broker: str) -> None:
    # Without the search for what is left open: kafka-python leaves a socket to whom it cannot reach.
    done = run(Settings(broker="localhost:1"), *command.split(), "--broker", broker, warnings="ignore")
    assert done.returncode == 1
    assert re.fullmatch(f"error: {UNUSABLE[broker]}[^\n]*\n", done.stderr), done.stderr
