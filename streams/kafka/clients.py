"""aiokafka's clients, closed on every path: one that is dropped unclosed leaks, and complains on standard error."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.errors import KafkaError

from streams.kafka.admin import unreachable


def _is_news(record: logging.LogRecord) -> bool:
    return record.funcName != "bootstrap"


# What a client says when it finds no Kafka is in the error that it raises, and commands show that.
logging.getLogger("aiokafka").addFilter(_is_news)


@asynccontextmanager
async def started(kind: Callable[..., Any], client: Mapping[str, Any], **options: Any) -> AsyncIterator[Any]:
    """A consumer or producer of aiokafka, started; it is stopped in the end, and when it could not start, too.

    Args:
        kind: its class.
        client: keyword arguments for any client: servers, security.
        options: those of its own.

    Raises TopicsError when Kafka cannot be reached.
    """
    made = kind(**client, **options)  # within the running loop, to which aiokafka binds it
    try:
        try:
            await made.start()
        except (KafkaError, OSError) as error:
            raise unreachable(",".join(client["bootstrap_servers"]), error) from error
        yield made
    finally:
        await made.stop()
