"""Every topic once: its key, what becomes of old records, its limits, who writes and reads it, and its sentence.

Records are placed by xxh3 of the key, so that any language with that hash finds the partition of a source or a claim.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import xxhash

from streams.admin import Admin
from streams.admin import TopicsError as TopicsError
from streams.settings import Settings

MIB = 1024 * 1024
COMPACT = "compact"
DELETE = "delete"
# Only on a closed segment does compaction work: smaller segments keep recovery short.
COMPACTED_SEGMENT_BYTES = 128 * MIB


@dataclass(frozen=True)
class Topic:
    """A topic as it is declared; `name` puts the namespace before it."""

    base: str
    key: str
    cleanup: str
    max_record_bytes: int
    writer: str
    reader: str
    doc: str
    retention: str = ""
    """The setting that says how long records are kept; "" where compaction decides."""

    def name(self, settings: Settings) -> str:
        """The topic's name in this installation."""
        return settings.namespace + self.base

    def config(self, settings: Settings) -> dict[str, str]:
        """Topic configuration, as Kafka spells it."""
        config = {
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(self.max_record_bytes),
            # Event time is payload. Under CreateTime a replay of old events is deleted by retention.
            "message.timestamp.type": "LogAppendTime",
        }
        if self.retention:
            config["retention.ms"] = str(getattr(settings, self.retention))
            config["retention.bytes"] = "-1"
        else:
            config["segment.bytes"] = str(COMPACTED_SEGMENT_BYTES)
        return config


# Larger than any event may be: an oversized one must reach intake, which says so in the dead letters.
EVENTS = Topic(
    "social.events.v1",
    "any",
    DELETE,
    4 * MIB,
    "your systems, replay",
    "intake",
    "What people do: posts, reshares, replies, reactions, reports, follows, deletions.",
    "log_retention_ms",
)
RULINGS = Topic(
    "trust.rulings.v1",
    "any",
    DELETE,
    4 * MIB,
    "fact-checkers, moderators, replay",
    "intake",
    "Verdicts on claims, which may be revised and withdrawn.",
    "log_retention_ms",
)
BY_SOURCE = Topic(
    "trust.by-source.v1",
    "source",
    DELETE,
    16 * MIB,
    "intake, claims (credits), communities (clusters)",
    "sources",
    "Blocks of events and credits, placed by source; the order of a partition is the order of its decisions.",
    "log_retention_ms",
)
BY_CLAIM = Topic(
    "trust.by-claim.v1",
    "claim",
    DELETE,
    16 * MIB,
    "sources, intake (rulings)",
    "claims",
    "Blocks of events stamped with their source's weight, of new stamps, and of rulings, placed by claim.",
    "log_retention_ms",
)
LESSONS = Topic(
    "trust.lessons.v1", "none", DELETE, 16 * MIB, "claims", "parameters",
    "What was known of settled claims, for the stage that learns what spans all keys; only partition 0 is used.",
    "log_retention_ms",
)  # fmt: skip
PARTICIPATION = Topic(
    "trust.participation.v1", "none", DELETE, 16 * MIB, "sources, claims (verdicts)", "communities",
    "Who asserts on a second claim or a later one, and which claims are settled; only partition 0 is used.",
    "log_retention_ms",
)  # fmt: skip
CLAIM_SCORES = Topic(
    "trust.claim-scores.v1",
    "claim",
    COMPACT,
    16 * MIB,
    "claims",
    "api, your systems",
    "The newest score of every claim, with its interval and evidence.",
)
SOURCE_SCORES = Topic(
    "trust.source-scores.v1",
    "source",
    COMPACT,
    16 * MIB,
    "sources",
    "api, your systems",
    "The newest credibility of every source, with its interval and record.",
)
COMMUNITIES = Topic(
    "trust.communities.v1", "community", COMPACT, 16 * MIB, "communities", "api, your systems",
    "The newest vital signs of every community: for operators, never part of a score; only partition 0 is used.",
)  # fmt: skip
FLAGS = Topic(
    "trust.flags.v2",
    "claim",
    DELETE,
    16 * MIB,
    "claims",
    "api, your moderators",
    "Flags raised, updated and retracted; a repeat has the same flag_id and revision.",
    "log_retention_ms",
)
DEAD_LETTERS = Topic(
    "trust.dead-letters.v1",
    "any",
    DELETE,
    16 * MIB,
    "every stage",
    "dead-letters",
    "Input that could not be used: the reason's code, where it was, and its bytes.",
    "dead_letters_retention_ms",
)
SOURCES_CHANGELOG = Topic(
    "trust.sources-changelog.v1",
    "state row",
    COMPACT,
    16 * MIB,
    "sources",
    "sources (recovery)",
    "The state of the sources stage: changed rows, the fence and the outbox, a batch at a time.",
)
CLAIMS_CHANGELOG = Topic(
    "trust.claims-changelog.v1",
    "state row",
    COMPACT,
    16 * MIB,
    "claims",
    "claims (recovery)",
    "The state of the claims stage: changed rows, the fence and the outbox, a batch at a time.",
)
PARAMETERS_CHANGELOG = Topic(
    "trust.parameters-changelog.v1", "state row", COMPACT, 16 * MIB, "parameters", "parameters (recovery)",
    "The state of the parameters stage: changed rows, the fence and the outbox, a batch at a time.",
)  # fmt: skip
COMMUNITIES_CHANGELOG = Topic(
    "trust.communities-changelog.v1", "state row", COMPACT, 16 * MIB, "communities", "communities (recovery)",
    "The state of the communities stage: changed rows, the fence and the outbox, a batch at a time.",
)  # fmt: skip
PROGRESS = Topic(
    "trust.progress.v1",
    "stage/partition",
    COMPACT,
    MIB,
    "every stage",
    "replay, verify, intake",
    "How far every stage has applied its log, a small record a step.",
)

