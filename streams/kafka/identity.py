"""Which incarnation of a topic is meant: Kafka gives every topic an id, and one that is deleted and made anew another.

Clients read and write by name, and notice nothing: offsets of the old log then name records of the new one. So each
process remembers the ids that it began with, origins and places in a log carry them, and a process that meets another
id ends itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

from kafka.errors import KafkaError

from streams.contract.settings import Settings
from streams.kafka.admin import Admin, TopicsError

log = logging.getLogger(__name__)

T = TypeVar("T")
ID_CHARS = 8
AWAY_S = 0.2
"""How long to wait before a broker that did not answer, or a topic that is gone, is asked for again."""
RESET = "Stop all workers and run `credence topics reset`; everything is then rebuilt from the events and rulings."


def short(topic_id: str) -> str:
    """The first eight characters of a topic's id: enough to tell the few incarnations of one name apart."""
    return topic_id[:ID_CHARS]


class TopicIds:
    """Asks the broker for the short ids of topics, over a connection of its own that is kept; a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admin: Admin | None = None
        # The client is not made for several threads, and the default ones may all be waiting for the intake's child.
        self._thread = ThreadPoolExecutor(1, "topic-ids")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def of(self, topics: Collection[str]) -> dict[str, str]:
        """Topic → short id, of those that exist; waits for a broker that is away."""
        return await self._answer(lambda admin: {t: short(id_) for t, id_ in admin.ids(list(topics)).items()})

    async def unowned(self, group: str, topics: Collection[str]) -> list[tuple[str, int]]:
        """Partitions of these topics that no member of a consumer group was given; waits like `of`."""
        return await self._answer(lambda admin: admin.unowned(group, list(topics)))

    async def _answer(self, ask: Callable[[Admin], T]) -> T:
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, ask)
            except (KafkaError, TopicsError, OSError) as error:
                log.debug("topics: %r", error)
                await asyncio.sleep(AWAY_S)

    def _ask(self, ask: Callable[[Admin], T]) -> T:
        try:
            if self._admin is None:
                self._admin = Admin(self._settings.broker, self._settings).__enter__()
            return ask(self._admin)
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


class Identity:
    """The incarnations that this process works with.

    Args:
        settings: with the broker filled in.
        inputs: topics that others write; when one is made anew, a new process reads the new log from its beginning.
        internal: topics that the stages write for each other: they belong together for good.
        die: ends the process; is given the reason.
    """

    def __init__(
        self, settings: Settings, inputs: Collection[str], internal: Collection[str], die: Callable[[str], None]
    ) -> None:
        self.source = TopicIds(settings)
        self._inputs, self._internal, self._die = list(inputs), list(internal), die
        self._ids: dict[str, str] = {}
        self._gone: set[str] = set()
        self._asking: asyncio.Task[dict[str, str]] | None = None

    async def start(self) -> None:
        """Take note of the ids as they are now."""
        self._ids = await self.source.of([*self._inputs, *self._internal])

    def of(self, topic: str) -> str:
        """Short id of a topic; "" where it did not exist when this process began."""
        return self._ids.get(topic, "")

    def internal(self) -> dict[str, str]:
        """Internal topic → short id: what the state of any stage was made for."""
        return {topic: self.of(topic) for topic in self._internal}

    async def confirm(self, topic: str) -> None:
        """Return when the broker has said, after this call, that an input topic is still the same.

        What was fetched of it before the call is then of that incarnation: a former one never comes back. While the
        topic is gone this waits. All who ask at a time share one answer.
        """
        while topic not in await self._next_answer():
            await asyncio.sleep(AWAY_S)

    async def _next_answer(self) -> dict[str, str]:
        """What the broker says when asked from now on: an answer under way may be older than the call."""
        before = self._asking
        if before is not None:
            await asyncio.wait([before])
        if self._asking is before:
            self._asking = asyncio.create_task(self._checked(self._inputs))
        assert self._asking is not None
        return await asyncio.shield(self._asking)

    async def check(self) -> None:
        """Ask for all topics; ends the process if one is not what it was."""
        await self._checked([*self._inputs, *self._internal])

    async def _checked(self, topics: list[str]) -> dict[str, str]:
        found = await self.source.of(topics)
        for topic in topics:
            if found.get(topic) != self.of(topic):
                self._differs(topic, found)
        self._gone -= found.keys()
        return found

    def _differs(self, topic: str, found: Mapping[str, str]) -> None:
        if topic in self._internal:
            what = "was deleted and made anew" if topic in found else "was deleted"
            self._die(f"{topic} {what}: states and logs do not belong together any more. {RESET}")
        elif topic in found:
            self._die(
                f"{topic} was deleted and made anew (its id was {self.of(topic) or 'none'}… and is {found[topic]}…): a "
                "place in the old log means nothing in the new one. Run `credence worker` again, if nothing does so by "
                "itself: it reads the new log from its beginning, and keeps what it knows from the old one"
            )
        elif topic not in self._gone:
            self._gone.add(topic)
            log.warning("%s is gone: nothing is read of it until it is made anew", topic)

    def gone(self, topic: str) -> bool:
        """Whether an input topic did not exist when it was last asked for."""
        return topic in self._gone

    def stop(self) -> None:
        """Disconnect."""
        self.source.close()
