"""credence dead-letters: see what was refused and why, and send it in again."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from streams.broker.embedded import BrokerError, resolve
from streams.cli.console import Kafka, err, escape, foreseen, out, print_json, table_of
from streams.cli.printable import printable
from streams.contract.settings import Settings, SettingsError, parse_duration_ms
from streams.contract.words import DeadLetterCode
from streams.kafka.admin import TopicsError
from streams.ops import dead_letters as deadletters
from streams.ops.dead_letters import Filter, Letter

app = typer.Typer(help="Input that was refused: list, show, redrive.", no_args_is_help=True, add_completion=False)

SHOWN_CHARS = 4_000

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Codes = Annotated[
    list[DeadLetterCode] | None, typer.Option("--code", help="Only letters with this code; may be repeated.")
]
Stages = Annotated[list[str] | None, typer.Option("--stage", help="Only letters of this stage; may be repeated.")]
Since = Annotated[str | None, typer.Option("--since", metavar="DURATION", help="Only the last 30m, 24h, 7d, …")]


@app.command("list", epilog="Example: credence dead-letters list --code not_json --since 24h")
def list_(
    broker: Kafka = None,
    code: Codes = None,
    stage: Stages = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=0, help="The newest so many, besides the counts.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Count the dead letters by code and show the newest; with --json, the letters alone, oldest first."""
    with foreseen(BrokerError, SettingsError, TopicsError):
        settings = resolve(Settings.from_env(broker=broker))
        found = deadletters.summary(settings, _filter(code, stage, since))
        newest = found.letters[-limit:] if limit else []
        if as_json:
            for letter in newest:
                print_json(letter.as_json())
            return
        _print_counts(found)
        _print_newest(newest)


@app.command(epilog="Example: credence dead-letters show social.events.v1/3/17")
def show(
    origin: Annotated[str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET", help="Of the record that was refused.")],
    broker: Kafka = None,
    raw: Annotated[bool, typer.Option("--raw", help="Write the record's bytes to standard output, unchanged.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help=f"Print all of the value, not its first {SHOWN_CHARS:,} characters.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter with the record's bytes; whatever a terminal could act on is escaped."""
    with foreseen(BrokerError, SettingsError, TopicsError):
        settings = resolve(Settings.from_env(broker=broker))
        letter = deadletters.find(settings, origin)
        if raw:
            if letter.raw is None:
                raise TopicsError(f"the bytes of {origin} are neither in the letter nor in the topic any more")
            sys.stdout.buffer.write(letter.raw)
            sys.stdout.flush()
        elif as_json:
            key, value = printable(letter.key), printable(letter.raw)
            print_json(letter.as_json() | {"key": key, "value": value, "whole": deadletters.whole(letter)})
        else:
            _print_letter(letter, full)


@app.command(epilog="Example: credence dead-letters redrive --code unknown_rater --dry-run")
def redrive(
    origins: Annotated[list[str] | None, typer.Argument(metavar="[TOPIC/PARTITION/OFFSET]...", help="These.")] = None,
    broker: Kafka = None,
    code: Codes = None,
    stage: Stages = None,
    since: Since = None,
    everything: Annotated[bool, typer.Option("--all", help="All letters, where nothing else is named.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also what was redriven before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send refused records in again, byte for byte, once the reason is gone; what goes is marked as redriven."""
    if not (origins or code or stage or since or everything):
        raise typer.BadParameter("name origins, --code, --stage or --since, or say --all")
    with foreseen(BrokerError, SettingsError, TopicsError):
        for origin in origins or ():
            deadletters.parse_origin(origin)
        settings = resolve(Settings.from_env(broker=broker))
        wanted = _filter(code, stage, since, origins)
        with _counter("redriving") as counted:
            done = deadletters.redrive(settings, wanted, dry_run=dry_run, again=again, sent=counted)
    if as_json:
        print_json(asdict(done) | {"dry_run": dry_run})
        return
    verb = "would be redriven" if dry_run else "redriven"
    typer.echo(f"{len(done.sent):,} {verb}")
    for reason, count in done.skipped.items():
        typer.echo(f"{count:,} left alone: {reason}{' (--again sends them)' if reason == 'redriven before' else ''}")


@contextmanager
def _counter(what: str) -> Iterator[Callable[[object], None]]:
    """A progress bar that moves by one at each call. Without a terminal there is none."""
    if not err.is_terminal:
        yield lambda _: None
        return
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda _: progress.advance(task)


def _filter(
    codes: list[DeadLetterCode] | None,
    stages: list[str] | None,
    since: str | None,
    origins: list[str] | None = None,
) -> Filter:
    try:
        since_ms = None if since is None else time.time_ns() // 1_000_000 - parse_duration_ms(since)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from None
    return Filter(frozenset(map(str, codes or ())), frozenset(stages or ()), frozenset(origins or ()), since_ms)


def _print_counts(found: deadletters.Summary) -> None:
    if not found.counts:
        typer.echo("no dead letters")
    else:
        table = Table("code", "letters", "meaning")
        for code, count in found.counts.items():
            known = DeadLetterCode(code).doc if code in set(DeadLetterCode) else "Not a code of this release."
            table.add_row(escape(printable(code)), f"{count:,}", known)
        out.print(table)
    if found.unreadable:
        typer.echo(f"{found.unreadable:,} records on the topic are no dead letters")


def _print_newest(letters: list[Letter]) -> None:
    if not letters:
        return
    table = table_of("origin", "received (UTC)", "stage", "code", "detail", "bytes", "redriven")
    for letter in reversed(letters):
        table.add_row(
            escape(printable(letter.origin)),
            _moment(letter.append_ms),
            escape(printable(letter.stage)),
            escape(printable(letter.code)),
            escape(printable(letter.detail)),
            "" if letter.raw_length is None else f"{letter.raw_length:,}",
            f"{letter.redrives}×" if letter.redrives else "",
        )
    out.print(table)


def _print_letter(letter: Letter, full: bool) -> None:
    lines = {
        "origin": letter.origin,
        "code": letter.code,
        "detail": letter.detail,
        "stage": letter.stage,
        "received": f"{_moment(letter.append_ms)} UTC",
        "redriven": f"{letter.redrives}×" if letter.redrives else "never",
        "redrive of": letter.redrive_of or "nothing",
        "sha256": letter.raw_sha256 or "unknown",
        "key": "none" if letter.key is None else printable(letter.key),
    }
    for name, text in lines.items():
        typer.echo(f"{name:<11}{printable(text) if name != 'key' else text}")
    if letter.raw is None:
        typer.echo("value      none, neither in the letter nor in the topic")
        return
    held = "" if letter.raw_length == len(letter.raw) else f", of which the letter holds {len(letter.raw):,}"
    text = printable(letter.raw)
    shown = text if full else text[:SHOWN_CHARS]
    rest = "" if len(shown) == len(text) else f"\n… {len(text) - len(shown):,} more characters: --full"
    typer.echo(f"value      {letter.raw_length:,} bytes{held}\n{shown}{rest}")


def _moment(ms: int) -> str:
    try:
        return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return str(ms)
