"""credence show: a topic's records for a person. Blocks are printed as the rows that they hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

import numpy as np
import orjson
import typer

from streams.broker.embedded import BrokerError, resolve
from streams.cli.console import Kafka, foreseen, print_json
from streams.cli.printable import printable
from streams.contract import topics
from streams.contract.settings import Settings, SettingsError
from streams.contract.words import Kind, Stance
from streams.kafka.admin import TopicsError
from streams.kafka.follower import tail
from streams.tables import block_wire, blocks

VALUE_CHARS_MAX = 2_000
"""Characters after which a line cuts a value that is no block. `--json` gives all of it."""

_KINDS = tuple(map(str, Kind))
_STANCES = ("none", *map(str, Stance))
_VERDICTS = ("withdrawn", "true", "false", "mixed")
# Kind of block → column of codes → code → word.
_WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "events": {"kind": _KINDS, "x": _STANCES},
    "stamped": {"kind": _KINDS, "x": _STANCES},
    "credits": {"stance": _STANCES},
    "rulings": {"verdict": _VERDICTS},
}


def show(
    topic: Annotated[
        str, typer.Argument(metavar="TOPIC", help="As in `credence topics list`, with or without .v1 or .v2.")
    ],
    broker: Kafka = None,
    partition: Annotated[int | None, typer.Option(min=0, help="Only this partition.")] = None,
    offset: Annotated[int | None, typer.Option(min=0, help="Begin at this offset; else with the last records.")] = None,
    last: Annotated[int, typer.Option(min=0, help="Begin so many records before the end of each partition.")] = 10,
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many rows.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a row.")] = False,
) -> None:
    """Print the records of a topic, a row a line, blocks of rows taken apart.

    Example: credence show trust.by-source --follow
    """
    with foreseen(BrokerError, SettingsError, TopicsError):
        settings = resolve(Settings.from_env(broker=broker))
        records = tail(
            settings,
            full_name(topic, settings),
            partition=partition,
            start=offset,
            last=None if offset is not None else last,
            follow=follow,
        )
        rows = (row for record in records for row in rows_of(record))
        for row in islice(rows, limit):
            if as_json:
                print_json(row)
            else:
                typer.echo(line_of(row))


def full_name(topic: str, settings: Settings) -> str:
    """The full name of one of our topics, from a part of it; else the name as given."""
    for declared in topics.ALL:
        if topic in (declared.base, declared.base.rpartition(".v")[0]):
            return declared.name(settings)
    return topic


def rows_of(record: Any) -> Iterator[dict[str, Any]]:
    """The rows of a record as plain objects, each with its place and time. A record that is no block is one row.

    Keys: `partition`, `offset`, `append_ms`, `key`, and either `value` (JSON, or escaped text), or `block`, `up`,
    `origin` and the columns of a row, codes as their words.
    """
    place = {"partition": record.partition, "offset": record.offset, "append_ms": record.timestamp}
    place["key"] = printable(record.key)
    block = _block(record.value)
    if block is None:
        yield place | {"value": _value(record.value)}
        return
    head = place | {"block": block.kind, "up": block.up}
    origins = None if isinstance(block.origin, int) else block.origin.tolist()
    if not len(block):
        yield head | {"origin": block.origin if origins is None else None, **block.meta}
        return
    words = _WORDS.get(block.kind, {})
    columns = {
        name: _worded(column.tolist() if isinstance(column, np.ndarray) else list(column), words.get(name))
        for name, column in block.columns.items()
    }
    for row, cells in enumerate(zip(*columns.values(), strict=True)):
        origin = block.origin if origins is None else origins[row]
        yield head | {"origin": origin} | dict(zip(columns, cells, strict=True)) | block.meta


def _worded(codes: list[Any], words: tuple[str, ...] | None) -> list[Any]:
    return codes if words is None else [words[code] if 0 <= code < len(words) else code for code in codes]


def line_of(row: dict[str, Any]) -> str:
    """A row as one line that is safe to print on a terminal."""
    moment = datetime.fromtimestamp(row["append_ms"] / 1000, UTC)
    place = f"{moment:%H:%M:%S.%f}"[:-3] + f" {row['partition']}/{row['offset']}"
    if "value" in row:
        key = "" if row["key"] is None else f"{row['key']} "
        value = row["value"] if isinstance(row["value"], str) else orjson.dumps(row["value"]).decode()
        rest = f" … ({len(value):,} characters)" if len(value) > VALUE_CHARS_MAX else ""
        return f"{place} {key}{printable(value[:VALUE_CHARS_MAX])}{rest}"
    hidden = ("partition", "offset", "append_ms", "key", "block", "up", "origin")
    cells = " ".join(f"{name}={_cell(cell)}" for name, cell in row.items() if name not in hidden)
    return f"{place} {row['block']} {row['up']}:{row['origin']} {cells}"


def _cell(cell: Any) -> str:
    if isinstance(cell, float):
        return f"{cell:.6g}"
    return printable(cell) if isinstance(cell, str) else str(cell)


def _block(value: bytes | None) -> blocks.Block | None:
    try:
        return block_wire.decode(value)
    except block_wire.NotABlockError:
        return None


def _value(value: bytes | None) -> Any:
    if value is None:
        return None
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return printable(value)
