"""Which partitions a consumer group leaves unread, asked of the broker by kafka-python in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from kafka.errors import KafkaError

from streams.contract.settings import Settings
from streams.kafka.admin import Admin, TopicsError
from streams.kafka.topic_ids import AWAY_S

log = logging.getLogger(__name__)


class Ownership:
    """Asks the broker over a connection of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admin: Admin | None = None
        # One thread, for the client is not thread-safe. Its own, for the shared ones may all wait for the intake.
        self._thread = ThreadPoolExecutor(1, "ownership")

    async def unowned(self, group: str, topics: Collection[str]) -> list[tuple[str, int]]:
        """Partitions of these topics that no member of a consumer group was given. Waits while the broker is away."""
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, group, list(topics))
            except (KafkaError, TopicsError, OSError) as error:
                log.debug("ownership: %r", error)
                await asyncio.sleep(AWAY_S)

    def _ask(self, group: str, topics: list[str]) -> list[tuple[str, int]]:
        try:
            if self._admin is None:
                self._admin = Admin(self._settings.broker, self._settings).__enter__()
            return self._admin.unowned(group, topics)
        except BaseException:
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.__exit__()

    def close(self) -> None:
        """Give up the connection."""
        self._thread.submit(self._disconnect)
        self._thread.shutdown(wait=False)
