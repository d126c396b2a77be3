"""What each stage is: its core, its topics, where what it does goes. Said once, here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from streams.agents.publish.emit import Emitter
from streams.contract import topics
from streams.contract.settings import Settings
from streams.contract.topics import Topic
from streams.engine.stage import StageSpec
from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.communities.communities_state import GroupsState
from streams.scoring.config import ScoringConfig
from streams.scoring.dispatch import BlockCore
from streams.scoring.effects import Effects
from streams.scoring.parameters.parameters_state import Learner
from streams.scoring.sources.sources_state import SourcesState

CoreSpec: TypeAlias = StageSpec[Effects]

COMMUNITIES = "communities"  # the stage off the hot path, with processes of its own


STATE_VERSION = 25  # of the tables of all cores: raise it when their columns or their meaning change


@dataclass(frozen=True)
class Stage:
    """A stateful stage.

    Attributes:
        name: as metrics, progress and dead letters have it.
        core: what it does with the blocks of its input, and what it remembers.
        reads: its input; `changelog`: where its state is kept.
        up: prefix of the upstream name of its blocks.
        targets: where its blocks go; `column`: the key column that routes their rows, "" if every partition of every
            target gets the whole of each.
        scores: where its score records go, if it makes any.
    """

    name: str
    core: type[BlockCore]
    reads: Topic
    changelog: Topic
    up: str
    targets: tuple[Topic, ...]
    column: str = ""
    scores: Topic | None = None

    def spec(self, settings: Settings, config: ScoringConfig) -> CoreSpec:
        """The stage as the engine runs it."""
        return StageSpec(
            name=self.name,
            input_topic=self.reads.name(settings),
            changelog_topic=self.changelog.name(settings),
            guarded_topics=(self.scores.name(settings),) if self.scores else (),
            core=partial(self.core, config),
            emit=Emitter(settings, self.name, self.reads, self.up, self.targets, self.column, self.scores),
            state_version=STATE_VERSION,
            kinds=self.core.KINDS,
            batch_rows=settings.batch_rows,
            aside=self.name == COMMUNITIES,
        )


# In the order of the path.
STAGES = (
    Stage(
        "sources", SourcesState, topics.BY_SOURCE, topics.SOURCES_CHANGELOG,
        up="s", targets=(topics.BY_CLAIM,), column="c", scores=topics.SOURCE_SCORES,
    ),
    Stage(
        "claims", ClaimsState, topics.BY_CLAIM, topics.CLAIMS_CHANGELOG,
        up="c", targets=(topics.BY_SOURCE,), column="s", scores=topics.CLAIM_SCORES,
    ),
    Stage(
        "parameters", Learner, topics.LESSONS, topics.PARAMETERS_CHANGELOG,
        up="p", targets=(topics.BY_SOURCE, topics.BY_CLAIM),
    ),
    Stage(
        COMMUNITIES, GroupsState, topics.PARTICIPATION, topics.COMMUNITIES_CHANGELOG,
        up="g", targets=(topics.BY_SOURCE,), column="s", scores=topics.COMMUNITIES,
    ),
)  # fmt: skip


def scoring_config(settings: Settings) -> ScoringConfig:
    """Constants of scoring, with those that settings move."""
    return ScoringConfig(
        lateness_ms=settings.lateness_ms,
        claim_expiry_ms=settings.claim_expiry_ms,
        publish_epsilon=settings.score_materiality,
    )


def stage_specs(settings: Settings) -> dict[str, CoreSpec]:
    """Name → stateful stage, in the order of the path."""
    config = scoring_config(settings)
    return {stage.name: stage.spec(settings, config) for stage in STAGES}


def intake_stage(route: Topic) -> str:
    """Name under which the intake of an input topic reports its progress."""
    return f"intake-{route.base}"
