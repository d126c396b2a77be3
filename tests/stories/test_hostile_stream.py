"""Hostile records mixed into a stream, through a real broker and a real worker: each refused by name, nothing moved."""

from __future__ import annotations

import asyncio
from pathlib import Path

from load_tests.bench.children import running
from load_tests.hostile_stream import faults, publish
from streams.contract.settings import Settings
from streams.kafka import provision
from streams.ops.idle import wait_idle
from streams.ops.verify import verify

HOSTILE, GOOD = 10_000, 2_000


def test_every_hostile_record_is_refused_with_its_code_and_the_good_ones_count_as_if_alone(
    settings: Settings, tmp_path: Path
) -> None:
    provision.create(settings.broker, settings)
    with running(settings, "streams.cli", "worker", log=tmp_path / "worker.log") as worker:
        published = publish(settings, HOSTILE, GOOD, seed=7)
        asyncio.run(wait_idle(settings))
        assert worker.poll() is None, "the worker ended"
    assert len(published.expected) == HOSTILE
    assert faults(settings, published) == []
    # What is not in the dead letters is counted a second time by a plain path: so the counts are those of the good.
    report = asyncio.run(verify(settings))
    assert report.passed, report
    provision.delete(settings.broker, settings)
