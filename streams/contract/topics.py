"""Every topic once: its key, what becomes of old records, its limits, who writes and reads it, and its sentence.

Records are placed by xxh3 of the key, so that any language with that hash finds the partition of a source or a claim.
"""

from __future__ import annotations

from dataclasses import dataclass

import xxhash

from streams.contract.settings import Settings

MIB = 1024 * 1024
COMPACT = "compact"
DELETE = "delete"
# Compaction works on closed segments only, so small segments keep recovery short.
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
    """Name of the setting that says how long records are kept; "" for compacted topics."""

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


# The limit is above that of an event: an event that is too long must reach intake, to become a dead letter.
EVENTS = Topic(
    "social.events.v1",
    "any",
    DELETE,
    4 * MIB,
    "your systems, replay",
    "intake",
    "What people do: posts, reshares, replies, reactions, reports, follows; and deletes and updates of these.",
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
DECISIONS = Topic(
    "trust.decisions.v1", "claim", DELETE, 4 * MIB, "decide, api, your moderators' tools", "api, your systems",
    "What people decided on flags: confirmed, dismissed, duplicate. It moves no score.",
    "log_retention_ms",
)  # fmt: skip
SHADOW_FLAGS = Topic(
    "trust.shadow-flags.v1", "claim", DELETE, 16 * MIB, "claims", "flags",
    "Flags that reach no queue: those of rules in shadow, and those that a budget holds back.",
    "log_retention_ms",
)  # fmt: skip
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
DELIVERIES = Topic(
    "trust.deliveries.v1",
    "target, space, flag",
    COMPACT,
    MIB,
    "deliver",
    "deliver",
    "What became of each flag at each moderation tool, with what the tool calls it.",
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
    SHADOW_FLAGS,
    DECISIONS,
    DEAD_LETTERS,
    DELIVERIES,
    SOURCES_CHANGELOG,
    CLAIMS_CHANGELOG,
    PARAMETERS_CHANGELOG,
    COMMUNITIES_CHANGELOG,
    PROGRESS,
)


INPUTS = (EVENTS, RULINGS)
"""Topics that others write. They have any number of partitions, which may grow; the others all have the same number."""

KEPT = (*INPUTS, DECISIONS, DELIVERIES)
"""Topics that nothing can compute again. A reset leaves them; each has a number of partitions of its own."""

BETWEEN = (BY_SOURCE, BY_CLAIM, LESSONS, PARTICIPATION)
"""What the stages write for each other, in the order of the path; `reader` is the one stage that reads it."""

GROUP = "credence"
"""Consumer group of the workers, behind the namespace."""
COMMUNITIES_GROUP = "credence-communities"
"""Consumer group of the communities processes, behind the namespace."""


def partition_of(key: str, n: int) -> int:
    """The partition (0 ≤ p < n) that records of `key` go to: xxh3-64 of its UTF-8 bytes, modulo n. Never fails.

    A lone surrogate (half a character, from a JSON escape) is hashed as its three bytes.
    """
    return xxhash.xxh3_64_intdigest(key.encode("utf-8", "surrogatepass")) % n
