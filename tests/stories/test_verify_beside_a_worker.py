"""A worker publishes after it has written its changelog. `verify` waits for that, and still finds what never comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from load_tests.bench.children import running
from streams.contract import topics
from streams.contract.settings import Settings
from streams.kafka import provision
from streams.kafka.log_reader import LogReader
from streams.ops import verify as verifying
from streams.ops.idle import wait_idle
from streams.ops.verify import verify
from tests.stories.test_partitions import post

pytestmark = pytest.mark.timeout(180)


def test_a_score_that_is_published_a_moment_late_is_no_difference_and_one_that_never_is_is_one(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings.replace(partitions=1)
    provision.create(settings.broker, settings)
    with running(settings, "streams.cli", "worker", log=tmp_path / "worker.log"):
        post(settings, range(12), 1)
        asyncio.run(wait_idle(settings))
    looks = 0
    late = 1

    published = verifying._published

    async def without_the_last(
        logs: LogReader, settings: Settings, topic: str, partition: int
    ) -> AsyncIterator[tuple[str, bytes]]:
        nonlocal looks
        records = [record async for record in published(logs, settings, topic, partition)]
        if topic == topics.CLAIM_SCORES.name(settings):
            looks += 1
            records = records[: -1 if looks <= late else None]
        for record in records:
            yield record

    monkeypatch.setattr(verifying, "_published", without_the_last)
    report = asyncio.run(verify(settings))
    assert (report.passed, report.events, looks) == (True, 12, 2), report
    looks, late = 0, 1_000
    report = asyncio.run(verify(settings))
    assert (report.passed, report.complete, report.records_differing, looks) == (False, True, 1, 2), report
