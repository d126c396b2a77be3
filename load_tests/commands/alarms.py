"""credence alarms: whether the alerts that should fire do, each once, while faults are injected into a live run."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from streams.broker.embedded import BrokerError
from streams.cli.console import foreseen, out, print_json, say


def alarms(
    size: Annotated[str, typer.Option("--size", help="Size of the seeded world that is replayed.")] = "demo",
    speed: Annotated[float, typer.Option("--speed", min=1, help="Event time by wall time.")] = 4320.0,
    by: Annotated[float, typer.Option("--by", min=1, help="Divides the windows of the rules.")] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Replay a world beside a real Prometheus, do harm, and say which alerts fired.

    A burst of dead letters, an api that is cut from Kafka, a flood of flags, and a worker that stands still (the child
    that decodes is stopped), one after the other, each until its alert fires. Windows are divided by 30, so that
    seconds stand for minutes. Ends with status 1 unless each of the four alerts fired once. A healthy run is
    `credence demo --watch --speed 4320 --once --no-check`: ten minutes.

    Example: credence alarms --json
    """
    from load_tests.alarm_faults import AlarmError, run
    from streams.watching.prometheus import NoPrometheusError

    with foreseen(BrokerError, NoPrometheusError, AlarmError), tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(Path(folder), size, speed, by, say))
    if as_json:
        print_json(found.as_dict())
    else:
        out.print(f"{found.panels} panels asked, {len(found.empty)} empty: {'; '.join(found.empty) or 'none'}")
        out.print(f"injected: {', '.join(found.wanted)}")
        out.print(f"fired: {found.alerts()}")
    if not found.as_wanted():
        raise typer.Exit(1)
