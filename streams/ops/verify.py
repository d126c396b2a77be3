"""`credence verify`: is the live state what the logs say, and are the counts what the input says?

It asks three questions. Is each partition's state, read from its changelog, equal to a replay of its log in memory?
Does the replay emit exactly what is on the output topics, version by version? Do counts that depend on no order equal
those of a plain count over the input (`streams.ops.recount`), which shares no code with what it checks? If the input
came from a data set, its files are counted too, so that a loss on the way is seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
import xxhash

from streams.agents.publish.emit import Step, flag_records
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.datasets import dataset
from streams.engine.audit import recovered, replayed
from streams.engine.progress import ProgressBoard
from streams.engine.replica import Replica
from streams.kafka import provision
from streams.kafka.log_reader import LogReader
from streams.kafka.topic_ids import TopicIds
from streams.ops.former import Inputs
from streams.ops.recount import Former, recount, recount_files
from streams.ops.tally import ClaimCount, Recount
from streams.scoring.effects import Effects
from streams.tables.table import Table
from streams.worker.stages import CoreSpec, stage_specs

CLAIM_NUMBERS = ("events", "participants", "supports", "denials", "queries", "comments")
LOOKS = 10
LOOK_AGAIN_S = 2.0
"""How often, and after how many seconds, a partition that does not agree is looked at again."""
Say = Callable[[str, float], None]


@dataclass
class Report:
    """What `verify` found.

    Attributes:
        claims, sources, events: how many there are in the live state.
        max_abs_diff: largest difference of any number of the state between changelog and replay; infinite if a key
            is in one of them only.
        records_differing: score records that differ between topics and replay, or are in one of them only.
        flags_missing, flags_extra: flag records (flag id and revision) only in the replay, or only on the topic.
        counts_differing: claims and sources whose counts differ from the plain count.
        counts_differing_from_files: the same, counted over the data set's files; None if there are none.
        lost, duplicated: events that claims lack, and events that they have too often.
        not_in_input: events and rulings that were taken in from logs, or parts of logs, that are gone now.
        cut_unread: offsets of the inputs that were deleted unread; nobody knows what was there.
        incomplete: reasons why not everything could be checked, a sentence each.
    """

    claims: int = 0
    sources: int = 0
    events: int = 0
    max_abs_diff: float = 0.0
    records_differing: int = 0
    flags_missing: int = 0
    flags_extra: int = 0
    counts_differing: int = 0
    counts_differing_from_files: int | None = None
    lost: int = 0
    duplicated: int = 0
    not_in_input: int = 0
    cut_unread: int = 0
    incomplete: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether everything could be checked: every log is whole, and was read from its beginning."""
        return not self.incomplete

    @property
    def passed(self) -> bool:
        """Whether everything could be checked and agrees."""
        return self.complete and self.agrees

    @property
    def agrees(self) -> bool:
        """Whether all that could be checked agrees."""
        return (
            self.max_abs_diff <= 1e-9
            and not (self.records_differing or self.flags_missing or self.flags_extra)
            and not (self.counts_differing or self.counts_differing_from_files)
        )

    def add(self, found: Report) -> None:
        """Add what the comparison of one partition found."""
        self.max_abs_diff = max(self.max_abs_diff, found.max_abs_diff)
        self.records_differing += found.records_differing
        self.flags_missing += found.flags_missing
        self.flags_extra += found.flags_extra

    def as_dict(self) -> dict[str, Any]:
        """JSON-able fields. An infinite difference is written as 1e308."""
        fields = asdict(self)
        fields["max_abs_diff"] = min(self.max_abs_diff, 1e308)
        fields["complete"] = self.complete
        if self.counts_differing_from_files is None:
            del fields["counts_differing_from_files"]
        return fields


FLAG_TOPICS = (topics.FLAGS, topics.SHADOW_FLAGS)


class Emitted:
    """Hashes of what the replay of one partition emits, by key and version."""

    def __init__(self, topic: str, partition: int) -> None:
        self._log = (topic, partition)
        self.scores: dict[tuple[str, int], int] = {}
        self.last: dict[str, int] = {}
        self.flags: dict[tuple[str, int], int] = {}

    def take(self, step: Step) -> None:
        """Note what one step emits."""
        for key, score in step.effects.scores.items():
            self.scores[key, score["version"]] = fingerprint(score)
            self.last[key] = score["version"]
        for shadow in (False, True):
            for flag in flag_records(step, *self._log, shadow):
                self.flags[flag["flag_id"], flag["revision"]] = fingerprint(flag)


