"""What the output topics say of one claim, now and as it changes: for commands that wait for what they did."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Self

from streams.api.published import Reader
from streams.api.store import Store
from streams.contract.settings import Settings
from streams.contract.topics import Topic


class Followed:
    """Follows the partitions that a key is on; an async context manager, which has read all that is there on entering.

    Args:
        settings: with the broker filled in.
        topics: which of the output topics.
        key: such as a claim's id.

    Raises TopicsError on entering when the topics cannot be had.
    """

    def __init__(self, settings: Settings, topics: Sequence[Topic], key: str) -> None:
        self.store = Store()
        self._reader = Reader(settings, topics, key=key)
        self._open = AsyncExitStack()
        self._heard = asyncio.Event()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            opening.callback(self.store.close)
            await opening.enter_async_context(self._reader)
            self._following = asyncio.create_task(self._follow())
            opening.push_async_callback(self._end)
            while self._reader.fresh_at is None:
                await self.news(1.0)
            self._open = opening.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def _follow(self) -> None:
        async for entries in self._reader.on():
            self.store.apply(entries)
            if entries or self._reader.fresh_at is None:
                self._heard.set()

    async def _end(self) -> None:
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)

    def claim(self, id_: str, /) -> dict[str, Any] | None:
        """The newest score record of a claim; None if there is none."""
        return self.store.claim(id_)

    async def news(self, timeout_s: float) -> None:
        """Wait until something new has been read, at most so long."""
        if self._following.done():
            self._following.result()
        self._heard.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._heard.wait()
