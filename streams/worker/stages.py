"""What each stage is: its core, its topics, its emitter. Said once, here."""

from __future__ import annotations

from functools import partial

from streams.agents.publish.emit import CommunitiesEmitter, ParametersEmitter, StageEmitter
from streams.contract import topics
from streams.contract.settings import Settings
from streams.contract.topics import Topic
from streams.engine.stage import StageSpec
from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.communities.communities_state import GroupsState
from streams.scoring.config import ScoringConfig
from streams.scoring.parameters.parameters_state import Learner
from streams.scoring.sources.sources_state import SourcesState

COMMUNITIES = "communities"  # the stage off the hot path, with processes of its own


STATE_VERSION = 14  # of the tables of both cores: raise it when their columns or their meaning change


def stage_specs(settings: Settings) -> dict[str, StageSpec]:
    """The stateful stages by name, in the order of the path."""
    config = ScoringConfig(
        lateness_ms=settings.lateness_ms,
        claim_expiry_ms=settings.claim_expiry_ms,
        publish_epsilon=settings.score_materiality,
    )
    wiring: list[tuple[str, str, Topic, Topic, Topic, Topic, str, type[SourcesState] | type[ClaimsState]]] = [
        ("sources", "s", topics.BY_SOURCE, topics.SOURCES_CHANGELOG, topics.SOURCE_SCORES, topics.BY_CLAIM, "c",
         SourcesState),
        ("claims", "c", topics.BY_CLAIM, topics.CLAIMS_CHANGELOG, topics.CLAIM_SCORES, topics.BY_SOURCE, "s",
         ClaimsState),
    ]  # fmt: skip
    specs = {
        name: StageSpec(
            name=name,
            input_topic=source.name(settings),
            changelog_topic=changelog.name(settings),
            guarded_topics=(scores.name(settings),),
            core=partial(core, config),
            emit=StageEmitter(settings, name, source.name(settings), up, target, column, scores),
            state_version=STATE_VERSION,
            kinds=core.KINDS,
            batch_rows=settings.batch_rows,
        )
        for name, up, source, changelog, scores, target, column, core in wiring
    }
    specs["parameters"] = StageSpec(
        name="parameters",
        input_topic=topics.LESSONS.name(settings),
        changelog_topic=topics.PARAMETERS_CHANGELOG.name(settings),
        guarded_topics=(),
        core=lambda partition: Learner(),
        emit=ParametersEmitter(settings),
        state_version=STATE_VERSION,
        kinds=Learner.KINDS,
    )
    specs[COMMUNITIES] = StageSpec(
        name=COMMUNITIES,
        input_topic=topics.PARTICIPATION.name(settings),
        changelog_topic=topics.COMMUNITIES_CHANGELOG.name(settings),
        guarded_topics=(topics.COMMUNITIES.name(settings),),
        core=lambda partition: GroupsState(config, partition),
        emit=CommunitiesEmitter(settings),
        state_version=STATE_VERSION,
        kinds=GroupsState.KINDS,
    )
    return specs


def intake_stage(route: Topic) -> str:
    """Name under which the intake of an input topic reports its progress."""
    return f"intake-{route.base}"
