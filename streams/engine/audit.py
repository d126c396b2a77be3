"""A partition's state twice: as its changelog has it, and as a replay of its log says it must be."""

from __future__ import annotations

from collections.abc import Callable

from streams.engine.journal import Journal
from streams.engine.replica import Applied, EffectsT, Fence, Replica
from streams.engine.stage import StageSpec, base, block_of
from streams.kafka.log_reader import LogReader
from streams.tables.block_wire import NotABlockError


async def recovered(logs: LogReader, spec: StageSpec[EffectsT], partition: int, end: int) -> Replica[EffectsT]:
    """The state that a worker would recover now, read without claiming the partition.

    Args:
        end: next offset of the changelog partition.
    """
    replica = Replica(spec.core(partition))
    journal = Journal(replica.core.tables)
    fence = Fence()
    start = await base(logs, spec.changelog_topic, partition, end)
    async for record in logs.read(spec.changelog_topic, partition, start, end):
        fence = journal.read(record.key, record.value) or fence
    journal.recovered()
    replica.fence = fence
    return replica


async def replayed(
    logs: LogReader,
    spec: StageSpec[EffectsT],
    partition: int,
    until: Fence,
    on_step: Callable[[Applied[EffectsT]], None],
) -> Replica[EffectsT]:
    """The state after a replay of the input log from its beginning up to a fence.

    Args:
        until: stop here, within a record if the fence has a cursor.
        on_step: called with every step.
    """
    replica = Replica(spec.core(partition))
    last = until.offset + (1 if until.cursor else 0)
    async for record in logs.read(spec.input_topic, partition, 0, last + 1):
        try:
            block = block_of(spec, record.value)
        except NotABlockError:
            block = None
        for step in replica.step(record.offset, record.timestamp, block):
            on_step(step)
            if (replica.fence.offset, replica.fence.cursor) == (until.offset, until.cursor):
                break
    if not until.cursor:
        replica.skip(until.offset)
    return replica