def fingerprint(record: Mapping[str, Any]) -> int:
    """64-bit hash of a record's content, whatever the order of its fields."""
    return xxhash.xxh3_64_intdigest(orjson.dumps(record, option=orjson.OPT_SORT_KEYS))


async def verify(
    settings: Settings,
    say: Say = lambda what, share: None,
    files: Path | None = None,
    meant: Mapping[str, str] | None = None,
) -> Report:
    """Check the whole installation. Let the workers come to rest first, since nothing may be in flight.

    Args:
        settings: broker and namespace.
        say: called with what is being done, and the share of it that is done (0–1).
        files: the data set that was replayed, if that is all of the input.
        meant: label → verdict, as the data set was replayed with.
    """
    settings = await asyncio.to_thread(provision.installed, settings)
    client = client_kwargs(settings)
    specs = stage_specs(settings)
    report = Report()
    inputs = await _inputs(settings, report)
    live: dict[str, list[Replica[Effects]]] = {name: [] for name in specs}
    async with LogReader(client) as logs:
        for number, (name, spec) in enumerate(specs.items()):
            for partition in range(settings.partitions):
                say(f"replaying {name} {partition}", (number + partition / settings.partitions) / (len(specs) + 1))
                live[name].append(await _check_partition(logs, settings, spec, partition, inputs, report))
    say("counting the input", len(specs) / (len(specs) + 1))
    counted = await recount(
        client, topics.EVENTS.name(settings), topics.RULINGS.name(settings), topics.DEAD_LETTERS.name(settings),
        inputs.topic_ids, inputs.former,
    )  # fmt: skip
    _tell_former(inputs, report)
    found = _live_counts(live)
    report.claims, report.sources = len(found.claims), len(found.sources)
    report.events = sum(numbers[0] for numbers in found.claims.values())
    report.counts_differing = _differing(found, counted)
    for claim in found.claims.keys() | counted.claims.keys():
        surplus = found.claims.get(claim, (0, 0))[0] - counted.claims.get(claim, ClaimCount()).events
        report.duplicated += max(0, surplus)
        report.lost += max(0, -surplus)
    if files is not None:
        left_out = dataset.read(files, meant).findings.left_out
        plain = recount_files(files, settings.verdict_lag_ms, left_out, meant)
        report.counts_differing_from_files = _differing(found, plain)
    say("done", 1.0)
    return report


async def _check_partition(
    logs: LogReader, settings: Settings, spec: CoreSpec, partition: int, inputs: Inputs, report: Report
) -> Replica[Effects]:
    """Check a partition, and add what is found to the report. Returns its live state.

    What a worker writes meanwhile, such as a tick of its clock, reaches the changelog before the output topics. So a
    disagreement counts only once a second look, over the same logs, finds it again.
    """
    first, _ = (await logs.bounds(spec.input_topic, settings.partitions))[partition]
    if first:
        report.incomplete.append(f"{spec.input_topic}/{partition} begins at {first}: its state cannot be replayed")
    before: list[int] | None = None
    for _ in range(LOOKS):
        ends = await _ends(logs, settings, spec, partition)
        found = Report()
        live, former = await _compare(logs, settings, spec, partition, ends[0], inputs, found)
        if found.agrees or ends == before == await _ends(logs, settings, spec, partition):
            break
        before = ends
        await asyncio.sleep(LOOK_AGAIN_S)
    else:
        report.incomplete.append(
            f"{spec.name} {partition} was still being written to: stop its input, and verify again"
        )
    report.add(found)
    inputs.former.add(former)
    return live


async def _ends(logs: LogReader, settings: Settings, spec: CoreSpec, partition: int) -> list[int]:
    """Next offsets of the partition of the stage's changelog, and of the topics that it publishes to."""
    names = [spec.changelog_topic, *spec.guarded_topics, *(t.name(settings) for t in FLAG_TOPICS)]
    return [(await logs.bounds(name, settings.partitions))[partition][1] for name in names]


async def _compare(
    logs: LogReader, settings: Settings, spec: CoreSpec, partition: int, end: int, inputs: Inputs, found: Report
) -> tuple[Replica[Effects], Former]:
    """Live state, replay and output topics of one partition, compared. Returns the live state and what is gone."""
    live = await recovered(logs, spec, partition, end)
    emitted = Emitted(spec.input_topic, partition)
    former = Former()

    def step(applied: Step) -> None:
        emitted.take(applied)
        inputs.take(applied, former)

    replay = await replayed(logs, spec, partition, live.fence, step)
    differences = [a.difference(b) for a, b in zip(live.core.tables, replay.core.tables, strict=True)]
    same_fence = (live.fence.offset, live.fence.cursor, live.fence.seen) == (
        replay.fence.offset, replay.fence.cursor, replay.fence.seen,
    )  # fmt: skip
    found.max_abs_diff = max(*differences, 0.0 if same_fence else float("inf"))
    for topic in spec.guarded_topics:
        await _check_scores(logs, settings, topic, partition, emitted, found)
    if emitted.flags or spec.name == "claims":
        await _check_flags(logs, settings, partition, emitted, found)
    return live, former


