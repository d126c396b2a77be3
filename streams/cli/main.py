"""The command line: every command once, with its sentence; the module behind one is imported when it is asked for.

So `credence --help` is quick, and `credence broker status` does not wait for the import of Faust and numpy.
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import Any

import click
import typer
from typer.core import TyperGroup

# Command → (module, sentence). In the module, a function or Typer app of the command's name, else its `app`.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("cli_demo", "See it work: a private Kafka, a worker, the query service and a replayed social world."),
    "broker": ("cli_broker", "The embedded Apache Kafka: start, stop, status."),
    "topics": ("cli_topics", "Create the topics, and see them as they are."),
    "worker": ("cli_worker", "Run a worker until it is told to stop."),
    "communities": ("cli_communities", "Run the communities stage: who acts as one, and how communities fare."),
    "api": ("cli_api", "Run the query service."),
    "replay": ("cli_replay", "Publish a data set, its verdicts released after a lag."),
    "claims": ("cli_read", "What is known about claims, the riskiest first."),
    "sources": ("cli_read", "What is known about sources, the busiest first."),
    "health": ("cli_read", "The vital signs of communities, for operators."),
    "explain": ("cli_read", "Why a claim or source has its score."),
    "rulings": ("cli_rulings", "Who ruled what on a claim, what of it counts, and why the rest does not."),
    "flags": ("cli_flags", "Flags as they are raised, updated and retracted; pause, kill and resume them."),
    "show": ("cli_show", "Print a topic's records for a person, blocks of rows included."),
    "dead-letters": ("cli_dead_letters", "Input that was refused: list, show, redrive."),
    "verify": ("cli_verify", "Check the live state against a replay of the logs and a plain recount."),
    "evaluate": ("cli_evaluate", "Score a data set without a broker, beside the baselines."),
    "bench": ("cli_bench", "Measure the whole path beside the ceiling and idiomatic Faust."),
    "chaos": ("cli_chaos", "Kill, stop and rebalance during a replay, then verify."),
}


class _Lazy(TyperGroup):
    """A group whose commands are imported when they are run, and merely named in its help."""

    _naming = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, (module, _) in COMMANDS.items() if importlib.util.find_spec(f"streams.{module}")]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        if self._naming or ctx.resilient_parsing:
            return click.Command(cmd_name, help=COMMANDS[cmd_name][1])
        return load(cmd_name)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self._naming = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._naming = False


def load(name: str) -> click.Command:
    """The click command of that name. KeyError if there is none, ImportError if its module cannot be imported."""
    module = importlib.import_module(f"streams.{COMMANDS[name][0]}")
    made: Any = getattr(module, name.replace("-", "_"), None)
    if isinstance(made, ModuleType) or made is None:
        made = module.app
    if not isinstance(made, typer.Typer):
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        single.command(name)(made)
        made = single
    command = typer.main.get_command(made)
    if isinstance(command, click.Group) and name in command.commands:
        command = command.commands[name]
    command.name = name
    return command


app = typer.Typer(cls=_Lazy, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback(epilog="Begin with: credence demo")
def credence() -> None:
    """Credence scores trust in social streams: sources by their record, claims by independent support, flags for
    falsehoods that spread. Every command has --help with an example.
    """


def main() -> None:
    """Entry point of the `credence` command."""
    app(prog_name="credence")


if __name__ == "__main__":
    main()
