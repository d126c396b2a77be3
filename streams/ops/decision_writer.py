"""Writes what people decide on flags. A decision moves no score, so nothing has to be waited for but the log itself."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self

import orjson
from aiokafka import AIOKafkaProducer

from streams.contract.settings import Settings, client_kwargs
from streams.contract.topics import DECISIONS, partition_of
from streams.contract.words import NOTE_CHARS_MAX, URL_CHARS_MAX, VIA_CHARS_MAX, FlagDecision
from streams.kafka.clients import started
from streams.ops.saying import check_id, check_text


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What a person decided on a flag.

    Attributes:
        revision: of the flag as it was looked at.
        via: the queue or tool in which it was decided; "" for none.
        key: what tells a repetition of the same request from another; "" for none.

    Raises TooMuchError where a text is longer than a record takes.
    """

    flag_id: str
    revision: int
    claim_id: str
    decision: FlagDecision
    decided_by: str
    note: str | None = None
    url: str | None = None
    via: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        check_id("who decides", self.decided_by)
        check_text("note", self.note, NOTE_CHARS_MAX)
        check_text("url", self.url, URL_CHARS_MAX)
        check_text("via", self.via, VIA_CHARS_MAX)

    def record(self) -> dict[str, Any]:
        """The decision as a record, made now. The same key gives the same id."""
        named = chr(0).join((self.flag_id, self.decided_by, self.key))
        made = uuid.uuid5(uuid.NAMESPACE_OID, named) if self.key else uuid.uuid4()
        told = {"note": self.note, "url": self.url, "via": self.via or None}
        return {
            "v": 1,
            "id": f"decision-{made}",
            "flag_id": self.flag_id,
            "revision": self.revision,
            "claim_id": self.claim_id,
            "decision": str(self.decision),
            "decided_by": self.decided_by,
            "decided_at_ms": time.time_ns() // 1_000_000,
        } | {name: text for name, text in told.items() if text is not None}


class DecisionWriter:
    """Writes decisions; an async context manager. It connects when the first one is written.

    Args:
        settings: with the broker filled in.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open = AsyncExitStack()
        self._connecting = asyncio.Lock()
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def write(self, decided: Decided) -> dict[str, Any]:
        """Write a decision and wait until Kafka has it; returns its record. Raises TopicsError without Kafka."""
        producer = await self._connected()
        name, record = DECISIONS.name(self._settings), decided.record()
        partition = partition_of(decided.claim_id, len(await producer.partitions_for(name)))
        key = decided.claim_id.encode()
        await producer.send_and_wait(name, orjson.dumps(record), key=key, partition=partition)
        return record

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                making = started(AIOKafkaProducer, client_kwargs(self._settings), acks="all", enable_idempotence=True)
                self._producer = await self._open.enter_async_context(making)
            return self._producer