async def _check_scores(
    logs: LogReader, settings: Settings, topic: str, partition: int, emitted: Emitted, report: Report
) -> None:
    last: dict[str, int] = {}
    async for key, value in _published(logs, settings, topic, partition):
        score = orjson.loads(value)
        last[key] = score["version"]
        if emitted.scores.get((key, score["version"])) != fingerprint(score):
            report.records_differing += 1
    report.records_differing += sum(last.get(key) != version for key, version in emitted.last.items())


async def _check_flags(logs: LogReader, settings: Settings, partition: int, emitted: Emitted, report: Report) -> None:
    published = {}
    for topic in FLAG_TOPICS:
        async for _, value in _published(logs, settings, topic.name(settings), partition):
            flag = orjson.loads(value)
            published[flag["flag_id"], flag["revision"]] = fingerprint(flag)
    report.flags_missing += len(emitted.flags.keys() - published.keys())
    report.flags_extra += len(published.keys() - emitted.flags.keys())
    report.records_differing += sum(published[k] != emitted.flags[k] for k in published.keys() & emitted.flags.keys())


async def _published(
    logs: LogReader, settings: Settings, topic: str, partition: int
) -> AsyncIterator[tuple[str, bytes]]:
    """Keys and values of what a stage published, without the engine's marks."""
    _, end = (await logs.bounds(topic, settings.partitions))[partition]
    async for record in logs.read(topic, partition, 0, end):
        if record.key is not None and not record.key.startswith(b"\x00") and record.value is not None:
            yield record.key.decode(), record.value


async def _inputs(settings: Settings, report: Report) -> Inputs:
    """The inputs as they are now. Notes in the report what is known to be missing."""
    names = [topic.name(settings) for topic in topics.INPUTS]
    async with TopicIds(settings) as source:
        topic_ids = await source.of(names)
    async with LogReader(client_kwargs(settings)) as logs:
        there = await logs.partitions(names)
        begins = {name: [first for first, _ in await logs.bounds(name, count)] for name, count in there.items()}
    report.incomplete += [f"{name} begins at {max(firsts)}, not at 0" for name, firsts in begins.items() if any(firsts)]
    board = ProgressBoard(client_kwargs(settings), topics.PROGRESS.name(settings))
    await board.start(publish=False)
    for cut in board.cuts():
        report.cut_unread += cut.until - cut.first
        report.incomplete.append(f"{cut} were deleted before they were read")
    await board.stop()
    return Inputs(settings, topic_ids, begins)


def _tell_former(inputs: Inputs, report: Report) -> None:
    counts = inputs.counts()
    report.not_in_input = sum(counts.values())
    report.incomplete += [
        f"{count:,} records were taken in from {topic} with the id {topic_id}…, and are not there any more"
        for (topic, topic_id), count in counts.items()
    ]


@dataclass(frozen=True)
class Counts:
    """What the live state has counted: claim → `ClaimCount.numbers`, source → (events, claims, right, wrong)."""

    claims: dict[str, tuple[int, ...]] = field(default_factory=dict)
    sources: dict[str, tuple[int, ...]] = field(default_factory=dict)


def _live_counts(live: Mapping[str, list[Replica[Effects]]]) -> Counts:
    found = Counts()
    for replica in live["claims"]:
        table = _table(replica, "claims")
        for key, row in table.items():
            if table["events"][row]:
                found.claims[str(key)] = tuple(int(table[name][row]) for name in CLAIM_NUMBERS)
    for replica in live["sources"]:
        table = _table(replica, "sources")
        for key, row in table.items():
            found.sources[str(key)] = tuple(int(table[name][row]) for name in ("events", "claims", "right", "wrong"))
    return found


def _differing(found: Counts, counted: Recount) -> int:
    """How many claims and sources have different counts."""
    claims = {key: c.numbers for key, c in counted.claims.items()}
    sources = {key: (c.events, len(c.claims), c.right, c.wrong) for key, c in counted.sources.items()}
    return _unequal(found.claims, claims) + _unequal(found.sources, sources)


def _unequal(found: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]]) -> int:
    return sum(found.get(key) != wanted.get(key) for key in found.keys() | wanted.keys())


def _table(replica: Replica[Effects], name: str) -> Table:
    return next(table for table in replica.core.tables if table.name == name)
