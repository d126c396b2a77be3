"""credence verify: check the live state against a replay of the logs, and the counts against the input."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from streams.broker.embedded import BrokerError, resolve
from streams.cli.console import Kafka, err, foreseen, out, print_json
from streams.cli.replay import LabelsMeant, parse_lag, parse_meant
from streams.contract.settings import Settings, SettingsError
from streams.datasets.csv_files import DatasetError
from streams.kafka import provision
from streams.kafka.admin import TopicsError

if TYPE_CHECKING:
    from streams.ops.verify import Report


def verify(
    broker: Kafka = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Data set that was replayed: count over its files, too."),
    ] = None,
    verdict_lag: Annotated[str | None, typer.Option(help="With --data: how late its verdicts were.")] = None,
    labels: LabelsMeant = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Check that the live state is what the logs say, and that nothing was lost or counted twice.

    Replays every partition's log in memory and compares it with the changelog, compares what was published with what
    the replay emits, and counts the input again by a second, plain path. Ends with status 1 if anything differs. Let
    the stream come to rest first.

    Example: credence verify --json
    """
    meant = parse_meant(labels)
    with foreseen(BrokerError, SettingsError, TopicsError, DatasetError):
        settings = resolve(Settings.from_env(broker=broker))
        if verdict_lag is not None:
            settings = settings.replace(verdict_lag_ms=parse_lag(verdict_lag))
        provision.check(settings.broker, settings)  # with fewer partitions than there are, all of those might agree
        from streams.ops.verify import verify as check

        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=err, transient=True) as bar:
            task = bar.add_task("verify", total=1.0)
            say = lambda what, share: bar.update(task, description=what, completed=share)  # noqa: E731
            report = asyncio.run(check(settings, say, data, meant))
    if as_json:
        print_json(report.as_dict())
    else:
        out.print(_table(report))
    if not report.passed:
        raise typer.Exit(1)


def _table(report: Report) -> Table:
    """The findings as a table, under the verdict."""
    if not report.complete:
        title = "\n".join(["Not everything could be checked", *report.incomplete])
    elif not report.passed:
        title = "There are differences"
    else:
        title = "Everything agrees" if report.claims or report.sources else "Nothing has come in yet"
    table = Table("check", "result", title=title, title_justify="left")
    for name, value in report.as_dict().items():
        said = (
            ("yes" if value else "no")
            if isinstance(value, bool)
            else f"{len(value):,}"
            if isinstance(value, list)
            else f"{value:,}"
            if value == int(value)
            else f"{value:g}"
        )
        table.add_row(name.replace("_", " "), said)
    return table
