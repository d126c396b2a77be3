"""What a stage sends out: effects of its pure core as records on topics. One emitter for all stages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
from aiokafka import ConsumerRecord

from streams.agents.publish import monitor
from streams.agents.publish.letters import Reject, dead_letter, of_reject
from streams.agents.publish.routing import as_json, as_letter, everyone, spread_all
from streams.contract import topics
from streams.contract.record_dicts import FlagDict
from streams.contract.settings import Settings
from streams.contract.words import DeadLetterCode
from streams.engine.journal import Outgoing
from streams.engine.replica import Applied
from streams.scoring.effects import Effects
from streams.tables.blocks import ARRIVED, Block, concat, parse_upstream

Step: TypeAlias = Applied[Effects]

log = logging.getLogger(__name__)

# Upstream prefix of a block's rows → the topic whose offsets are their origins.
ORIGIN_TOPICS = {"e": topics.EVENTS, "r": topics.RULINGS}


def flag_records(step: Step, topic: str, partition: int, shadow: bool = False) -> list[FlagDict]:
    """Flag records of a step, complete with the log record that moved the flag; with `shadow`, those for no queue."""
    trace_id = f"{topic}/{partition}/{step.offset}"
    return [flag | {"trace_id": trace_id} for flag in (step.effects.shadow if shadow else step.effects.flags)]


def _dated(step: Step) -> list[Block]:
    """The blocks that a step sends on; they say when what they stem from came into Kafka, if that is known."""
    if (arrived := step.block.meta.get(ARRIVED)) is not None:
        for block in step.effects.blocks:
            block.meta[ARRIVED] = arrived
    return step.effects.blocks


class Emitter:
    """Emitter of a stage (see `streams.engine.stage.Emitter`).

    Args:
        settings: partitions and namespace.
        stage: its name, for dead letters and metrics.
        reads: the topic that it reads.
        up: prefix of its blocks' upstream name.
        targets: where its blocks go.
        column: the key column by which the rows of a block are routed to the partitions of its one target; "" if every
            partition of every target gets the whole of each block.
        scores: topic of its score records, if it makes any.
    """

    def __init__(
        self,
        settings: Settings,
        stage: str,
        reads: topics.Topic,
        up: str,
        targets: Sequence[topics.Topic],
        column: str,
        scores: topics.Topic | None,
    ) -> None:
        self._settings = settings
        self._stage = stage
        self._input = reads.name(settings)
        self._up = up
        self._scores = scores
        self._flags = topics.FLAGS.name(settings)
        self._shadow = topics.SHADOW_FLAGS.name(settings)
        self._lessons = [(topics.LESSONS.name(settings), 0)]
        self._participation = [(topics.PARTICIPATION.name(settings), 0)]
        self._letters = topics.DEAD_LETTERS.name(settings)
        names, n = [target.name(settings) for target in targets], settings.partitions
        if column:
            (name,) = names
            self._send = partial(spread_all, column=column, topic=name, partitions=n)
        else:
            self._send = partial(everyone, targets=[(name, p) for name in names for p in range(n)])

    def __call__(
        self,
        partition: int,
        applied: Sequence[Step],
        rejected: Sequence[tuple[ConsumerRecord, str]],
        sequence: Callable[[], int],
    ) -> list[Outgoing]:
        """Records for everything that the steps did. Of several scores of one key the last is sent."""
        up = f"{self._up}/{partition}"
        done = [step.effects for step in applied]
        blocks = [block for step in applied for block in _dated(step)]
        monitor.sent(blocks)
        outgoing = self._send(blocks, up=up, sequence=sequence)
        lessons = [block for effects in done for block in effects.lessons]
        outgoing += everyone(lessons, self._lessons, up, sequence)
        for kind in ("joined", "settled"):
            told = [block for effects in done for block in effects.participation if block.kind == kind]
            outgoing += everyone([concat(told)] if told else [], self._participation, up, sequence)
        if self._scores is not None:
            outgoing += self._score_records(self._scores, partition, done)
        for step in applied:
            outgoing += self._flags_and_letters(partition, step)
        return outgoing + self._foreign(partition, rejected)

    def _score_records(self, topic: topics.Topic, partition: int, done: Sequence[Effects]) -> list[Outgoing]:
        scores = {key: score for effects in done for key, score in effects.scores.items()}
        monitor.scored(topic.key, scores.values())
        name = topic.name(self._settings)
        return [as_json(name, partition, key, score) for key, score in scores.items()]

    def _flags_and_letters(self, partition: int, step: Step) -> list[Outgoing]:
        effects = step.effects
        monitor.flagged(effects.flags, effects.scores)
        monitor.count_refused(self._stage, [code for _, code, _ in effects.dead])
        monitor.repeated(self._stage, effects.repeats)
        flags = flag_records(step, self._input, partition)
        outgoing = [as_json(self._flags, partition, flag["subject"]["id"], flag) for flag in flags]
        quiet = flag_records(step, self._input, partition, shadow=True)
        monitor.shadowed(quiet)
        outgoing += [as_json(self._shadow, partition, flag["subject"]["id"], flag) for flag in quiet]
        monitor.ruled(effects.rulings, step.block["rater"] if effects.ruled_in else (), effects.ruled_in)
        monitor.settled(effects.settled)
        monitor.count_refused(self._stage, [code for _, _, code, _ in effects.outlived])
        outgoing += [self._refused(partition, step, *dead) for dead in effects.dead]
        return outgoing + [self._letter(partition, step, *outlived) for outlived in effects.outlived]

    def _refused(self, partition: int, step: Step, row: int, code: str, detail: str) -> Outgoing:
        """A row that was a valid event, but cannot be: its bytes are still where its origin says."""
        origins = step.block.origin
        origin = int(origins[row]) if isinstance(origins, np.ndarray) else None
        return self._letter(partition, step, step.block.up, origin, code, detail)

    def _letter(self, partition: int, step: Step, up: str, origin: int | None, code: str, detail: str) -> Outgoing:
        """A letter about a row that has its origin on an input, or else about the log record of the step."""
        kind, source, topic_id = parse_upstream(up)
        if kind in ORIGIN_TOPICS and origin is not None:
            topic, offset = ORIGIN_TOPICS[kind].name(self._settings), origin
        else:
            topic, source, offset, topic_id = self._input, partition, step.offset, ""
            log.warning("%s: %s", self._stage, detail)  # of our own making: nobody's input is at fault
        letter = dead_letter(
            DeadLetterCode(code),
            detail,
            topic=topic,
            partition=source,
            offset=offset,
            append_ms=step.append_ms,
            stage=self._stage,
            topic_id=topic_id,
        )
        return as_letter(self._letters, partition, letter)

    def _foreign(self, partition: int, rejected: Sequence[tuple[ConsumerRecord, str]]) -> list[Outgoing]:
        """Letters about records on the stage's topic that no stage of ours wrote; nothing else comes of them."""
        monitor.count_refused(self._stage, [DeadLetterCode.FOREIGN_RECORD] * len(rejected))
        found = []
        for record, why in rejected:
            reject = Reject(DeadLetterCode.FOREIGN_RECORD, why, record)
            found.append(as_letter(self._letters, partition, of_reject(reject, self._input, partition, self._stage)))
        return found
