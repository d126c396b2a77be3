"""Intake: decode, validate, clamp, name the claim, route. What is refused becomes a dead letter; the stream goes on.

It has no state. After a crash it repeats what was not committed; the next stage drops repeats by their origins (input
offsets). These ascend within each of its partitions: an idempotent producer sends a partition's batches in order, and
any failure to send ends the worker.
"""

from __future__ import annotations

from collections.abc import Sequence

from streams.agents.intake.aside import Aside
from streams.agents.intake.translation import Translation, translate
from streams.contract import topics
from streams.contract.settings import Settings
from streams.engine.fetched import Fetch
from streams.engine.journal import Outgoing
from streams.engine.sending import Sender

ASIDE_ROWS_MIN = 1024  # decoding fewer records takes less time than handing them over


class Intake:
    """Sends decoded input on its way.

    Args:
        settings: partitions, namespace, limits.
        sender: what it goes by, started before anything is forwarded.
    """

    def __init__(self, settings: Settings, sender: Sender) -> None:
        self._settings = settings
        self._sender = sender
        self._aside = Aside(settings)

    def start(self) -> None:
        """Start the process that decodes."""
        self._aside.start()

    @property
    def pid(self) -> int | None:
        """Process id of the one that decodes; None while there is none."""
        return self._aside.pid

    async def translate(self, source: topics.Topic, topic_id: str, partition: int, fetch: Fetch) -> Translation:
        """Decode and route what was fetched of an input partition; in the other process if it is much."""
        if self.is_much(fetch):
            return await self._aside.translate(source, topic_id, partition, fetch)
        return translate(self._settings, source, topic_id, partition, fetch.records())

    def is_much(self, fetch: Fetch) -> bool:
        """Whether the other process decodes it, which takes a while."""
        return fetch.offset - fetch.position >= ASIDE_ROWS_MIN

    async def forward(self, outgoing: Sequence[Outgoing]) -> None:
        """Send, and wait for every ack. Raises ProduceFailed if one does not come."""
        await self._sender.send(lambda topic: self._sender.own, outgoing)

    def stop(self) -> None:
        """End the process that decodes."""
        self._aside.stop()
