"""The command line: every command once, with its sentence. Its module is imported only when the command is run.

So `credence --help` is quick, and `credence broker status` does not import Faust and numpy. Other packages may bring
commands by entry points of the group `credence.commands`, as the load tests do.
"""

from __future__ import annotations

import importlib
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import click
import typer
from typer.core import TyperGroup

# Command → (module, sentence). The module has a function or Typer app of the command's name, else an `app`.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "See it work: a private Kafka, a worker, the query service and a replayed social world."),
    "broker": ("broker", "The embedded Apache Kafka: start, stop, status."),
    "topics": ("topics", "Create the topics, and see them as they are."),
    "worker": ("worker", "Run a worker until it is told to stop."),
    "communities": ("communities", "Run the communities stage: who acts as one, and how communities fare."),
    "api": ("api", "Run the query service."),
    "replay": ("replay", "Publish a data set, its verdicts released after a lag."),
    "claims": ("read", "What is known about claims: what rises first, then by risk, settled ones last."),
    "sources": ("read", "What is known about sources, the busiest first."),
    "health": ("read", "The vital signs of communities, for operators."),
    "explain": ("read", "Why a claim or source has its score."),
    "rule": ("rule", "Rule on a claim, and wait until it counts: true, false, mixed, or withdrawn."),
    "appeal": ("rule", "Decide on an appeal: a ruling that replaces the former one of the same rater."),
    "decide": ("decide", "Decide on a flag: confirmed, dismissed, or a duplicate."),
    "rulings": ("rulings", "Who ruled what on a claim, what of it counts, and why the rest does not."),
    "flags": ("flags", "Flags as they are raised, updated and retracted; pause, kill and resume them."),
    "decisions": ("decisions", "What people decided on flags; statements of reasons for a regulator."),
    "deliver": (
        "deliver",
        "Send flags to Osprey, Coop, Ozone, Mastodon, ActivityPub or a webhook.",
    ),
    "show": ("show", "Print a topic's records for a person, blocks of rows included."),
    "dead-letters": ("dead_letters", "Input that was refused: list, show, redrive."),
    "top": ("top", "What the pipeline does now, as a live table, from the processes' metrics or a Prometheus."),
    "verify": ("verify", "Check the live state against a replay of the logs and a plain recount."),
    "evaluate": ("evaluate", "Score a data set without a broker, beside the baselines."),
}


GROUP = "credence.commands"


def brought() -> dict[str, EntryPoint]:
    """Commands that other installed packages bring, by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


class _Lazy(TyperGroup):
    """A group that imports a command only to run it; its help needs the names alone."""

    _naming = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *sorted(brought())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        if self._naming or ctx.resilient_parsing:
            return click.Command(cmd_name, help=sentence(cmd_name))
        return load(cmd_name)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self._naming = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._naming = False


def sentence(name: str) -> str:
    """What a command is for; of another package's, the first line of its docstring. Raises KeyError if unknown."""
    if name in COMMANDS:
        return COMMANDS[name][1]
    return str(brought()[name].load().__doc__).partition("\n")[0]


def load(name: str) -> click.Command:
    """The click command of that name. Raises KeyError if there is none, ImportError if its module fails."""
    made = _made(name) if name in COMMANDS else brought()[name].load()
    if not isinstance(made, typer.Typer):
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        single.command(name)(made)
        made = single
    command = typer.main.get_command(made)
    if isinstance(command, click.Group) and name in command.commands:
        command = command.commands[name]
    command.name = name
    return command


def _made(name: str) -> Any:
    """A function or Typer app of the command's name in its module, else the module's `app`."""
    module = importlib.import_module(f"streams.cli.{COMMANDS[name][0]}")
    made: Any = getattr(module, name.replace("-", "_"), None)
    return module.app if isinstance(made, ModuleType) or made is None else made


app = typer.Typer(cls=_Lazy, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback(epilog="Begin with: credence demo")
def credence() -> None:
    """Credence scores trust in social streams: sources by their record, claims by independent support, flags for
    falsehoods that spread. Every command has --help with an example.
    """


def main() -> None:
    """Entry point of the `credence` command."""
    app(prog_name="credence")
