"""A stage of two lines for tests of the engine: counts events of a key, and sends each new count on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from aiokafka import ConsumerRecord

from streams.kafka.log_reader import LogReader
from streams.tables.blocks import Block, make
from streams.tables.table import Table


@dataclass
class ToyEffects:
    counts: dict[str, int] = field(default_factory=dict)
    next_cursor: int | None = None


class Counter:
    """Counts rows by source. A block with meta {"steps": n} takes n steps."""

    def __init__(self) -> None:
        self.counts = Table("counts", {"n": "i8", "sum_ms": "f8", "last": "text"})

    @property
    def tables(self) -> tuple[Table, ...]:
        return (self.counts,)

    def apply(self, block: Block, append_ms: int, cursor: int = 0) -> ToyEffects:
        steps = block.meta.get("steps", 1)
        names = block["s"][cursor::steps]
        rows, _ = self.counts.ensure(names)
        np.add.at(self.counts["n"], rows, 1)
        np.add.at(self.counts["sum_ms"], rows, block["t"][cursor::steps].astype(float))
        last = self.counts.texts("last")
        for row, event in zip(rows.tolist(), block["i"][cursor::steps], strict=True):
            last[row] = event
        self.counts.touch(rows)
        done = cursor + 1 >= steps
        counts = {name: int(self.counts["n"][row]) for name, row in zip(names, rows.tolist(), strict=True)}
        return ToyEffects(counts, None if done else cursor + 1)


def rows(up: str, origins: Iterable[int], **meta: int) -> Block:
    """A block of events by three sources, with these origins."""
    numbers = list(origins)
    n = len(numbers)
    columns: dict[str, list[Any]] = {
        "s": [f"u{o % 3}" for o in numbers],
        "c": ["c"] * n,
        "i": [f"{up}-{o}" for o in numbers],
        "t": numbers,
        "m": [""] * n,
        "said": [""] * n,
        **{name: [1] * n for name in ("e", "h", "kind", "x", "g", "r")},
    }
    return make("events", up, numbers, columns, **meta)


async def read_partition(
    client: Mapping[str, Any], topic: str, partition: int, start: int, end: int
) -> AsyncIterator[ConsumerRecord]:
    """`LogReader.read` over a connection of its own."""
    async with LogReader(client) as logs:
        async for record in logs.read(topic, partition, start, end):
            yield record
