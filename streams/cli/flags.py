"""`credence flags`: follow flags and read one, and the operator's controls over the rules that raise them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from streams.api.published import Entry, Reader
from streams.broker.embedded import BrokerError, resolve
from streams.cli import flag_controls
from streams.cli.console import Kafka, err, escape, foreseen, moment, out, print_json, say
from streams.contract.flag_wording import lines, named, title
from streams.contract.settings import Settings, SettingsError
from streams.contract.topics import FLAGS, SHADOW_FLAGS, Topic
from streams.kafka.admin import TopicsError

FORESEEN = (BrokerError, SettingsError, TopicsError)
STYLES = {"raise": "bold red", "hold": "magenta", "update": "yellow", "retract": "green"}

app = typer.Typer(help="Flags: requests that a person look at a claim.", no_args_is_help=True, add_completion=False)


@app.callback()
def _flags() -> None:
    """Flags: requests that a person look at a claim."""


@app.command(epilog="Example: credence flags tail --last 20 --no-follow --json")
def tail(
    broker: Kafka = None,
    last: Annotated[int, typer.Option(min=0, help="Begin with this many past records of each partition.")] = 10,
    everything: Annotated[bool, typer.Option("--all", help="Begin with the first record that is kept.")] = False,
    follow: Annotated[bool, typer.Option(help="Go on with what comes, until Ctrl-C.")] = True,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Those that reach no queue: of rules in shadow, or held back.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show flags as they are raised, updated and retracted; a record that was written twice is shown once.

    A flag asks a person to look at a claim. `credence explain CLAIM` has all reasons; a ruling on the claim retracts
    the flag.
    """
    with foreseen(*FORESEEN):
        settings = resolve(Settings.from_env(broker=broker))
        topic = SHADOW_FLAGS if shadow else FLAGS
        asyncio.run(_tail(settings, topic, None if everything else last, follow, as_json))


@app.command(epilog="Example: credence flags show risk-cascade/tax-tern-island/4711")
def show(
    flag: Annotated[str, typer.Argument(metavar="FLAG", help="A flag's id, or a claim's for its newest flag.")],
    broker: Kafka = None,
    as_json: Annotated[bool, typer.Option("--json", help="Its newest record as one JSON object.")] = False,
) -> None:
    """One flag as it stands, with all that it says and what became of it."""
    with foreseen(*FORESEEN):
        found = asyncio.run(_records_of(resolve(Settings.from_env(broker=broker)), flag))
        if not found:
            err.print(f"no flag {escape(repr(flag))} is known; `credence flags tail` shows them", highlight=False)
            raise typer.Exit(1)
        newest = found[-1]
        if as_json:
            return print_json(newest)
        if newest["action"] == "retract":
            out.print(f"[green]This flag was {escape(title(newest))}.[/] When it stood, it said:", highlight=False)
        # A retraction asks nobody to read anything: what was asked is in the record before it.
        _show_flag(next((each for each in reversed(found) if each["action"] != "retract"), newest))
        out.print("  history, in event time", highlight=False)
        for record in found:
            line = f"    {moment(record['event_time_ms'])}  {title(record)}, {record['risk']:.0%} likely to be false"
            out.print(escape(line), highlight=False, soft_wrap=True)


for _name, _command, _example in (
    ("pause", flag_controls.pause, "credence flags pause --by mia --note 'a storm of reports'"),
    ("stop", flag_controls.stop, "credence flags stop --by mia --note 'wrong verdicts came in' --yes"),
    ("resume", flag_controls.resume, "credence flags resume --by mia --note 'the verdicts were withdrawn'"),
    ("precision", flag_controls.precision, "credence flags precision 0.9 --by mia --note 'too many to look at'"),
    ("budget", flag_controls.budget, "credence flags budget --an-hour 40 --by mia --note 'five of us this week'"),
    ("status", flag_controls.status, "credence flags status --json"),
    ("dry-run", flag_controls.dry_run, "credence flags dry-run --precision 0.9 --days 14"),
):
    app.command(_name, epilog=f"Example: {_example}")(_command)


async def _tail(settings: Settings, topic: Topic, newest: int | None, follow: bool, as_json: bool) -> None:
    shown: set[tuple[str, int]] = set()
    if follow and not as_json:
        say("Flags as they come; `credence flags show FLAG` has one with its history. Ctrl-C ends.")
    async with Reader(settings, [topic], newest=newest) as reader:
        async for entries in reader.on() if follow else reader.to_end():
            for record in _new(entries, shown):
                if as_json:
                    print_json(record)
                else:
                    _show_flag(record)


async def _records_of(settings: Settings, name: str) -> list[dict[str, Any]]:
    """Records of a flag, or of the newest flag of a claim, in order."""
    claim = "/".join(name.split("/")[1:-1]) if name.count("/") > 1 else name
    by_flag: dict[str, list[dict[str, Any]]] = {}
    shown: set[tuple[str, int]] = set()  # both keys may be on one partition
    for key in dict.fromkeys((claim, name)):
        async with Reader(settings, [FLAGS, SHADOW_FLAGS], key=key) as reader:
            async for entries in reader.to_end():
                for record in _new(entries, shown):
                    if name in (record["flag_id"], record["subject"]["id"]):
                        by_flag.setdefault(record["flag_id"], []).append(record)
    for records in by_flag.values():
        records.sort(key=lambda record: record["revision"])
    newest = sorted(by_flag.values(), key=lambda records: records[-1]["detected_at_ms"])
    return by_flag.get(name) or (newest[-1] if newest else [])


def _new(entries: list[Entry], shown: set[tuple[str, int]]) -> list[dict[str, Any]]:
    """Flag records that were not shown before, in the order of time: partitions are fetched one after the other."""
    found = []
    for entry in sorted(entries, key=lambda e: (e.append_ms, e.partition, e.offset)):
        flag = entry.record()
        if flag is None or "flag_id" not in flag or (flag["flag_id"], flag["revision"]) in shown:
            continue
        shown.add((flag["flag_id"], flag["revision"]))
        found.append(flag)
    return found


def _show_flag(flag: dict[str, Any]) -> None:
    style = STYLES.get(flag["action"], "")
    out.print(
        f"{moment(flag['event_time_ms'])}  [{style}]{escape(title(flag))}[/]  [dim]{escape(flag['flag_id'])}[/]",
        highlight=False,
        soft_wrap=True,
    )
    told = [("about", named(flag))] if flag["action"] == "retract" else lines(flag)
    for label, text in told:
        out.print(f"  [dim]{label:<9}[/]{escape(text)}", highlight=False, soft_wrap=True)
