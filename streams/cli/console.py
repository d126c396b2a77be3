"""How commands talk to a person: output on stdout, progress and errors on stderr, no trace for foreseen errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleDimensions
from rich.table import Column, Table

PLAIN_WIDTH = 110
"""Columns of output where the width is not known: in a pipe, a file, a log."""


class _Console(Console):
    """A console of PLAIN_WIDTH columns if there is no terminal and COLUMNS is not set."""

    @property  # type: ignore[misc]  # rich's own has a setter, which we do not use
    def size(self) -> ConsoleDimensions:
        """Columns and lines."""
        found = super().size
        plain = not self.is_terminal and "COLUMNS" not in os.environ
        return ConsoleDimensions(PLAIN_WIDTH, found.height) if plain else found


out = _Console()
err = _Console(stderr=True)

Kafka = Annotated[
    str | None,
    typer.Option("--broker", metavar="HOST:PORT", help="Kafka to use; also CREDENCE_BROKER. Else the embedded one."),
]


def say(sentence: str) -> None:
    """Tell progress, on stderr, out of the way of the output."""
    err.print(sentence, style="dim", highlight=False)


def moment(ms: int) -> str:
    """A time in ms since 1970, as a person reads it, in UTC."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def print_json(value: Any) -> None:
    """Print a JSON value as one line on stdout. It is flushed, so that a pipe sees it at once."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode() + "\n")
    sys.stdout.flush()


@contextmanager
def foreseen(*kinds: type[Exception]) -> Iterator[None]:
    """For these errors print only the message, which says what to do, and exit with 1. A closed pipe ends quietly."""
    try:
        yield
    except kinds as error:
        # Without a terminal nothing is wrapped, so that paths and addresses stay whole for grep and copying.
        err.print(f"[bold red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=not err.is_terminal)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BrokenPipeError:
        sys.stderr.close()  # else Python complains at exit about the closed pipe
        raise typer.Exit(0) from None


def escape(text: str) -> str:
    """The text, escaped so that rich finds no markup in it."""
    from rich.markup import escape as rich_escape

    return rich_escape(text)


def table_of(id_: str, *columns: str) -> Table:
    """A table whose first column is an id. Ids are copied from here, so a narrow terminal folds them and never cuts."""
    return Table(
        Column(id_, overflow="fold"),
        *(Column(name, overflow="fold") for name in columns),
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
