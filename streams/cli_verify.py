"""credence verify: check the live state against a replay of the logs, and the counts against the input."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from streams.broker import BrokerError, resolve
from streams.console import err, foreseen, out, print_json
from streams.settings import Settings, SettingsError, parse_duration_ms


def verify(
    broker: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Kafka to use; also CREDENCE_BROKER. Else the embedded one.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Data set that was replayed: count over its files, too."),
    ] = None,
    verdict_lag: Annotated[str | None, typer.Option(help="With --data: how late its verdicts were.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Check that the live state is what the logs say, and that nothing was lost or counted twice.

    Replays every partition's log in memory and compares it with the changelog, compares what was published with what
    the replay emits, and counts the input again by a second, plain path. Ends with status 1 if anything differs. Let
    the stream come to rest first.

    Example: credence verify --json
    """
    with foreseen(BrokerError, SettingsError):
        settings = resolve(Settings.from_env(broker=broker))
        if verdict_lag is not None:
            settings = settings.replace(verdict_lag_ms=parse_duration_ms(verdict_lag))
        from streams.verify import verify as check

        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=err, transient=True) as bar:
            task = bar.add_task("verify", total=1.0)
            say = lambda what, share: bar.update(task, description=what, completed=share)  # noqa: E731
            report = asyncio.run(check(settings, say, data))
    if as_json:
        print_json(report.as_dict())
    else:
        table = Table("check", "result", title="Everything agrees" if report.passed else "There are differences")
        for name, value in report.as_dict().items():
            table.add_row(name.replace("_", " "), f"{value:,}" if isinstance(value, int) else f"{value:g}")
        out.print(table)
    if not report.passed:
        raise typer.Exit(1)