ALL = (
    EVENTS,
    RULINGS,
    BY_SOURCE,
    BY_CLAIM,
    LESSONS,
    PARTICIPATION,
    CLAIM_SCORES,
    SOURCE_SCORES,
    COMMUNITIES,
    FLAGS,
    DEAD_LETTERS,
    SOURCES_CHANGELOG,
    CLAIMS_CHANGELOG,
    PARAMETERS_CHANGELOG,
    COMMUNITIES_CHANGELOG,
    PROGRESS,
)


INPUTS = (EVENTS, RULINGS)
"""Written by others, with any number of partitions, which may grow; all other topics have one number, for good."""
NOTICED_MS = 10_000
"""How long a process may take to see that an input has more partitions."""
WAY_OUT = (
    "Stop all workers and run `credence topics reset --partitions {count}`: it makes the internal topics anew, and a "
    "worker rebuilds everything from the events and rulings, which stay."
)

GROUP = "credence"
"""Consumer group of the workers, behind the namespace."""
COMMUNITIES_GROUP = "credence-communities"
"""The same of the communities processes."""


@dataclass(frozen=True)
class TopicState:
    """A topic as it is on the broker. `partitions` is 0 where it does not exist."""

    name: str
    partitions: int
    config: dict[str, str]
    created: bool = False


def name(topic: Topic, settings: Settings) -> str:
    """The topic's name in this installation: its namespace, then its own name."""
    return topic.name(settings)


def partition_of(key: str, n: int) -> int:
    """The partition (0 ≤ p < n) that records of `key` go to: xxh3-64 of its UTF-8 bytes, modulo n. Never fails.

    A lone surrogate, which a JSON escape can smuggle in, is hashed as its three bytes rather than refused.
    """
    return xxhash.xxh3_64_intdigest(key.encode("utf-8", "surrogatepass")) % n


def create(bootstrap: str, settings: Settings, only: Iterable[Topic] = ALL) -> list[TopicState]:
    """Create the topics that are missing and check all of them; doing it again changes nothing.

    New topics get as many partitions as the internal topics that are there have, else as many as the setting says.
    Raises TopicsError, naming every mismatch of partition count, time stamps or clean-up policy: these cannot be
    repaired under a running installation.
    """
    only = tuple(only)
    with Admin(bootstrap, settings) as admin:
        there = admin.partitions([topic.name(settings) for topic in ALL])
        missing = {
            topic.name(settings): {
                "num_partitions": _usual(there, settings) or settings.partitions,
                "replication_factor": settings.replication_factor,
                "configs": topic.config(settings),
            }
            for topic in only
            if topic.name(settings) not in there
        }
        created = admin.create(missing)
    found = check(bootstrap, settings, only)
    return [TopicState(state.name, state.partitions, state.config, state.name in created) for state in found]


