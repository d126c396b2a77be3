"""The wiring: settings, the Faust app, its agents, the engine and the pure core. The only place that knows them all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from faust.types import TP

from streams.contract import topics
from streams.contract.settings import Settings, faust_credentials, servers
from streams.contract.topics import Topic
from streams.engine.assignor import GrowingAssignor
from streams.engine.stage import StageSpec
from streams.engine.transport import RawSchema
from streams.kafka import provision
from streams.worker.app import CredenceApp, die
from streams.worker.stages import COMMUNITIES, STAGES, stage_specs

log = logging.getLogger(__name__)

ACTORS_MAX = 16
# One fetch of a partition becomes one block for each partition of the next stage. A block of a few thousand rows costs
# numpy as many calls as one of ten.
FETCH_BYTES = 4 << 20
AGENTS = (
    (topics.EVENTS, "intake"), (topics.RULINGS, "rulings"),
    *((stage.reads, stage.name) for stage in STAGES if stage.name != COMMUNITIES),
)  # fmt: skip


def build(
    settings: Settings, specs: Mapping[str, StageSpec[Any]] | None = None, communities: bool = False
) -> CredenceApp:
    """The app for these settings, with its agents.

    Args:
        specs: the stateful stages instead of the usual ones.
        communities: make the app of the communities stage alone; else of all other stages.
    """
    if specs is None:
        specs = {name: spec for name, spec in stage_specs(settings).items() if (name == COMMUNITIES) == communities}
    app = CredenceApp(
        settings,
        specs,
        broker=";".join(f"kafka://{host}" for host in servers(settings.broker)),
        broker_credentials=faust_credentials(settings),
        consumer_max_fetch_size=FETCH_BYTES,
        broker_session_timeout=settings.session_timeout_ms / 1000,
        broker_heartbeat_interval=settings.session_timeout_ms / 4000,
        broker_commit_interval=settings.commit_interval_ms / 1000,
        consumer_group_instance_id=settings.instance_id or None,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=provision.NOTICED_MS,
        PartitionAssignor=GrowingAssignor,
        store="memory://",
        table_standby_replicas=0,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        stream_wait_empty=False,
        autodiscover=False,
        datadir=str(Path(settings.data_dir) / "faust"),
    )
    for topic, name in ((topics.PARTICIPATION, COMMUNITIES),) if communities else AGENTS:
        _add_agent(app, topic, name)
    app.on_partitions_revoked.connect(_quiesce)
    app.on_rebalance_complete.connect(_recover)
    app.on_before_shutdown.connect(_shut_down)
    return app


def _add_agent(app: CredenceApp, topic: Topic, name: str) -> None:
    work = app.take_in if name in ("intake", "rulings") else app.process

    async def agent(stream: AsyncIterator[Any]) -> None:
        async for event in stream.events():  # type: ignore[attr-defined]
            message = event.message
            try:
                await work(message.tp, message.value)
            except asyncio.CancelledError:
                # Memory may be ahead of the changelog, so it must not be used again.
                if not app.should_stop:
                    die(f"{name} was cancelled within a batch")
                raise
            except BaseException as error:  # Faust would log it, acknowledge the batch and go on
                log.exception("%s failed on %s", name, message.tp)
                die(f"{name}: {error!r}")
            app.consumer.batch_done(message.tp)

    # One actor for each partition, so that their waits for acks overlap. The transport hands out one batch of each.
    actors = ACTORS_MAX if topic in topics.INPUTS else min(app.settings.partitions, ACTORS_MAX)
    app.agent(app.topic(topic.name(app.settings), schema=RawSchema()), name=name, concurrency=actors)(agent)


async def _quiesce(app: CredenceApp, revoked: set[TP], **_: Any) -> None:
    await app.release_all()


async def _recover(app: CredenceApp, **_: Any) -> None:
    try:
        await app.acquire_assigned()
    except BaseException as error:  # Faust swallows exceptions of recovery callbacks
        log.exception("recovery failed")
        die(f"recovery: {error!r}")


async def _shut_down(app: CredenceApp, **_: Any) -> None:
    await app.disconnect()
