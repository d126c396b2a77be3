"""Which incarnation of a topic is meant. Kafka gives each topic an id, and one that is made anew another.

Clients read and write by name and do not notice, so that offsets of the old log name records of the new one. Therefore
origins and places in a log carry the id, and a process that meets another id than it began with ends itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping

from streams.contract.settings import Settings
from streams.kafka.topic_ids import AWAY_S, TopicIds

log = logging.getLogger(__name__)

RESET = "Stop all workers and run `credence topics reset`; everything is then rebuilt from the events and rulings."


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
        self._source = TopicIds(settings)
        self._inputs, self._internal, self._die = list(inputs), list(internal), die
        self._ids: dict[str, str] = {}
        self._gone: set[str] = set()
        self._asking: asyncio.Task[dict[str, str]] | None = None
        self._asked_s = 0.0  # when that began

    async def start(self) -> None:
        """Take note of the ids as they are now."""
        self._ids = await self._source.of([*self._inputs, *self._internal])

    def of(self, topic: str) -> str:
        """Short id of a topic; "" if it did not exist when this process began."""
        return self._ids.get(topic, "")

    def internal(self) -> dict[str, str]:
        """Internal topic → short id. The states of the stages belong to these topics."""
        return {topic: self.of(topic) for topic in self._internal}

    async def confirm(self, topic: str, fetched_s: float) -> None:
        """Ask the broker whether an input topic is still the same; return when it says so.

        All that was fetched of the topic before the question is then of that incarnation, since a former one never
        comes back. Waits while the topic is gone. What was fetched together shares one answer.

        Args:
            fetched_s: a time of the monotonic clock at which it had been fetched; the question is not older.
        """
        while topic not in await self._answer(fetched_s):
            await asyncio.sleep(AWAY_S)
            fetched_s = time.monotonic()

    async def _answer(self, since_s: float) -> dict[str, str]:
        """The answer to a question that is not older than that."""
        while self._asking is None or self._asked_s < since_s:
            if self._asking is None or self._asking.done():
                self._asked_s = time.monotonic()
                self._asking = asyncio.create_task(self._checked(self._inputs))
            else:
                await asyncio.wait([self._asking])
        return await asyncio.shield(self._asking)

    async def check(self) -> None:
        """Ask for all topics. Ends the process if one was made anew."""
        await self._checked([*self._inputs, *self._internal])

    async def _checked(self, topics: list[str]) -> dict[str, str]:
        found = await self._source.of(topics)
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

    async def stop(self) -> None:
        """Disconnect."""
        await self._source.close()
