"""`credence worker`: a Faust worker with the agents of all stages."""

from __future__ import annotations

import asyncio
import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from streams.broker.embedded import BrokerError, resolve
from streams.cli.console import Kafka, foreseen
from streams.contract import metrics
from streams.contract.settings import DATA_DIR, Settings, SettingsError, folder_of
from streams.kafka import provision
from streams.kafka.admin import TopicsError

log = logging.getLogger(__name__)

# Libraries that log every connection and service they start and stop: hundreds of lines before the first event.
TALKATIVE = ("faust", "mode", "kafka", "aiokafka")
REPEAT_S = 30.0


class LogLevel(StrEnum):
    """How much a process logs."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


Instance = Annotated[
    str | None,
    typer.Option(
        "--instance-id", metavar="NAME", help="Started again under the same name, it gets its partitions back at once."
    ),
]
Level = Annotated[
    LogLevel, typer.Option("--log-level", help="debug also tells what Faust and the Kafka clients are doing.")
]


def worker(broker: Kafka = None, instance_id: Instance = None, log_level: Level = LogLevel.INFO) -> None:
    """Run a worker until it is told to stop (Ctrl-C or SIGTERM). Start as many as there are partitions.

    One that cannot make progress ends itself with status 70 and says why: a supervisor should start it again.

    Example: credence worker --broker kafka-1:9092,kafka-2:9092 --instance-id worker-1
    """
    run(broker, instance_id, log_level)


def run(broker: str | None, instance_id: str | None, log_level: LogLevel, communities: bool = False) -> None:
    """Run the Faust worker, or the communities stage, in this process. Returns when told to stop."""
    with foreseen(BrokerError, SettingsError, TopicsError):
        settings = resolve(Settings.from_env(broker=broker, instance_id=instance_id))
        if settings.data_dir:
            folder_of(DATA_DIR, Path(settings.data_dir) / "faust")
        provision.create(settings.broker, settings)
        settings = provision.installed(settings)
    import faust
    import uvloop

    from streams.scoring.config import CORE_VERSION
    from streams.scoring.rehearsal import prepare
    from streams.worker.stages import STATE_VERSION
    from streams.worker.wiring import build

    prepare(lambda sentence: print(f"credence: {sentence}", file=sys.stderr, flush=True))
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # also for the thread that fetches
    app = build(settings, communities=communities)
    role = metrics.Role.COMMUNITIES if communities else metrics.Role.WORKER
    metrics.begin(role, lambda: app.intake.pid, str(STATE_VERSION), CORE_VERSION)
    port = metrics.SERVED.over_http(settings.metrics_host, settings.metrics_port)
    worker = faust.Worker(app, loglevel=log_level.upper(), blocking_timeout=None)
    # At warning and above Faust shows a spinner, for which it sets all loggers to debug: a tenth of the worker's time.
    worker.spinner = None
    name = "communities stage" if communities else "worker"
    place = f"{name} on Kafka at {settings.broker}, metrics on http://{settings.metrics_host}:{port}/metrics"
    worker.on_setup_root_logger = lambda *_: begin_log(place, log_level)  # instead of setting up the spinner
    worker.execute_from_commandline()


def begin_log(place: str, log_level: LogLevel) -> None:
    """Log where this process can be found, and quieten the libraries."""
    if log_level is not LogLevel.DEBUG:
        hush()
    log.info("%s", place)


def hush() -> None:
    """Let libraries log only warnings and errors, and each at most every half minute: a broker that is away brings
    twenty a second."""
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.addFilter(Seldom(REPEAT_S))


class Seldom(logging.Filter):
    """Log filter. A line of a library passes once in a while; our own always pass.

    Args:
        every_s: seconds in which the messages of one line of code pass once.
    """

    def __init__(self, every_s: float) -> None:
        super().__init__()
        self._every_s = every_s
        self._said: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to print this one."""
        if not record.name.startswith(TALKATIVE) or record.levelno >= logging.CRITICAL:
            return True
        place = record.pathname, record.lineno
        if record.created - self._said.get(place, float("-inf")) < self._every_s:
            return False
        self._said[place] = record.created
        return True
