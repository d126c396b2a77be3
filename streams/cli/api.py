"""`credence api`: the query service."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from streams.broker.embedded import BrokerError, resolve
from streams.cli.console import Kafka, foreseen, say
from streams.contract.settings import Settings, SettingsError, folder_of
from streams.kafka.admin import TopicsError


def api(
    broker: Kafka = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; also CREDENCE_API_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on, 0 for any; also CREDENCE_API_PORT.")
    ] = None,
) -> None:
    """Answer questions about claims, sources and flags over HTTP until told to stop (Ctrl-C or SIGTERM).

    Example: credence api --port 8080, then curl localhost:8080/v1/claims/ID
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # While Kafka is away the client complains twenty times a second; the service says so once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    with foreseen(BrokerError, SettingsError, TopicsError):
        # The store grows onto disk, so a disk that cannot be used is told now.
        folder_of("TMPDIR", _temporary_folder())
        settings = resolve(Settings.from_env(broker=broker, api_host=host, api_port=port))
        asyncio.run(serve(settings))


def _temporary_folder() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return Path(os.environ.get("TMPDIR", "/tmp"))


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises TopicsError if the topics cannot be followed, now or later."""
    from aiohttp import web

    from streams.api.connection import Runner
    from streams.api.service import Service

    service = Service(settings)
    await service.start()
    runner = Runner(service.app())
    try:
        await runner.setup()
        site = web.TCPSite(runner, settings.api_host, settings.api_port)
        try:
            await site.start()
        except OSError as error:
            raise TopicsError(
                f"cannot listen on {settings.api_host}:{settings.api_port}: {error.strerror}. "
                "Choose another --port, or 0 for any"
            ) from error
        host, port = runner.addresses[0][:2]
        say(f"answering on http://{host}:{port} (try /readyz, /v1/flags, /v1/claims/ID, /v1/sources/ID)")
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        failing, stopping = asyncio.create_task(service.failed()), asyncio.create_task(told.wait())
        await asyncio.wait([failing, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if failing.done():
            raise TopicsError(f"the scores can no longer be followed: {failing.result()!r}")
        failing.cancel()
    finally:
        await runner.cleanup()
        await service.stop()
