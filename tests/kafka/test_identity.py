"""Which incarnation of a topic is meant, asked of a real broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

import pytest

from streams.contract import topics
from streams.contract.settings import Settings
from streams.kafka import provision
from streams.kafka.identity import Identity


async def test_what_was_fetched_together_shares_an_answer_and_no_answer_is_older_than_what_was_fetched(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(provision.create, settings.broker, settings)
    name = topics.EVENTS.name(settings)
    identity = Identity(settings, [name], [], pytest.fail)
    await identity.start()
    asked, ask = list[float](), identity._source.of

    async def watched(names: Collection[str]) -> dict[str, str]:
        asked.append(time.monotonic())
        return await ask(names)

    monkeypatch.setattr(identity._source, "of", watched)
    fetched_s = time.monotonic()
    await asyncio.gather(*(identity.confirm(name, fetched_s) for _ in range(4)))
    await identity.confirm(name, fetched_s)
    assert len(asked) == 1
    for _ in range(2):
        fetched_s = time.monotonic()
        await asyncio.gather(*(identity.confirm(name, fetched_s) for _ in range(4)))
        assert asked[-1] >= fetched_s
    assert len(asked) == 3
    await identity.stop()
