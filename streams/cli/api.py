"""`credence api`: the query service."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import signal
import ssl
import tempfile
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from streams.api.access import Scope, made
from streams.broker.embedded import BrokerError, resolve
from streams.cli.console import Kafka, err, foreseen, out, say
from streams.contract import metrics
from streams.contract.settings import Settings, SettingsError, folder_of
from streams.kafka.admin import TopicsError

api = typer.Typer(help="The query service.", add_completion=False, pretty_exceptions_enable=False)


@api.callback(
    invoke_without_command=True, epilog="Example: credence api --port 8080, then curl localhost:8080/v1/claims/ID"
)
def _api(
    context: typer.Context,
    broker: Kafka = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; also CREDENCE_API_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on, 0 for any; also CREDENCE_API_PORT.")
    ] = None,
) -> None:
    """Answer questions about claims, sources and flags over HTTP until told to stop (Ctrl-C or SIGTERM)."""
    if context.invoked_subcommand is not None:
        return
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # While Kafka is away the client complains twenty times a second; the service says so once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    with foreseen(BrokerError, SettingsError, TopicsError):
        # The store grows onto disk, so a disk that cannot be used is told now.
        folder_of("TMPDIR", _temporary_folder())
        settings = resolve(Settings.from_env(broker=broker, api_host=host, api_port=port))
        metrics.begin(metrics.Role.API)
        uvloop.run(serve(settings))


@api.command(epilog="Example: credence api token --name queue-team --scope read --scope rule >> tokens")
def token(
    name: Annotated[str, typer.Option(help="Whose it is: logs and records say so.")],
    scope: Annotated[list[Scope], typer.Option(help="What it is for; several times for several.")],
    until: Annotated[str, typer.Option(help="Date or time at which it ends, as 2027-01-31; else never.")] = "",
) -> None:
    """Make a token: its line for CREDENCE_API_TOKENS_FILE on stdout, and itself, this once, on stderr.

    A line that is taken out of the file ends its token within a second.
    """
    with foreseen(SettingsError):
        secret, line = made(name, scope, until)
        out.print(line, highlight=False, soft_wrap=True)
        err.print(f"the token, which is kept nowhere: {secret}", highlight=False, soft_wrap=True)


def _temporary_folder() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return Path(os.environ.get("TMPDIR", "/tmp"))


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises TopicsError if the topics cannot be followed, now or later."""
    from aiohttp import web

    from streams.api.connection import Runner
    from streams.api.routes import application
    from streams.api.service import Service
    from streams.pages.site import site

    tls = _tls(settings)
    service = Service(settings)
    await service.start()
    try:
        runner = Runner(application(service, settings, site(service)))
    except SettingsError:
        await service.stop()
        raise
    try:
        await runner.setup()
        listening = web.TCPSite(runner, settings.api_host, settings.api_port, ssl_context=tls)
        try:
            await listening.start()
        except OSError as error:
            raise TopicsError(
                f"cannot listen on {settings.api_host}:{settings.api_port}: {error.strerror}. "
                "Choose another --port, or 0 for any"
            ) from error
        host, port = runner.addresses[0][:2]
        if settings.api_tokens_file and tls is None and not _is_loopback(settings.api_host):
            say("tokens travel in plain text: put a proxy with TLS before this, or set CREDENCE_API_TLS_CERTFILE")
        scheme = "http" if tls is None else "https"
        say(f"answering on {scheme}://{host}:{port} (pages at /; try /readyz, /v1/flags, /v1/claims/ID)")
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


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """The TLS context of the service; None for plain HTTP. Raises SettingsError when its files cannot be used."""
    if not settings.api_tls_certfile:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.api_tls_certfile, settings.api_tls_keyfile or None)
    except OSError as error:
        raise SettingsError(
            f"the TLS files of CREDENCE_API_TLS_CERTFILE and _KEYFILE cannot be used: {error}"
        ) from error
    return context


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
