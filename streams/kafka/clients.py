"""aiokafka's clients, closed on every path. An unclosed one leaks, and complains on standard error."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.errors import KafkaError

from streams.kafka.admin import unreachable


def _is_news(record: logging.LogRecord) -> bool:
    return record.funcName != "bootstrap"


# Without a Kafka a client logs what its error says too; commands show the error.
logging.getLogger("aiokafka").addFilter(_is_news)


@asynccontextmanager
async def started(kind: Callable[..., Any], client: Mapping[str, Any], **options: Any) -> AsyncIterator[Any]:
    """A started consumer or producer of aiokafka. It is stopped at the end, also when it could not start.

    Args:
        kind: its class.
        client: keyword arguments for any client: servers, security.
        options: further ones of this client.

    Raises TopicsError when Kafka cannot be reached.
    """
    made = kind(**client, **options)  # made here, since aiokafka binds it to the running loop
    try:
        try:
            await made.start()
        except (KafkaError, OSError) as error:
            raise unreachable(",".join(client["bootstrap_servers"]), error) from error
        yield made
    finally:
        await made.stop()
