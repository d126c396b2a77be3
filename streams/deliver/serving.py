"""A delivering process as its settings make it: courier, tries, health and the loop."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiokafka import AIOKafkaProducer

from streams.contract.settings import PREFIX, Settings, SettingsError, client_kwargs
from streams.deliver.answering import answering
from streams.deliver.courier import Courier, HttpCourier, TopicCourier
from streams.deliver.deliverer import BESIDE, Deliverer
from streams.deliver.delivery import Delivering, Wanted
from streams.deliver.osprey import Osprey
from streams.deliver.target import Target
from streams.deliver.tries import Patience, Tries
from streams.kafka.admin import TopicsError
from streams.kafka.clients import started
from streams.kafka.log_reader import LogReader


@asynccontextmanager
async def serving(
    settings: Settings, target: Target, url: str, wanted: Wanted, name: str, again: bool
) -> AsyncIterator[tuple[Deliverer, int]]:
    """A process that is ready to run, and the port of its metrics.

    Args:
        settings: with the broker filled in.
        target: in whose words.
        url: its address; "" for a topic.
        wanted: which flags it gets.
        name: of the process's group.
        again: first send once more what was refused or is in doubt.

    Raises SettingsError on an address or a secret that cannot be used, TopicsError when Kafka cannot be reached.
    """
    secret = secret_of(settings)
    if url and not url.startswith(("http://", "https://")):
        raise SettingsError(f"--url is {url!r}, which is no address: it begins with https:// or http://")
    async with _carrying(settings, target, url, secret) as courier:
        patience = Patience(
            first_s=settings.deliver_retry_ms / 1000,
            longest_s=settings.deliver_retry_max_ms / 1000,
            give_up_s=settings.deliver_give_up_ms / 1000,
            settle_s=settings.deliver_settle_ms / 1000,
        )
        tries = Tries(courier, patience, name)

        def trouble() -> tuple[str, float] | None:
            return None if tries.trouble is None else (tries.trouble[0], time.monotonic() - tries.trouble[1])

        async with answering(settings.metrics_host, settings.metrics_port, trouble) as port:
            yield Deliverer(settings, Delivering(target, tries, wanted, name), name, again), port


@asynccontextmanager
async def _carrying(settings: Settings, target: Target, url: str, secret: Callable[[], str]) -> AsyncIterator[Courier]:
    if isinstance(target, Osprey):
        async with LogReader(client_kwargs(settings)) as logs:
            if target.topic not in await logs.partitions([target.topic]):
                raise TopicsError(f"there is no topic {target.topic}: Osprey's own set-up makes it; or name another")
        async with started(AIOKafkaProducer, client_kwargs(settings), acks="all", enable_idempotence=True) as producer:
            yield TopicCourier(producer, target.NAME)
        return
    # trust_env: the proxy of the environment, as for everything else that runs here.
    connector = aiohttp.TCPConnector(limit=BESIDE)
    async with aiohttp.ClientSession(connector=connector, trust_env=True, auto_decompress=True) as session:
        yield HttpCourier(session, target, url, secret, settings.deliver_timeout_ms / 1000)


def secret_of(settings: Settings) -> Callable[[], str]:
    """Gives the secret of the moment. Raises SettingsError where the file that should hold it cannot be read."""
    if not settings.deliver_secret_file:
        return lambda: settings.deliver_secret
    if settings.deliver_secret:
        raise SettingsError(f"{PREFIX}DELIVER_SECRET and {PREFIX}DELIVER_SECRET_FILE are both set: keep one")
    path = Path(settings.deliver_secret_file)
    kept = ""

    def read() -> str:
        nonlocal kept
        try:
            kept = path.read_text().strip()
        except OSError as error:
            if not kept:
                raise SettingsError(
                    f"{PREFIX}DELIVER_SECRET_FILE is {path}, which cannot be read: {error.strerror}"
                ) from error
        return kept  # while a file is being replaced, what it held before

    read()
    return read