def check(bootstrap: str, settings: Settings, only: Iterable[Topic] = ALL) -> list[TopicState]:
    """The topics as they are, in the order given. Raises TopicsError where one is missing or not as declared."""
    only = tuple(only)
    found = states(bootstrap, settings, only)
    if missing := [state.name for state in found if not state.partitions]:
        more = f" and {len(missing) - 2} more" if len(missing) > 3 else ""
        names = ", ".join(missing[:2] if more else missing)
        raise TopicsError(f"{names}{more} not there: run `credence topics create`, or check CREDENCE_NAMESPACE")
    _one_count({state.name: state.partitions for state in found}, settings)
    problems = [
        problem for topic, state in zip(only, found, strict=True) for problem in _mismatches(topic, state, settings)
    ]
    if problems:
        raise TopicsError(
            "\n".join(problems) + "\nStop the workers and delete the topics (their data goes too), or choose another "
            "CREDENCE_NAMESPACE; then run `credence topics create` again."
        )
    return found


def installed(settings: Settings) -> Settings:
    """The settings with the number of partitions that the internal topics have, whatever this process was told.

    Raises TopicsError where there are none yet, and where they do not all have the same number.
    """
    with Admin(settings.broker, settings) as admin:
        there = admin.partitions([topic.name(settings) for topic in ALL])
    return settings.replace(partitions=internal_count(there, settings))


def internal_count(there: Mapping[str, int], settings: Settings) -> int:
    """The number of partitions of the internal topics, of the counts of those topics that are there.

    Raises TopicsError where there are none, and where they do not all have the same number.
    """
    if not (usual := _usual(there, settings)):
        raise TopicsError(
            f"no topic of Credence is there{f' under {settings.namespace}' if settings.namespace else ''}: run "
            "`credence topics create`, or check CREDENCE_NAMESPACE"
        )
    _one_count(there, settings)
    return usual


def _usual(there: Mapping[str, int], settings: Settings) -> int:
    """The number of partitions that most internal topics have; 0 where there are none."""
    inputs = {topic.name(settings) for topic in INPUTS}
    counts = Counter(count for each, count in there.items() if each not in inputs)
    return max(counts, key=lambda count: (counts[count], count), default=0)


def _one_count(there: Mapping[str, int], settings: Settings) -> None:
    """Raise TopicsError if an internal topic has not as many partitions as the others."""
    usual, inputs = _usual(there, settings), {topic.name(settings) for topic in INPUTS}
    other = [f"{each} has {n} partitions" for each, n in there.items() if each not in inputs and n != usual]
    if other:
        raise TopicsError(
            f"{', '.join(other)}, and the other internal topics have {usual}: keys would not be found where they were "
            f"put. {WAY_OUT.format(count=usual)}"
        )


def states(bootstrap: str, settings: Settings, only: Iterable[Topic] = ALL) -> list[TopicState]:
    """The topics as they are on the broker, in the order given. Raises TopicsError when it cannot be reached."""
    names = [topic.name(settings) for topic in only]
    with Admin(bootstrap, settings) as admin:
        partitions = admin.partitions(names)
        configs = admin.configs(list(partitions))
    return [TopicState(each, partitions.get(each, 0), configs.get(each, {})) for each in names]


def delete(bootstrap: str, settings: Settings, only: Iterable[Topic] = ALL) -> list[str]:
    """Delete those of the topics that exist, with all their data; returns their names."""
    with Admin(bootstrap, settings) as admin:
        there = sorted(admin.partitions([topic.name(settings) for topic in only]))
        admin.delete(there)
    return there


def reset(bootstrap: str, settings: Settings, partitions: int | None = None) -> list[str]:
    """Delete everything but the inputs, with the group's offsets, and make the topics again, empty; their names.

    They get this number of partitions; without one, that which most of them had. Raises TopicsError while workers are
    running: they would write on as if nothing had happened.
    """
    computed = [topic for topic in ALL if topic not in INPUTS]
    with Admin(bootstrap, settings) as admin:
        usual = _usual(admin.partitions([topic.name(settings) for topic in computed]), settings)
        for group in (GROUP, COMMUNITIES_GROUP):
            admin.forget_group(settings.namespace + group)
    deleted = delete(bootstrap, settings, computed)
    with Admin(bootstrap, settings) as admin:
        admin.await_gone(deleted)
    create(bootstrap, settings.replace(partitions=partitions or usual or settings.partitions), computed)
    return deleted


def _mismatches(topic: Topic, state: TopicState, settings: Settings) -> list[str]:
    problems = []
    for key in ("message.timestamp.type", "cleanup.policy"):
        if state.config.get(key) != (wanted := topic.config(settings)[key]):
            problems.append(f"{state.name} has {key}={state.config.get(key)}, not {wanted}.")
    if int(state.config.get("max.message.bytes", 0)) < topic.max_record_bytes:
        problems.append(
            f"{state.name} has max.message.bytes={state.config.get('max.message.bytes')}, "
            f"less than {topic.max_record_bytes}."
        )
    return problems
