"""Decoding aside gives what decoding in place gives, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice

import psutil
import pytest

from load_tests.bench import load
from load_tests.hostile import hostile_events
from streams.agents.intake.aside import Aside
from streams.agents.intake.translation import translate
from streams.contract import topics
from streams.contract.settings import Settings
from streams.engine.sending import ProduceFailed
from tests.agents.intake.fetched import NOW_MS, as_sent, fetched

SETTINGS = Settings(partitions=3)


@pytest.fixture
def aside() -> Iterator[Aside]:
    beside = Aside(SETTINGS)
    beside.start()
    yield beside
    beside.stop()


async def test_good_and_bad_records_come_out_as_if_decoded_in_place(aside: Aside) -> None:
    records = [fetched(raw, i, key.encode()) for i, (key, raw) in enumerate(load.events(3_000))]
    hostile = islice(hostile_events(7, NOW_MS), 200)
    records += [fetched(bad.value, 3_000 + i, bad.key) for i, bad in enumerate(hostile)]
    here = translate(SETTINGS, topics.EVENTS, "1f3c9a2e", 2, records)
    assert here.rows >= 3_000
    assert here.rejects
    for _ in range(2):
        assert await aside.translate(topics.EVENTS, "1f3c9a2e", 2, as_sent(records)) == here


async def test_a_child_that_is_gone_is_a_failure_to_send_and_not_a_loss(aside: Aside) -> None:
    assert aside.pid is not None
    os.kill(aside.pid, signal.SIGKILL)
    with pytest.raises(ProduceFailed, match="decodes"):
        await aside.translate(topics.EVENTS, "1f3c9a2e", 0, as_sent([fetched(b"{}")]))


def test_the_child_ends_with_a_worker_that_is_killed() -> None:
    program = (
        "import os, signal; from streams.agents.intake.aside import Aside\n"
        "from streams.contract.settings import Settings\n"
        "aside = Aside(Settings()); aside.start(); print(aside.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    worker = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=False)
    assert worker.returncode == -signal.SIGKILL
    child, patience = int(worker.stdout), time.monotonic() + 20
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < patience
        time.sleep(0.05)
