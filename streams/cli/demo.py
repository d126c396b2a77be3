"""credence demo: see it work."""

from __future__ import annotations

import contextlib
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console

from streams.broker.embedded import BrokerError
from streams.cli.console import PLAIN_WIDTH, Kafka, foreseen, print_json
from streams.cli.replay import LabelsMeant, Lag, parse_lag, parse_meant, parse_speed
from streams.contract.settings import Settings, SettingsError
from streams.demo.steps import Steps
from streams.kafka.admin import TopicsError

CLOCKS = (
    "Two clocks: posts, verdicts and flags are told in event time, which is the stories' own, in UTC; what is told "
    "in seconds is by this machine's clock."
)
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Replay this data set (see `credence replay --help`), not the world."),
]


def demo(
    data: Data = None,
    once: Annotated[bool, typer.Option("--once", help="End after the report; so it does without a terminal.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object at the end; the rest to stderr.")
    ] = False,
    labels: LabelsMeant = None,
    speed: Annotated[str, typer.Option("--speed", metavar="X|max", help="Event time by wall time.")] = "max",
    verdict_lag: Lag = None,
    broker: Kafka = None,
    size: Annotated[str, typer.Option("--size", help="Size of the seeded world: tiny, small, demo or large.")] = "demo",
    check: Annotated[bool, typer.Option(help="Verify state and flags at the end.")] = True,
    watch: Annotated[
        bool, typer.Option("--watch", help="Start a Prometheus beside it, with our rules, and say what it shows.")
    ] = False,
    pictures: Annotated[
        Path | None,
        typer.Option(
            "--pictures", metavar="DIR", file_okay=False, exists=True, help="With --watch: draw each dashboard."
        ),
    ] = None,
) -> None:
    """See it work: a private Apache Kafka, a worker and the query service, and a social world that is replayed live.

    The world is invented and seeded: communities, careless and honest people, botnets, and one who is right against
    all. At the end you read what was known when. With --broker your Kafka is used, under names that are deleted again.

    Example: credence demo --data ~/data/rumours --once
    """
    console = Console(stderr=as_json)
    if not console.is_terminal:
        console = Console(stderr=as_json, width=PLAIN_WIDTH)
    console.print(CLOCKS, highlight=False)
    with contextlib.closing(Steps(console)) as steps:
        steps("beginning")
        from streams.datasets.csv_files import DatasetError
        from streams.datasets.social_world import SIZES
        from streams.demo.crew import DemoError
        from streams.demo.demonstration import Asked, run
        from streams.ops.idle import StalledError
        from streams.ops.replay import PublishError
        from streams.watching.prometheus import NoPrometheusError

    if labels and data is None:
        raise typer.BadParameter("says what the labels of a data set mean: give it with --data", param_hint="--labels")
    if size not in SIZES:
        raise typer.BadParameter(f"{size!r}: sizes are {', '.join(SIZES)}", param_hint="--size")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    expected = (
        BrokerError,
        SettingsError,
        TopicsError,
        DatasetError,
        StalledError,
        PublishError,
        DemoError,
        NoPrometheusError,
    )
    with foreseen(*expected):
        lag_ms = None if verdict_lag is None else parse_lag(verdict_lag)
        settings = Settings.from_env(broker=broker, verdict_lag_ms=lag_ms)
        result = run(
            Asked(
                settings, data, size, parse_speed(speed), once or as_json, check, parse_meant(labels), watch, pictures
            ),
            console,
        )
    if as_json:
        print_json(result)
    verify = result.get("verify", {})
    if verify and not _agrees(verify):
        raise typer.Exit(1)


def _agrees(verify: dict[str, Any]) -> bool:
    if "error" in verify:
        return False
    counted = ("records_differing", "flags_missing", "flags_extra", "counts_differing")
    return bool(verify["complete"]) and verify["max_abs_diff"] <= 1e-9 and not any(verify[name] for name in counted)


def _end(number: int, frame: FrameType | None) -> None:
    """On a signal to end, raise SystemExit, so that all that was started is ended on the way out."""
    sys.exit(128 + number)
