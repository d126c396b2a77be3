"""credence broker: the embedded Apache Kafka from the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from streams.broker import embedded as broker
from streams.broker.embedded import BrokerError, Status
from streams.cli.console import foreseen, out, print_json, say
from streams.contract.settings import SettingsError

app = typer.Typer(
    help="The embedded Apache Kafka: one node on this machine, data kept between starts.",
    no_args_is_help=True,
    add_completion=False,
)

Name = Annotated[str, typer.Option("--name", help="Which broker; each name has its own data.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Keep the broker in this folder instead of under its name.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.command(epilog="Example: credence broker start && export CREDENCE_BROKER=$(credence broker status --bootstrap)")
def start(
    name: Name = "default",
    data_dir: DataDir = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="This port or an error; else 9092 or one that is free.")
    ] = None,
    heap_mb: Annotated[int, typer.Option(min=128, help="Memory of the Java heap in MB.")] = 512,
    as_json: AsJson = False,
) -> None:
    """Start it and wait until it answers. The first start ever downloads 45 MB."""
    with foreseen(BrokerError, SettingsError):
        _show(broker.start(name, data_dir=data_dir, port=port, heap_mb=heap_mb, say=say), as_json)


@app.command(epilog="Example: credence broker stop")
def stop(name: Name = "default", data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Stop it. Its data stays; stopping what does not run is not an error."""
    with foreseen(BrokerError, SettingsError):
        stopped = broker.stop(name, data_dir=data_dir)
    if as_json:
        print_json({"stopped": stopped})
    else:
        out.print("stopped" if stopped else "was not running")


@app.command(epilog="Example: credence broker status --json")
def status(
    name: Name = "default",
    data_dir: DataDir = None,
    bootstrap: Annotated[bool, typer.Option("--bootstrap", help="Print host:port only, for scripts.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say whether it runs, where it listens, and where its data and log are. Exit status 3 when it does not run."""
    with foreseen(BrokerError, SettingsError):
        found = broker.status(name, data_dir=data_dir)
    if bootstrap and found.running:
        typer.echo(found.bootstrap)
    elif not bootstrap:
        _show(found, as_json)
    if not found.running:
        raise typer.Exit(3)


def _show(found: Status, as_json: bool) -> None:
    if as_json:
        print_json(found.as_dict())
        return
    if found.running:
        began = datetime.fromtimestamp((found.started_at_ms or 0) / 1000, UTC)
        took = f", ready in {found.start_s:.1f} s" if found.start_s is not None else ""
        typer.echo(f"running   {found.bootstrap} (pid {found.pid}, since {began:%Y-%m-%d %H:%M:%S} UTC{took})")
    else:
        typer.echo("not running: `credence broker start` starts it")
    typer.echo(f"data      {found.data}")
    typer.echo(f"log       {found.log}")
