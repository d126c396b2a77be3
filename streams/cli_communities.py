"""`credence communities`: the slow loop beside the workers, as a process of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from streams import topics
from streams.broker import resolve
from streams.cli_worker import run
from streams.settings import Settings


def communities(
    broker: Annotated[
        str | None, typer.Option(help="Kafka to use (host:port,…); else CREDENCE_BROKER, else the embedded one.")
    ] = None,
    instance_id: Annotated[str | None, typer.Option(help="Name of this process for static membership.")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Look for accounts that act as one, and for communities and how they fare, until told to stop.

    Beside the workers, never in their way: without it scores go on, blind to nets. One is enough; a second takes over
    when it ends.

    Example: credence communities --broker kafka-1:9092,kafka-2:9092
    """
    settings = resolve(Settings.from_env(broker=broker, instance_id=instance_id))
    topics.create(settings.broker, settings)
    run(settings, log_level, communities=True)
