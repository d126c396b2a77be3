"""`credence decisions`: what people decided on flags, and the statements of reasons that follow from it."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

import typer

from streams.api.published import Reader
from streams.broker.embedded import BrokerError, resolve
from streams.cli.console import Kafka, escape, foreseen, moment, out, print_json, say, table_of
from streams.contract.settings import Settings, SettingsError, parse_duration_ms
from streams.contract.topics import DECISIONS, FLAGS
from streams.deliver.dsa import CONTENT_TYPES, VISIBILITIES, Restriction, batches, confirmed, statement
from streams.kafka.admin import TopicsError

FORESEEN = (BrokerError, SettingsError, TopicsError)
Since = Annotated[str, typer.Option("--since", help="Only what was decided within this time, such as 24h.")]

app = typer.Typer(help="What people decided on flags.", no_args_is_help=True, add_completion=False)


@app.callback()
def _decisions() -> None:
    """What people decided on flags, and the statements of reasons that follow from it."""


@app.command("list", epilog="Example: credence decisions list --since 7d")
def list_(
    since: Since = "3650d",
    broker: Kafka = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a decision.")] = False,
) -> None:
    """Who decided what on which flag, and when."""
    with foreseen(*FORESEEN):
        decisions, _ = asyncio.run(_read(resolve(Settings.from_env(broker=broker)), _since_ms(since)))
    if as_json:
        for each in decisions:
            print_json(each)
        return
    table = table_of("flag", "claim", "decision", "by", "at", "via", "note")
    for each in decisions:
        told = [str(each.get(name) or "–") for name in ("flag_id", "claim_id", "decision", "decided_by")]
        rest = (moment(each["decided_at_ms"]), str(each.get("via") or "–"), str(each.get("note") or "–"))
        table.add_row(*map(escape, (*told, *rest)))
    out.print(table)


@app.command(
    epilog='Example: credence decisions dsa --visibility labelled --rule "Rule 4: misinformation" '
    '--explanation "The post states as fact what is not so." --since 24h > statements.json'
)
def dsa(
    visibility: Annotated[str, typer.Option(help=f"What was done to the posts: {', '.join(VISIBILITIES)}.")],
    rule: Annotated[str, typer.Option(help="The rule of the terms and conditions (500 characters).")],
    explanation: Annotated[str, typer.Option(help="Why such posts are against it (2,000 characters).")],
    content_type: Annotated[str, typer.Option(help=f"What the posts are: {', '.join(CONTENT_TYPES)}.")] = "text",
    since: Since = "24h",
    broker: Kafka = None,
) -> None:
    """Statements of reasons (EU Digital Services Act) for flags that a person confirmed: one body of up to 100 a line.

    A flag alone restricts nothing and needs none. Give only the decisions on which a restriction followed: say which
    with --since, or select lines by `puid`, which is the same for the same decision. No words or names are in them.
    """
    with foreseen(*FORESEEN):
        restriction = Restriction(visibility, rule, explanation, content_type)
        settings = resolve(Settings.from_env(broker=broker))
        decisions, flags = asyncio.run(_read(settings, _since_ms(since)))
        due = confirmed(decisions)
        found = [flags.get((each["flag_id"], each["revision"])) for each in due]
        for body in batches([statement(d, f, restriction) for d, f in zip(due, found, strict=True) if f is not None]):
            print_json(body)
    if lost := found.count(None):
        say(f"{lost} decisions are about flags that the log no longer has: they have no statement here")


def _since_ms(since: str) -> int:
    try:
        return time.time_ns() // 1_000_000 - parse_duration_ms(since)
    except ValueError as error:
        raise SettingsError(f"--since: {error}") from None


async def _read(
    settings: Settings, since_ms: int
) -> tuple[list[dict[str, Any]], dict[tuple[str, int], dict[str, Any]]]:
    """Decisions from then on, the oldest first, and every flag record by its id and revision."""
    decisions: dict[str, dict[str, Any]] = {}
    flags: dict[tuple[str, int], dict[str, Any]] = {}
    async with Reader(settings, [DECISIONS, FLAGS]) as reader:
        async for entries in reader.to_end():
            for entry in entries:
                if (record := entry.record()) is None:
                    continue
                if entry.topic is FLAGS:
                    flags[record["flag_id"], record["revision"]] = record
                elif record.get("decided_at_ms", 0) >= since_ms:
                    decisions[record["id"]] = record
    return sorted(decisions.values(), key=lambda each: int(each["decided_at_ms"])), flags
