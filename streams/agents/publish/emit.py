"""What the stages send out: effects of the pure core as records on topics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from aiokafka import ConsumerRecord

from streams.agents.publish import monitor
from streams.agents.publish.letters import dead_letter
from streams.agents.publish.routing import as_json, as_letter, everyone, spread_all
from streams.contract import topics
from streams.contract.settings import Settings
from streams.contract.words import DeadLetterCode
from streams.engine.journal import Outgoing
from streams.engine.replica import Applied
from streams.tables.blocks import concat, parse_upstream

log = logging.getLogger(__name__)

# Upstream prefix of a block's rows → the topic whose offsets are their origins.
ORIGIN_TOPICS = {"e": topics.EVENTS, "r": topics.RULINGS}


def foreign(
    letters: str, topic: str, stage: str, partition: int, rejected: Sequence[tuple[ConsumerRecord, str]]
) -> list[Outgoing]:
    """Letters about records on a stage's topic that no stage of ours wrote; nothing else comes of them."""
    monitor.count_refused([DeadLetterCode.FOREIGN_RECORD] * len(rejected))
    found = []
    for record, why in rejected:
        letter = dead_letter(
            DeadLetterCode.FOREIGN_RECORD,
            why,
            topic=topic,
            partition=partition,
            offset=record.offset,
            append_ms=record.timestamp,
            stage=stage,
            key=record.key,
            value=record.value,
        )
        found.append(as_letter(letters, partition, letter))
    return found


def flag_records(step: Applied, topic: str, partition: int) -> list[dict[str, Any]]:
    """Flag records of a step, complete with the log record that moved the flag."""
    trace = {"trace_id": f"{topic}/{partition}/{step.offset}"}
    return [flag | trace for flag in step.effects.flags]


class StageEmitter:
    """Emitter of a stage (see `streams.engine.stage.Emitter`).

    Args:
        settings: partitions and namespace.
        stage: name of the stage, for dead letters.
        input_topic: full name of the topic that it reads.
        up: prefix of its blocks' upstream name.
        target, column: topic for its rows, and the column that routes them.
        scores: topic of its score records.
    """

    def __init__(
        self,
        settings: Settings,
        stage: str,
        input_topic: str,
        up: str,
        target: topics.Topic,
        column: str,
        scores: topics.Topic,
    ) -> None:
        self._settings = settings
        self._stage = stage
        self._subject = stage.rstrip("s")  # "sources" score a source, "claims" a claim
        self._input = input_topic
        self._up = up
        self._target = target.name(settings)
        self._column = column
        self._scores = scores.name(settings)
        self._flags = topics.FLAGS.name(settings)
        self._lessons = topics.LESSONS.name(settings)
        self._participation = topics.PARTICIPATION.name(settings)
        self._letters = topics.DEAD_LETTERS.name(settings)

    def __call__(
        self,
        partition: int,
        applied: Sequence[Applied],
        rejected: Sequence[tuple[ConsumerRecord, str]],
        sequence: Callable[[], int],
    ) -> list[Outgoing]:
        """Records for everything that the steps did. Of several scores of one key the last is sent."""
        blocks = [block for step in applied for block in step.effects.blocks]
        up = f"{self._up}/{partition}"
        outgoing = spread_all(blocks, self._column, self._target, self._settings.partitions, up, sequence)
        lessons = [block for step in applied for block in step.effects.lessons]
        outgoing += everyone(lessons, [(self._lessons, 0)], up, sequence)
        for kind in ("joined", "settled"):
            told = [b for step in applied for b in step.effects.participation if b.kind == kind]
            outgoing += everyone([concat(told)] if told else [], [(self._participation, 0)], up, sequence)
        scores = {key: score for step in applied for key, score in step.effects.scores.items()}
        monitor.scored(self._subject, scores.values())
        outgoing += [as_json(self._scores, partition, key, score) for key, score in scores.items()]
        for step in applied:
            effects = step.effects
            monitor.flagged(effects.flags, effects.scores)
            monitor.count_refused([code for _, code, _ in effects.dead])
            monitor.repeated(self._stage, effects.repeats)
            flags = flag_records(step, self._input, partition)
            outgoing += [as_json(self._flags, partition, flag["subject"]["id"], flag) for flag in flags]
            monitor.ruled(effects.rulings)
            monitor.count_refused([code for _, _, code, _ in effects.outlived])
            outgoing += [self._refused(partition, step, *dead) for dead in effects.dead]
            outgoing += [self._letter(partition, step, *outlived) for outlived in effects.outlived]
        return outgoing + foreign(self._letters, self._input, self._stage, partition, rejected)

    def _refused(self, partition: int, step: Applied, row: int, code: str, detail: str) -> Outgoing:
        """A row that was a valid event, but cannot be: its bytes are still where its origin says."""
        origins = step.block.origin
        origin = int(origins[row]) if isinstance(origins, np.ndarray) else None
        return self._letter(partition, step, step.block.up, origin, code, detail)

    def _letter(self, partition: int, step: Applied, up: str, origin: int | None, code: str, detail: str) -> Outgoing:
        """A letter about a row that has its origin on an input, or else about the log record of the step."""
        kind, source, topic_id = parse_upstream(up)
        if kind in ORIGIN_TOPICS and origin is not None:
            topic, offset = ORIGIN_TOPICS[kind].name(self._settings), origin
        else:
            topic, source, offset, topic_id = self._input, partition, step.offset, ""
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


