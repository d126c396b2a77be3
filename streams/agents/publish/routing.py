"""From blocks to records: every row goes to the partition that owns its key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import orjson

from streams.agents.publish.letters import origin_of
from streams.contract.record_dicts import DeadLetterDict
from streams.contract.topics import partition_of
from streams.engine.journal import Outgoing
from streams.tables.block_wire import encode, pack
from streams.tables.blocks import COLUMNS, Block, concat

ORDER = list(COLUMNS)
"""Kinds of blocks in the order in which they leave a micro-batch: a correction after what it corrects."""


def spread(block: Block, column: str, topic: str, partitions: int) -> list[Outgoing]:
    """The rows of a block, routed by a key column: one loose record for each partition that gets any, rows in order."""
    if not len(block):
        return []
    owner = block.words(column).each(partial(partition_of, n=partitions))
    outgoing = []
    for partition in range(partitions):
        rows = np.flatnonzero(owner == partition)
        if rows.size:
            part = block if rows.size == len(block) else block.take(rows)
            outgoing.append(Outgoing(topic, partition, None, pack(part), loose=True))
    return outgoing


def spread_all(
    blocks: Iterable[Block], column: str, topic: str, partitions: int, up: str, sequence: Callable[[], int]
) -> list[Outgoing]:
    """Route the blocks of a micro-batch: joined by kind, each under the next origin of this stage's partition."""
    kinds: dict[str, list[Block]] = {}
    for block in blocks:
        if len(block):
            kinds.setdefault(block.kind, []).append(block)
    outgoing = []
    for kind in sorted(kinds, key=ORDER.index):
        parts = kinds[kind]
        joined = concat(parts)
        if len(parts) > 1:
            joined = _in_force(joined)
        joined.up, joined.origin = up, sequence()
        outgoing += spread(joined, column, topic, partitions)
    return outgoing


def _in_force(block: Block) -> Block:
    """Keep the last of several stamps of a participant, which replaces the others. Other blocks stay whole."""
    if block.kind != "restamp":
        return block
    source, claim = block["s"], block["c"]
    backwards = (source.codes * len(claim.categories) + claim.codes)[::-1]
    _, first = np.unique(backwards, return_index=True)
    return block.take(np.sort(len(block) - 1 - first))


def everyone(
    blocks: Iterable[Block], targets: Sequence[tuple[str, int]], up: str, sequence: Callable[[], int]
) -> list[Outgoing]:
    """Each block, under the next origin of this stage's partition, as a record for every (topic, partition)."""
    outgoing = []
    for block in blocks:
        block.up, block.origin = up, sequence()
        value = encode(block)
        outgoing += [Outgoing(topic, partition, None, value) for topic, partition in targets]
    return outgoing


def as_letter(topic: str, partition: int, letter: DeadLetterDict) -> Outgoing:
    """A dead letter as a record, keyed by its origin: readers keep one of each."""
    origin = origin_of(letter["topic"], letter["partition"], letter["offset"], letter.get("topic_id") or "")
    return as_json(topic, partition, origin, letter)


def as_json(topic: str, partition: int, key: str, record: object) -> Outgoing:
    """A record as JSON, for people and other systems."""
    return Outgoing(topic, partition, key.encode(), orjson.dumps(record))
