"""A Faust worker with the toy stage in place of both stateful stages' cores; run by the tests as a process."""

from __future__ import annotations

import faust

from streams.contract import topics
from streams.contract.settings import Settings
from streams.engine.journal import Outgoing
from streams.engine.stage import StageSpec
from streams.worker.wiring import build
from tests.engine.toy import Counter


def toy_specs(settings: Settings) -> dict[str, StageSpec]:
    scores = topics.SOURCE_SCORES.name(settings)

    def emit(partition, applied, rejected, sequence):  # type: ignore[no-untyped-def]
        last = {k: v for step in applied for k, v in step.effects.counts.items()}
        return [Outgoing(scores, partition, k.encode(), str(v).encode()) for k, v in last.items()]

    return {
        "sources": StageSpec(
            "sources",
            topics.BY_SOURCE.name(settings),
            topics.SOURCES_CHANGELOG.name(settings),
            (scores,),
            lambda partition: Counter(),
            emit,
            1,
        ),
    }


if __name__ == "__main__":
    settings = Settings.from_env()
    faust.Worker(
        build(settings, toy_specs(settings)), loglevel="INFO", blocking_timeout=None
    ).execute_from_commandline()