class ParametersEmitter:
    """Emitter of the parameters stage: a version of the parameters goes to every partition that uses them."""

    def __init__(self, settings: Settings) -> None:
        self._input = topics.LESSONS.name(settings)
        self._letters = topics.DEAD_LETTERS.name(settings)
        self._users = [
            (topic.name(settings), partition)
            for topic in (topics.BY_SOURCE, topics.BY_CLAIM)
            for partition in range(settings.partitions)
        ]

    def __call__(
        self,
        partition: int,
        applied: Sequence[Applied],
        rejected: Sequence[tuple[ConsumerRecord, str]],
        sequence: Callable[[], int],
    ) -> list[Outgoing]:
        """Records for the versions that the steps made."""
        blocks = [block for step in applied for block in step.effects.blocks]
        outgoing = everyone(blocks, self._users, f"p/{partition}", sequence)
        for step in applied:
            monitor.count_refused([code for _, code, _ in step.effects.dead])
            outgoing += [self._refused(partition, step, code, detail) for _, code, detail in step.effects.dead]
        return outgoing + foreign(self._letters, self._input, "parameters", partition, rejected)

    def _refused(self, partition: int, step: Applied, code: str, detail: str) -> Outgoing:
        """A lesson that cannot be learned from: the record that held it is still where it was."""
        log.warning("parameters: %s", detail)
        letter = dead_letter(
            DeadLetterCode(code),
            detail,
            topic=self._input,
            partition=partition,
            offset=step.offset,
            append_ms=step.append_ms,
            stage="parameters",
        )
        return as_letter(self._letters, partition, letter)


class CommunitiesEmitter:
    """Emitter of the communities stage: clusters go to their sources' partitions, vital signs to whoever asks."""

    def __init__(self, settings: Settings) -> None:
        self._partitions = settings.partitions
        self._sources = topics.BY_SOURCE.name(settings)
        self._vitals = topics.COMMUNITIES.name(settings)
        self._input = topics.PARTICIPATION.name(settings)
        self._letters = topics.DEAD_LETTERS.name(settings)

    def __call__(
        self,
        partition: int,
        applied: Sequence[Applied],
        rejected: Sequence[tuple[ConsumerRecord, str]],
        sequence: Callable[[], int],
    ) -> list[Outgoing]:
        """Records for what the steps found."""
        blocks = [block for step in applied for block in step.effects.blocks]
        for block in blocks:
            monitor.assigned(block["cl"].tolist())
        outgoing = spread_all(blocks, "s", self._sources, self._partitions, f"g/{partition}", sequence)
        records = {key: record for step in applied for key, record in step.effects.scores.items()}
        if records:
            monitor.vitals(records.values())
        outgoing += [as_json(self._vitals, partition, key, record) for key, record in records.items()]
        return outgoing + foreign(self._letters, self._input, "communities", partition, rejected)
