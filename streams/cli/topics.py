"""credence topics: create the topics, and see them as they are."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from streams.broker.embedded import BrokerError, resolve
from streams.cli.console import Kafka, err, escape, foreseen, out, print_json
from streams.contract import topics
from streams.contract.settings import PREFIX, Settings, SettingsError
from streams.contract.topics import ALL
from streams.kafka import provision
from streams.kafka.admin import TopicsError
from streams.kafka.provision import WAY_OUT

app = typer.Typer(
    help="The topics that events, scores and flags travel on.", no_args_is_help=True, add_completion=False
)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command(epilog="Example: credence topics create --partitions 8")
def create(
    broker: Kafka = None,
    partitions: Annotated[
        int | None,
        typer.Option(min=1, envvar=PREFIX + "PARTITIONS", help="Of each topic that is made.", show_default="4"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create every topic that is missing and check the others; doing it again changes nothing."""
    with foreseen(BrokerError, SettingsError, TopicsError):
        settings = resolve(Settings.from_env(broker=broker, partitions=partitions))
        found = provision.create(settings.broker, settings)
        _as_asked(settings, partitions)
    for state in found:
        if as_json:
            print_json({"name": state.name, "partitions": state.partitions, "created": state.created})
        else:
            typer.echo(
                f"{'created' if state.created else 'as it should be':<16}{state.name} ({state.partitions} partitions)"
            )


@app.command("list", epilog="Example: credence topics list --json")
def list_(broker: Kafka = None, as_json: AsJson = False) -> None:
    """Show every topic: what it carries, who writes and reads it, how long it is kept, and whether it is there."""
    with foreseen(BrokerError, SettingsError, TopicsError):
        settings = resolve(Settings.from_env(broker=broker))
        found = provision.states(settings.broker, settings)
    table = Table("topic", "partitions", "key", "kept", "writer", "reader", "carries")
    for topic, state in zip(ALL, found, strict=True):
        if as_json:
            print_json({**asdict(topic), "name": state.name, "partitions": state.partitions, "config": state.config})
            continue
        there = str(state.partitions) if state.partitions else "[red]missing[/]"
        table.add_row(escape(state.name), there, topic.key, _kept(state), topic.writer, topic.reader, topic.doc)
    if not as_json:
        out.print(table)


@app.command(epilog="Example: credence topics reset --yes")
def reset(
    broker: Kafka = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    partitions: Annotated[
        int | None, typer.Option(min=1, help="Of each topic that is made anew.", show_default="as before")
    ] = None,
) -> None:
    """Delete all that is computed (hops, states, scores, flags, dead letters): workers rebuild it from the inputs.

    Events and rulings stay. Stop every worker first; a worker started afterwards reads the inputs from the beginning.
    This is also how the number of partitions of all these topics is changed.
    """
    with foreseen(BrokerError, SettingsError, TopicsError):
        settings = resolve(Settings.from_env(broker=broker))
        if not yes:
            typer.confirm(f"Delete every computed topic of {settings.broker}?", abort=True)
        with err.status("waiting for the workers to be gone"):
            made = provision.reset(settings.broker, settings, partitions)
        for name in made:
            typer.echo(f"{'made anew':<16}{name}")


def _as_asked(settings: Settings, partitions: int | None) -> None:
    """Raise TopicsError if a number of partitions is asked for and the internal topics have another one."""
    has = provision.installed(settings).partitions
    if partitions not in (None, has):
        raise TopicsError(
            f"{topics.BY_SOURCE.name(settings)} and the other internal topics are there with {has} partitions, not "
            f"{partitions}; every process reads that from them. To change it: {WAY_OUT.format(count=partitions)}"
        )


def _kept(state: provision.TopicState) -> str:
    if state.config.get("cleanup.policy") == topics.COMPACT:
        return "newest of each key"
    retention_ms = int(state.config.get("retention.ms", "-1"))
    return "for ever" if retention_ms < 0 else f"{retention_ms / 86_400_000:g} days"
