"""The wiring of settings, Faust app, agents, engine and scoring core. The only place that knows them all."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import time
from collections.abc import Collection, Container, Mapping
from pathlib import Path
from typing import Any

import faust
from faust.types import TP

from streams.agents.intake.forward import Intake
from streams.agents.intake.places import Places, watch
from streams.agents.intake.translation import ROUTES
from streams.agents.publish import monitor
from streams.contract import topics
from streams.contract.metrics import Work
from streams.contract.settings import DATA_DIR, Settings, client_kwargs, folder_of
from streams.engine.fetched import Fetch, Records
from streams.engine.progress import Progress, ProgressBoard
from streams.engine.replica import Fence
from streams.engine.sending import ProduceFailed, Sender
from streams.engine.stage import BatchReport, StagePartition, StageSpec
from streams.engine.transport import BatchTransport
from streams.engine.watchdog import Watchdog, end_if_stopped, without_end
from streams.kafka import provision
from streams.kafka.identity import Identity
from streams.kafka.ownership import Ownership
from streams.worker.look import Look
from streams.worker.stages import COMMUNITIES, intake_stage

log = logging.getLogger(__name__)

PACE_S = {**dict.fromkeys(ROUTES, 0.06), topics.LESSONS: 0.1, topics.PARTICIPATION: 0.1}
"""Seconds between two fetches that bring something, so that they bring more. Input waits a little: all stages then get
what becomes of it together. What is off the path has more time, and not a second: whoever waits until everything has
had its effects, as the demo does after each verdict, waits for it too."""
# Fetched records come and go by the ten thousand, without cycles. Collecting as often as Python does by itself takes a
# fifth of the worker's time.
GC_THRESHOLDS = (200_000, 20, 100)


def die(reason: str) -> None:
    """End this process at once, and say why. The changelog has what is durable; a supervisor starts another process."""
    log.critical("worker ends itself: %s", reason)
    logging.shutdown()
    os._exit(70)


class CredenceApp(faust.App):
    """Faust app whose messages are batches and whose state lives in the engine."""

    def __init__(self, settings: Settings, specs: Mapping[str, StageSpec[Any]], **kwargs: Any) -> None:
        self.settings = settings
        self._client = client_kwargs(settings)
        self._specs = dict(specs)
        self._partitions: dict[TP, StagePartition[Any]] = {}
        self._owned: set[TP] = set()
        self._busy: dict[TP, asyncio.Lock] = {}
        self._sender = Sender(self._client)
        self.company = self._sender.company
        self._handed_out_s = 0.0
        self.intake = Intake(settings, self._sender)
        self.progress = ProgressBoard(self._client, topics.PROGRESS.name(settings), self._sender)
        self._stage_of = {spec.input_topic: spec for spec in self._specs.values()}
        self._input_topics = {route.name(settings): route for route in ROUTES}
        self._pace_s = {topic.name(settings): pace_s for topic, pace_s in PACE_S.items()}
        self._meta: Mapping[str, Any] = {}
        internal = [topic.name(settings) for topic in topics.ALL if topic not in topics.KEPT]
        self.identity = Identity(settings, () if COMMUNITIES in specs else self._input_topics, internal, die)
        self.ownership = Ownership(settings)
        stages = {name: intake_stage(route) for name, route in self._input_topics.items()}
        self.places = Places(self.progress, self.identity, stages)
        self._tasks: list[asyncio.Task[None]] = []
        self._done_at_s: dict[TP, float] = {}
        self._told: set[TP] = set()
        self._look = Look(self._partitions, self._stage_of)
        group = topics.COMMUNITIES_GROUP if COMMUNITIES in specs else topics.GROUP
        super().__init__(settings.namespace + group, **kwargs)

    def _create_directories(self) -> None:
        """Make Faust's folders, which stay empty, only if a folder is named. Without one, nothing can fail here."""
        if self.settings.data_dir:
            folder_of(DATA_DIR, Path(self.settings.data_dir) / "faust")
            super()._create_directories()

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self)

    # --- what the transport asks ---------------------------------------------------------------------------------

    def positions(self) -> dict[TP, int]:
        """For each partition that was just assigned, the offset to read next."""
        return self.places.begin(self._inputs()) | self._state_positions()

    def _state_positions(self) -> dict[TP, int]:
        return {tp: self._partitions[tp].replica.fence.offset + 1 for tp in self._owned if tp in self._partitions}

    def _inputs(self) -> set[TP]:
        """Input partitions that this worker reads."""
        return {tp for tp in self.consumer.assignment() if tp.topic in self._input_topics}

    def unparsed_topics(self) -> Container[str]:
        """Topics whose batches are handed out unparsed."""
        return self._input_topics

    def pace_s(self, topic: str) -> float:
        """Seconds between two fetches of a topic that bring something."""
        return self._pace_s.get(topic, 0.0)

    def handed_out(self, tps: Collection[TP]) -> None:
        """Batches of these partitions are handed out together."""
        if tps:
            self._handed_out_s = time.monotonic()
            self.company.expect(tps)

    def held_partitions(self) -> set[TP]:
        """Input partitions not to fetch now, because a later stage lags by more than the bound."""
        bound = self.settings.max_stage_lag
        for name in self._specs:
            if any(progress.lag > bound for progress in self.progress.latest(name).values()):
                return self._inputs()
        return set()

    def _work_positions(self) -> dict[TP, int]:
        """For each partition that this worker should be making progress on, the offset it stands at."""
        inputs = [tp for tp in self._inputs() - self.held_partitions() if not self.identity.gone(tp.topic)]
        return {tp: self.places.next(tp) for tp in inputs} | self._state_positions()

    # --- lifecycle -----------------------------------------------------------------------------------------------

    async def on_first_start(self) -> None:
        """Called by Faust once, before anything is consumed."""
        await super().on_first_start()
        await self.connect()

    async def connect(self) -> None:
        """Connect what the agents use."""
        states = await asyncio.to_thread(provision.states, self.settings.broker, self.settings)
        missing = [state.name for state in states if not state.partitions]
        if missing:
            die(f"topics are missing ({', '.join(missing)}): run `credence topics create`")
        await self.identity.start()
        self._meta = {"partitions": self.settings.partitions, "topics": self.identity.internal()}
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        await self._sender.start()
        if COMMUNITIES not in self._specs:
            self.intake.start()
        await self.progress.start()
        watchdog = Watchdog(self._work_positions, self.progress.ends, die, self.settings.stall_ms / 1000)
        session_s = self.settings.session_timeout_ms / 1000
        self._look.begin(watchdog, self.settings.partitions)
        running = (watchdog.run(), end_if_stopped(session_s, die), self._tick(), self._watch_topics())
        self._tasks = [asyncio.create_task(without_end(each, die)) for each in running]

    async def disconnect(self) -> None:
        """Stop writing."""
        for task in self._tasks:
            task.cancel()
        await self.release_all()
        self.intake.stop()
        await self.progress.stop()
        await self.identity.stop()
        self.ownership.close()
        for partition in self._partitions.values():
            await partition.release()
        await self._sender.stop()

    async def release_all(self) -> None:
        """Before a rebalance: let the batches under way end, then release all partitions."""
        owned, self._owned = self._owned, set()
        for tp in owned:
            async with self._lock(tp):
                pass

    async def acquire_assigned(self) -> None:
        """After a rebalance: claim every assigned stateful partition and bring its state up to date."""
        wanted = {tp for tp in self.consumer.assignment() if tp.topic in self._stage_of}
        count = self.settings.partitions
        if grown := sorted({tp.topic for tp in wanted if tp.partition >= count}):
            die(f"{', '.join(grown)} has more than its {count} partitions. {provision.WAY_OUT.format(count=count)}")
        for tp in set(self._partitions) - wanted:
            await self._partitions.pop(tp).release()
        self._forget(self._told - self.consumer.assignment())
        began = time.perf_counter()
        rows = sum(await asyncio.gather(*(self._acquire(tp) for tp in sorted(wanted))))
        self._owned = wanted
        owned: dict[str, list[str]] = {}
        for tp in sorted(wanted):
            owned.setdefault(self._stage_of[tp.topic].name, []).append(str(tp.partition))
        told = "; ".join(f"{stage} {','.join(partitions)}" for stage, partitions in owned.items()) or "no partition"
        log.info("ready with %s: %d rows of state read in %.1f s", told, rows, time.perf_counter() - began)
        monitor.held(self._specs, (self._stage_of[tp.topic].name for tp in wanted))

    def _forget(self, gone: set[TP]) -> None:
        """What is no longer this worker's is no longer told."""
        for tp in gone:
            monitor.lost(self._reports_as(tp.topic), tp.partition)
            self._done_at_s.pop(tp, None)
        self._told -= gone

    def _reports_as(self, topic: str) -> str:
        """Name under which the reader of a topic reports its progress."""
        route = self._input_topics.get(topic)
        return self._stage_of[topic].name if route is None else intake_stage(route)

    async def _acquire(self, tp: TP) -> int:
        """Acquire a partition. Returns the rows of state that had to be read."""
        spec = self._stage_of[tp.topic]
        if tp not in self._partitions:
            self._partitions[tp] = StagePartition(spec, tp.partition, self._client, self._meta, self._sender)
        began = time.perf_counter()
        rows = await self._partitions[tp].acquire()
        self._partitions[tp].check_continues((await self.progress.begins([tp]))[tp])
        if (report := self.progress.report(spec.name, tp.partition)) is not None:
            self._partitions[tp].check_reported(report, self.identity.of(tp.topic))
        monitor.recovered(spec.name, time.perf_counter() - began, rows)
        self._publish(spec.name, tp, self._partitions[tp].replica.fence.offset, 0)
        return rows

    async def _watch_topics(self) -> None:
        """Notice topics that were deleted or made anew, and input that was deleted before it was read."""

        def waiting() -> set[TP]:
            return self._inputs().difference(self.held_partitions(), self.consumer.at_hand())

        async for tp in watch(self.identity, self.places, waiting, self._join_for_unowned):
            self._publish(intake_stage(self._input_topics[tp.topic]), tp, self.places.next(tp) - 1, 0)

    async def _join_for_unowned(self) -> None:
        """Join the group again if a partition has no owner. A leader that restarts under its name does not know that it
        leads, and then no member notices new topics and partitions."""
        topics_read = {*self._stage_of} | ({*self._input_topics} if COMMUNITIES not in self._specs else set())
        if unowned := await self.ownership.unowned(self.conf.id, topics_read):
            log.info("%s/%d belongs to no worker: joining the group again", *unowned[0])
            self.consumer.join_again()

    async def _tick(self) -> None:
        """Give each owned partition its ticks."""
        while True:
            await asyncio.sleep(0.25)
            for tp in list(self._owned):
                async with self._lock(tp):
                    if tp in self._owned:
                        await self._tick_one(tp)
            self._look.take()

    async def _tick_one(self, tp: TP) -> None:
        try:
            await self._partitions[tp].tick(time.monotonic())
        except ProduceFailed as error:
            die(f"tick of {tp}: {error}")

    def _lock(self, tp: TP) -> asyncio.Lock:
        return self._busy.setdefault(tp, asyncio.Lock())

    # --- work ----------------------------------------------------------------------------------------------------

    async def process(self, tp: TP, records: Records) -> None:
        """Apply one fetched batch of a stateful partition. Drop it if the partition is no longer owned."""
        async with self._lock(tp):
            if tp in self._owned:
                self._waited(self._stage_of[tp.topic].name, tp)
                await self._partitions[tp].process(records, self, (records.position, records.offset))
                self._done_at_s[tp] = time.perf_counter()

    def _waited(self, stage: str, tp: TP) -> None:
        """Work on a batch begins: the partition's time since the last one was spent waiting."""
        now_s = time.perf_counter()
        there_s = self.consumer.handed_at_s.get(tp, now_s)
        waited_s = max(0.0, there_s - self._done_at_s.get(tp, there_s))
        monitor.worked(stage, {Work.WAITING: waited_s, Work.POLL: max(0.0, now_s - there_s)})

    def committed(self) -> None:
        """Offsets were committed."""
        monitor.committed()

    async def take_in(self, tp: TP, fetches: list[Fetch]) -> None:
        """Decode and route what was fetched of an input partition."""
        route = self._input_topics[tp.topic]
        self._waited(monitor.INTAKE, tp)
        for fetch in fetches:
            began = time.perf_counter()
            same = asyncio.create_task(self.identity.confirm(tp.topic, self._handed_out_s))
            topic_id = self.identity.of(tp.topic)
            if self.intake.is_much(fetch):
                self.company.came(tp)
            outgoing, rows, rejects, mended = await self.intake.translate(route, topic_id, tp.partition, fetch)
            await same
            decoded = time.perf_counter()
            await self.places.arrived(tp, fetch.position)
            self.company.came(tp)
            await self.intake.forward(outgoing)
            self.places.taken(tp, fetch.offset)
            done = time.perf_counter()
            monitor.taken_in(rows + len(rejects), rows, rejects, decoded - began, done - decoded, mended)
            self._publish(intake_stage(route), tp, fetch.offset, fetch.timestamp)
            self._done_at_s[tp] = done

    def _publish(self, stage: str, tp: TP, applied: int, append_ms: int) -> None:
        end = self.consumer.highwater(tp) or 0
        lag = max(0, end - 1 - applied)
        self._told.add(tp)
        monitor.lag(stage, tp.partition, lag, append_ms)
        report = Progress(stage, tp.partition, applied, lag, append_ms, self.identity.of(tp.topic))
        self.progress.publish(report)

    def writes(self, stage: str, partition: int) -> None:
        """Observer of the stages."""
        self.company.came(TP(self._specs[stage].input_topic, partition))

    async def applied(self, stage: str, partition: int, fence: Fence, batch: BatchReport) -> None:
        """Observer of the stages: metrics and progress."""
        monitor.applied(stage, batch)
        tp = TP(self._specs[stage].input_topic, partition)
        self._publish(stage, tp, fence.offset, batch.last_append_ms)
