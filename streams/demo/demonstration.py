"""The whole demo: everything started, the data replayed, the report made, everything ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from rich.console import Console

from streams.broker import embedded as broker
from streams.broker.machine import free_port, is_free
from streams.contract import topics
from streams.contract.settings import PREFIX, Settings, client_kwargs
from streams.datasets import dataset
from streams.datasets.dataset import Dataset
from streams.demo.closing import Facts, Truth, examples, flags_report, lone_report, ranking
from streams.demo.processes import Child, settings_line
from streams.demo.screen import LiveScreen, PlainScreen, Screen
from streams.demo.sentences import print_checks, print_places, print_refused, print_report
from streams.demo.watch import Watch
from streams.kafka import provision
from streams.kafka.log_reader import LogReader
from streams.ops.idle import Standstill
from streams.ops.replay import Replay, ReplayStatus
from streams.watching.checks import check
from streams.watching.panels import BOARDS
from streams.watching.prometheus import beside

API_PORT = 8080
READY_S = 60.0
RESTARTS = 3
REST_S = 6.5
# Below "warning" Faust shows no spinner, for which it would format every debug message of its clients.
WORKER = ("worker", "--log-level", "info")
COMMUNITIES = ("communities", "--log-level", "info")
PARTITIONS_VARIABLE = PREFIX + "PARTITIONS"
"""Unless it is set, one partition: for one worker more would only make more and smaller steps of every verdict."""
SESSION_MS = 45_000
"""Nobody would take over from the only worker: a machine that is busy elsewhere need not end it."""
HOUR_MS = 3_600_000


class DemoError(RuntimeError):
    """The demo cannot go on. The message says why, and shows what the process concerned said last."""


@dataclass(frozen=True)
class Asked:
    """What the user asked for.

    Attributes:
        data: folder of a data set; None: the seeded world of `size`.
        labels: what the labels of its claims mean, over what is understood without.
        settings: settings; the broker in it, if any, is used in a namespace of its own that is deleted at the end.
        speed: see Replay.
        once: end after the report even with a terminal.
        check: run `verify` and the comparison with event-time order.
        watch: start a Prometheus beside it, and say at the end what the dashboards would show.
        pictures: folder for a picture of each dashboard.
    """

    settings: Settings
    data: Path | None = None
    size: str = "demo"
    speed: float | None = None
    once: bool = False
    check: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    watch: bool = False
    pictures: Path | None = None


def run(asked: Asked, console: Console) -> dict[str, Any]:
    """Run the demo; what it shows goes to the console. Returns the result, JSON-able.

    Raises:
        BrokerError, TopicsError, DatasetError, StalledError, PublishError, DemoError: each says what to do.
    """
    with _folder() as folder:
        directory, data = _data(asked, folder, console)
        with _kafka(asked, console) as settings:
            provision.create(settings.broker, settings)
            try:
                return asyncio.run(_Demo(asked, settings, directory, data, folder, console).run())
            finally:
                if asked.settings.broker:
                    provision.delete(settings.broker, settings)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = broker.temporary("credence-demo-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _data(asked: Asked, folder: Path, console: Console) -> tuple[Path, Dataset]:
    if asked.data is not None:
        return asked.data, dataset.read(asked.data, asked.labels)
    from streams.datasets.social_world import make_world, write_world

    world = make_world(asked.size)
    directory = write_world(world, folder / "world")
    console.print(
        f"A world of {len(world.members.name):,} members in {world.settings.communities} communities, "
        f"{len(world.claim_ids)} claims and {len(world):,} events over {world.settings.days} days (seed {world.seed}). "
        "Its truth stays in world.json until the end.",
        highlight=False,
    )
    return directory, dataset.read(directory)


@contextlib.contextmanager
def _kafka(asked: Asked, console: Console) -> Iterator[Settings]:
    def say(sentence: str) -> None:
        console.print(sentence, highlight=False, markup=False)

    own = {
        "api_port": API_PORT if is_free(API_PORT) else free_port(),
        "metrics_port": free_port(),
        "session_timeout_ms": SESSION_MS,
        # Under the same name, one that follows it need not wait until it is given up.
        "instance_id": "demo",
    }
    if PARTITIONS_VARIABLE not in os.environ:
        own["partitions"] = 1
    if asked.settings.broker:
        namespace = f"{asked.settings.namespace}demo-{int(time.time()):x}."
        yield asked.settings.replace(namespace=namespace, **own)
        return
    began = time.perf_counter()
    with broker.private(say=say) as node:
        say(f"Apache Kafka is up at {node.bootstrap} ({time.perf_counter() - began:.1f} s).")
        yield asked.settings.replace(broker=node.bootstrap, **own)


class _Demo:
    """One run on a Kafka that is up."""

    def __init__(
        self, asked: Asked, settings: Settings, directory: Path, data: Dataset, folder: Path, console: Console
    ) -> None:
        self._asked, self._settings, self._data, self._console = asked, settings, data, console
        self._folder = folder
        self._truth = Truth.read(directory, data)
        self._watch = Watch(settings, (self._truth.lone, *self._truth.stories))
        self._api = f"http://{settings.api_host}:{settings.api_port}"
        self._processes = contextlib.ExitStack()
        self._started = 0
        # The communities stage serves its metrics on a port of its own.
        self._apart = settings.replace(metrics_port=free_port())

    async def run(self) -> dict[str, Any]:
        began = time.perf_counter()
        with self._processes:
            worker = self._start("worker", *WORKER)
            self._slow = self._start("communities", *COMMUNITIES)
            api = self._start("api", "api")
            await self._ready(worker, self._slow)
            seconds = time.perf_counter() - began
            self._say(f"A worker, the communities stage and the query service took {seconds:.1f} s to come up.")
            prometheus, watched_since = self._prometheus(), time.time()
            async with self._watch:
                status, worker = await self._replay(worker)
                await self._watch.caught_up()
                result = self._result(status)
                if prometheus:
                    result["watch"] = await asyncio.to_thread(self._watched, prometheus, watched_since)
                await self._check(result, worker)
            await self._close(result, worker, api)
        return result

    def _prometheus(self) -> str:
        """Address of the Prometheus that watches, "" if none was asked for."""
        if not self._asked.watch:
            return ""
        host, ports = self._settings.metrics_host, (self._settings.metrics_port, self._apart.metrics_port)
        places = {"credence-worker": ports[0], "credence-communities": ports[1]}
        targets = {job: f"{host}:{port}" for job, port in places.items()}
        targets["credence-api"] = self._api.removeprefix("http://")
        url = self._processes.enter_context(beside(self._folder / "prometheus", targets))
        self._say(f"Prometheus watches: {url}/graph, {url}/alerts; credence top --prometheus {url}")
        return url

    def _watched(self, url: str, since_s: float) -> dict[str, object]:
        """What the dashboards show of the run, and pictures of them if they are wanted."""
        found = check(url, since_s)
        for board in BOARDS if self._asked.pictures else ():
            from streams.watching.preview import draw

            draw(url, board, since_s, time.time(), Path(self._asked.pictures or ".") / f"{board.uid}.png")
        self._say(
            f"{found.panels} panels of the dashboards asked, {len(found.empty)} are empty; alerts: {found.alerts()}"
        )
        return found.as_dict()

    def _say(self, sentence: str) -> None:
        self._console.print(sentence, highlight=False, markup=False)

    def _start(self, name: str, *arguments: str) -> Child:
        self._started += 1
        settings = self._apart if name == "communities" else self._settings
        child = Child(name, arguments, settings, self._folder / f"{name}-{self._started}.log")
        self._processes.callback(child.stop)
        # All are asked to end before the first is waited for.
        self._processes.callback(child.terminate)
        return child

    async def _ready(self, *workers: Child) -> None:
        """Wait until every partition has been claimed: the owner writes its name into each changelog when it does."""
        async with LogReader(client_kwargs(self._settings)) as logs:
            wanted = [
                TopicPartition(topic.name(self._settings), p)
                for topic in (topics.SOURCES_CHANGELOG, topics.CLAIMS_CHANGELOG, topics.COMMUNITIES_CHANGELOG)
                for p in range(self._settings.partitions)
            ]
            end = time.monotonic() + READY_S
            while not all((await logs.ends(wanted)).values()):
                for child in workers:
                    self._alive(child)
                if time.monotonic() > end:
                    raise DemoError(f"not ready in {READY_S:.0f} s; the worker says:\n{workers[0].tail()}")
                await asyncio.sleep(0.1)

    def _alive(self, child: Child) -> None:
        if (code := child.ended()) is not None:
            raise DemoError(f"the {child.name} ended with status {code}; it said:\n{child.tail()}")

    async def _replay(self, worker: Child) -> tuple[ReplayStatus, Child]:
        """Replay. A worker that ends itself is replaced, as any supervisor would; the one that is left at the end."""
        restarts = 0
        lag_ms = self._settings.verdict_lag_ms
        with self._screen() as screen:
            replay = Replay(self._settings, self._data, lag_ms, self._asked.speed, screen.show)
            running = asyncio.create_task(replay.run())
            try:
                while not running.done():
                    await asyncio.wait([running], timeout=0.5)
                    if worker.ended() is not None:
                        if restarts == RESTARTS:
                            self._alive(worker)
                        restarts += 1
                        screen.say(f"The worker ended itself ({worker.last_words()}); another takes over.")
                        worker = self._start("worker", *WORKER)
                    if self._slow.ended() is not None:
                        if restarts == RESTARTS:
                            self._alive(self._slow)
                        restarts += 1
                        screen.say(
                            f"The communities stage ended itself ({self._slow.last_words()}); another takes over."
                        )
                        self._slow = self._start("communities", *COMMUNITIES)
                return await running, worker
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    def _screen(self) -> Screen:
        if not self._console.is_terminal:
            return PlainScreen(self._console, self._watch)
        health = {"kafka": self._settings.broker, "api": self._api}
        return LiveScreen(self._console, self._watch, self._data, health)

    def _result(self, status: ReplayStatus) -> dict[str, Any]:
        facts = Facts(self._data)
        lag_ms = self._settings.verdict_lag_ms
        self._examples = examples(self._watch, self._truth, facts, self._data)
        return {
            "events": status.events,
            "events_per_s": status.events / max(status.seconds, 1e-9),
            "seconds": status.seconds,
            "waited_s": status.waited_s,
            "waits": status.waits,
            "verdicts": status.verdicts,
            "verdict_lag_h": lag_ms / HOUR_MS,
            "claims": len(self._watch.claims),
            "sources": len(set(self._data.columns["source_id"])),
            "dead_letters": dict(self._watch.refused),
            **self._data.findings.as_dict(),
            "hidden_truth": self._truth.hidden,
            "flags": flags_report(self._watch, self._truth, facts, lag_ms),
            "ranking": ranking(self._watch, self._truth, self._data),
            "lone_source": lone_report(self._watch, self._truth, facts, self._data, lag_ms),
        }

    async def _check(self, result: dict[str, Any], worker: Child) -> None:
        """Verify and compare, with worker and communities stage ended or at rest."""
        if not self._asked.check:
            return
        from streams.demo.compare import compare, live_scores
        from streams.ops.verify import verify

        say = _Steps(self._console)
        settings = self._settings
        if self._stays():
            await self._rest(say)
        else:
            for child in (worker, self._slow):
                await asyncio.to_thread(child.stop)
        try:
            result["verify"] = (await verify(settings, say)).as_dict()
        except Exception as error:  # a check that breaks is a result too, and the report comes all the same
            result["verify"] = {"error": repr(error)}
        result["live_vs_event_time"] = await asyncio.to_thread(
            compare, settings, self._data, settings.verdict_lag_ms, await live_scores(settings), say
        )
        say.done()

    def _stays(self) -> bool:
        """Whether everything stays up after the report."""
        return self._console.is_terminal and not self._asked.once

    async def _rest(self, say: _Steps) -> None:
        """Wait until the worker has nothing left to publish: what did not move much goes out a few seconds later."""
        seen = -1
        while seen != self._watch.records:
            seen = self._watch.records
            await asyncio.sleep(REST_S)
            async with Standstill(self._settings, on_wait=say.waiting) as standstill:
                await standstill.wait()
            await self._watch.caught_up()

    async def _close(self, result: dict[str, Any], worker: Child, api: Child) -> None:
        print_report(self._console, result, self._examples)
        print_checks(self._console, result)
        print_refused(self._console, result)
        if not self._stays():
            return
        claim = next(reversed(self._watch.standing.values()), None)
        shown = claim["subject"]["id"] if claim else next(iter(self._watch.claims), "")
        source = self._truth.lone or next(iter(self._watch.sources), "")
        if api.ended() is not None:
            self._say(f"The query service ended: {api.last_words()}")
        print_places(self._console, settings_line(self._settings), self._api, shown, source)
        self._say("\nEverything stays up until you press Ctrl-C.")
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(0.5)
                self._alive(worker)


class _Steps:
    """Tells what is being checked, each step once."""

    def __init__(self, console: Console) -> None:
        self._status = console.status("checking") if console.is_terminal else None
        if self._status:
            self._status.start()

    def __call__(self, what: str, share: float) -> None:
        if self._status:
            self._status.update(f"checking: {what} ({share:.0%})")

    def waiting(self, what: str) -> None:
        """Tell what is waited for."""
        if self._status:
            self._status.update(f"waiting for {what}")

    def done(self) -> None:
        """Clear the line."""
        if self._status:
            self._status.stop()
