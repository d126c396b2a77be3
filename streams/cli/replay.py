"""credence replay: publish a data set, its verdicts released after a lag."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from streams.broker.embedded import BrokerError, resolve
from streams.cli.console import Kafka, err, foreseen, print_json
from streams.contract.settings import Settings, SettingsError, parse_duration_ms
from streams.kafka import provision
from streams.kafka.admin import TopicsError

if TYPE_CHECKING:
    from streams.ops.replay import ReplayStatus


def parse_speed(text: str) -> float | None:
    """Speed as event time by wall time; None for "max". Raises typer.BadParameter if it is neither."""
    if text == "max":
        return None
    try:
        if (speed := float(text.removesuffix("x"))) > 0:
            return speed
    except ValueError:
        pass
    raise typer.BadParameter(f"{text!r} is no speed: write 60 (an hour a minute) or max")


def parse_lag(text: str) -> int:
    """Milliseconds of a duration. Raises typer.BadParameter."""
    try:
        return parse_duration_ms(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def parse_meant(text: str | None) -> dict[str, str]:
    """Label → verdict, from --labels; empty for None. Raises typer.BadParameter."""
    from streams.datasets.labels import parse_labels

    try:
        return parse_labels(text or "")
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--labels") from error


Directory = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder with events.csv[.gz] and claims.csv[.gz].", file_okay=False)
]
Speed = Annotated[str, typer.Option("--speed", metavar="X|max", help="Event time by wall time; max: no waiting.")]
Lag = Annotated[
    str | None,
    typer.Option(
        "--verdict-lag", metavar="TIME", help="A verdict is released this long after a claim's first event.",
        show_default="24h, or CREDENCE_VERDICT_LAG_MS",
    ),
]  # fmt: skip

LabelsMeant = Annotated[
    str | None,
    typer.Option(
        "--labels", metavar="LABEL=VERDICT,…",
        help="What labels mean: true, false or none, as in 0=false,1=true. Common words are understood without.",
    ),
]  # fmt: skip


def replay(
    directory: Directory,
    speed: Speed = "max",
    verdict_lag: Lag = None,
    labels: LabelsMeant = None,
    patience: Annotated[
        str | None,
        typer.Option(
            help="How long a stage may have work and do none of it.", show_default="2m, or CREDENCE_PATIENCE_MS"
        ),
    ] = None,
    broker: Kafka = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Publish a data set to social.events.v1 and its verdicts to trust.rulings.v1, in the order of event time.

    It waits for each verdict's credits before it goes on, so a worker must run. Publishing again changes nothing.

    Columns of events.csv: ts (seconds or milliseconds since 1970, or ISO 8601: one of them in the whole file), kind,
    claim_id, event_id, parent_id, user_id, and where known stance, text, url, community_id, lang. Of claims.csv:
    claim_id, label; two that differ for one claim are an error. Rows that the stream would refuse are not published:
    the report ends with them and the reason, and with what became a dead letter all the same.

    Labels: true, real, mostly true and the like are the verdict true; false, fake, hoax, pants on fire and the like
    are false; unverified, mixture, non-rumour and the like are none. Others, such as 0, 1 and rumour, are not guessed
    at: --labels says what they mean.

    Example: credence replay ~/data/rumours --speed 3600 --verdict-lag 12h --labels 0=false,1=true
    """
    from streams.datasets import dataset
    from streams.datasets.csv_files import DatasetError
    from streams.datasets.findings import in_words
    from streams.ops.idle import StalledError
    from streams.ops.replay import PublishError, Replay

    pace, meant = parse_speed(speed), parse_meant(labels)
    lag_ms, patience_ms = (None if text is None else parse_lag(text) for text in (verdict_lag, patience))
    with foreseen(BrokerError, SettingsError, TopicsError, DatasetError, StalledError, PublishError):
        settings = resolve(Settings.from_env(broker=broker, verdict_lag_ms=lag_ms, patience_ms=patience_ms))
        data = dataset.read(directory, meant)
        provision.create(settings.broker, settings)
        with ReplayBar(err, len(data)) as bar:
            done = asyncio.run(Replay(settings, data, settings.verdict_lag_ms, pace, bar.show).run())
    rate = done.events / max(done.seconds, 1e-9)
    if as_json:
        print_json(
            {"events": done.events, "verdicts": done.verdicts, "seconds": done.seconds, "events_per_s": rate,
             "waits": done.waits, "waited_s": done.waited_s, "dead_letters": done.dead_letters,
             **data.findings.as_dict()}
        )  # fmt: skip
        return
    typer.echo(
        f"{done.events:,} events and {done.verdicts:,} verdicts published and "
        f"{'read' if done.dead_letters else 'applied'} in {done.seconds:.1f} s "
        f"({rate:,.0f} events/s; {done.waited_s:.1f} s of it waiting for credits)"
    )
    for sentence in (*letters_in_words(done.dead_letters), *in_words(data.findings.as_dict())):
        typer.echo(sentence)


def letters_in_words(dead_letters: Mapping[str, int]) -> Iterator[str]:
    """How many published records became dead letters, in words; nothing if none did."""
    if dead_letters:
        codes = ", ".join(f"{code} {count:,}" for code, count in dead_letters.items())
        yield (
            f"{sum(dead_letters.values()):,} of them were refused and are dead letters: {codes}. "
            "`credence dead-letters list` shows them."
        )


class ReplayBar:
    """Progress of a replay: a bar, or without a terminal a line now and then."""

    EVERY_S = 5.0

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._told_s = 0.0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} events"),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID = self._bar.add_task("replay", total=total, note="")

    def __enter__(self) -> ReplayBar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, status: ReplayStatus) -> None:
        """Show how far it is."""
        at = datetime.fromtimestamp(status.event_ms / 1000, UTC)
        note = f"{at:%Y-%m-%d %H:%M}  {status.verdicts}/{status.verdicts_total} verdicts"
        if status.waiting:
            note += f"  waiting for {status.waiting_for or 'credit'}"
        self._bar.update(self._task, completed=status.events, note=f"{note:<56}")
        if not self._console.is_terminal and status.seconds - self._told_s >= self.EVERY_S:
            self._told_s = status.seconds
            self._console.print(f"{status.events:,} of {status.events_total:,} events, {note}", highlight=False)
