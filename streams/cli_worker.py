"""`credence worker`: a Faust worker with the agents of all stages."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from streams import metrics, topics
from streams.broker import resolve
from streams.settings import Settings


def worker(
    broker: Annotated[
        str | None, typer.Option(help="Kafka to use (host:port,…); else CREDENCE_BROKER, else the embedded one.")
    ] = None,
    instance_id: Annotated[str | None, typer.Option(help="Name of this worker for static membership.")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run a worker until it is told to stop (Ctrl-C or SIGTERM). Start as many as there are partitions.

    Example: credence worker --broker kafka-1:9092,kafka-2:9092 --instance-id worker-1
    """
    settings = Settings.from_env(broker=broker, instance_id=instance_id)
    settings = resolve(settings)
    topics.create(settings.broker, settings)
    run(settings, log_level)


def run(settings: Settings, log_level: str = "info", communities: bool = False) -> None:
    """Run the Faust worker of these settings in this process, or the communities stage; returns when told to stop."""
    import faust
    import uvloop

    from streams.app import build

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # for the thread that fetches, too

    metrics.serve(settings.metrics_host, settings.metrics_port)
    app = build(settings, communities=communities)
    worker = faust.Worker(app, loglevel=log_level.upper(), blocking_timeout=None)
    # At warning and above Faust shows a spinner, and for it sets every logger to debug: a tenth of the worker's time.
    worker.spinner = None
    worker.execute_from_commandline()
