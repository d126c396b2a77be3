"""The ids that the broker gives topics, asked for over aiokafka.

The intake asks after every fetch. aiokafka's own requests leave ids out, so one with them is declared here.
kafka-python has it, but blocks: its thread waits for Python's lock several times an answer, which was a third of a
second while the stages worked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from io import BytesIO
from typing import Self
from uuid import UUID

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, NodeNotReadyError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from streams.contract.settings import Settings, client_kwargs

log = logging.getLogger(__name__)

ID_CHARS = 8
AWAY_S = 0.2
"""Seconds before asking again, when the broker did not answer or the topic is gone."""
TIMEOUT_MS = 20_000


class _Uuid(AbstractType[UUID]):  # type: ignore[misc]
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


_TAGS = ("tags", TaggedFields)
_NAME = ("name", CompactString())


class _Response(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    _PARTITION = CompactArray(
        ("error", Int16), ("partition", Int32), ("leader", Int32), ("epoch", Int32), ("replicas", CompactArray(Int32)),
        ("in_sync", CompactArray(Int32)), ("offline", CompactArray(Int32)), _TAGS,
    )  # fmt: skip
    SCHEMA = Schema(
        ("throttle_ms", Int32),
        ("brokers", CompactArray(("id", Int32), ("host", CompactString()), ("port", Int32), ("rack", CompactString()),
                                 _TAGS)),
        ("cluster", CompactString()),
        ("controller", Int32),
        ("topics", CompactArray(("error", Int16), _NAME, ("id", _Uuid), ("internal", Boolean),
                                ("partitions", _PARTITION), ("allowed", Int32), _TAGS)),
        ("allowed", Int32),
        _TAGS,
    )  # fmt: skip


class _RequestOnWire(RequestStruct):  # type: ignore[misc]
    """Version 10 of Kafka's Metadata request: the first with ids, Kafka 2.8."""

    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        ("topics", CompactArray(("id", _Uuid), _NAME, _TAGS)),
        ("create", Boolean),
        ("tell_allowed", Boolean),
        ("tell_topics_allowed", Boolean),
        _TAGS,
    )


class _Request(Request[_RequestOnWire]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topics: Collection[str]) -> None:
        self._topics: list[tuple[UUID, str, dict[int, bytes]]] = [(UUID(int=0), topic, {}) for topic in topics]

    def build(self, request_struct_class: type[_RequestOnWire]) -> _RequestOnWire:
        return request_struct_class(self._topics, False, False, False, {})


def short(topic_id: str) -> str:
    """The first eight characters of a topic's id. They tell the few incarnations of one name apart."""
    return topic_id[:ID_CHARS]


class TopicIds:
    """Asks the broker for short ids of topics, over a connection of its own. Use it as a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._client_options = client_kwargs(settings)
        self._client: AIOKafkaClient | None = None
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def of(self, topics: Collection[str]) -> dict[str, str]:
        """Topic → short id, for those that exist. Waits while the broker is away."""
        while True:
            try:
                return await self._ask(topics)
            except (KafkaError, OSError) as error:
                log.debug("topic ids: %r", error)
                await self.close()
                await asyncio.sleep(AWAY_S)

    async def _ask(self, topics: Collection[str]) -> dict[str, str]:
        client = await self._connected()
        node = client.get_random_node()
        if node is None:
            raise NodeNotReadyError("no broker is known")
        answer = await client.send(node, _Request(topics))
        return {name: short(str(topic_id)) for error, name, topic_id, *_ in answer.topics if not error}

    async def _connected(self) -> AIOKafkaClient:
        async with self._connecting:
            if self._client is None:
                client = AIOKafkaClient(**self._client_options, request_timeout_ms=TIMEOUT_MS)
                try:
                    await client.bootstrap()
                except BaseException:
                    await client.close()
                    raise
                self._client = client
            return self._client

    async def close(self) -> None:
        """Give up the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
