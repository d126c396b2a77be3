"""Translates what platforms wrote into what the stages read: a pure function of fetched records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from streams.agents.intake.careful import Limits
from streams.agents.intake.events import decode_events
from streams.agents.intake.rulings import decode_rulings
from streams.agents.publish.letters import Reject, of_reject
from streams.agents.publish.routing import as_letter, spread
from streams.contract import topics
from streams.contract.settings import Settings
from streams.contract.words import Mend
from streams.engine.fetched import LogRecord
from streams.engine.journal import Outgoing, seal
from streams.tables.blocks import ARRIVED, Block, upstream

Decoder = Callable[[Sequence[LogRecord], int, Limits, list[Mend]], tuple[Block, list[Reject]]]

# input topic → (decoder, output topic, routing column)
ROUTES: dict[topics.Topic, tuple[Decoder, topics.Topic, str]] = {
    topics.EVENTS: (decode_events, topics.BY_SOURCE, "s"),
    topics.RULINGS: (decode_rulings, topics.BY_CLAIM, "c"),
}


class Translation(NamedTuple):
    """Result of a translation: records to send, number of rows in them, codes of rejects, and what was mended."""

    outgoing: list[Outgoing]
    rows: int
    rejects: list[str]
    mended: list[Mend]


def translate(
    settings: Settings, source: topics.Topic, topic_id: str, partition: int, records: Sequence[LogRecord]
) -> Translation:
    """Decode and route the records of one partition of an input topic. Those refused become dead letters.

    Args:
        topic_id: short id of the topic. It is part of every origin, since another incarnation has the same offsets.
    """
    decoder, target, column = ROUTES[source]
    limits = Limits(raters=frozenset(r for r in settings.raters.split(",") if r))
    mended: list[Mend] = []
    block, rejects = decoder(records, partition, limits, mended)
    block.up = upstream(block.up, topic_id)
    if records:
        block.meta[ARRIVED] = records[0].timestamp
    outgoing = seal(spread(block, column, target.name(settings), settings.partitions))
    letters, origin = topics.DEAD_LETTERS.name(settings), source.name(settings)
    for reject in rejects:
        letter = of_reject(reject, origin, partition, "intake", topic_id)
        outgoing.append(as_letter(letters, partition % settings.partitions, letter))  # inputs may have more partitions
    return Translation(outgoing, len(block), [reject.code for reject in rejects], mended)
