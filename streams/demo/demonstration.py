"""The whole demo: everything started, the data replayed, the report made, everything ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from rich.console import Console

from streams.api.access import ANYBODY, Scope, made
from streams.broker import embedded as broker
from streams.broker.machine import free_port
from streams.client.asynchronous import AsyncClient
from streams.contract.settings import PREFIX, Settings
from streams.datasets import dataset
from streams.datasets.dataset import Dataset
from streams.demo.closing import (
    Example,
    Facts,
    Truth,
    before_verdicts,
    examples,
    flags_report,
    largest,
    lone_report,
    ranking,
)
from streams.demo.crew import Crew
from streams.demo.in_order import InOrder, differences, in_order, live_scores
from streams.demo.processes import settings_line
from streams.demo.screen import LiveScreen, PlainScreen, Screen
from streams.demo.sentences import print_checks, print_places, print_refused, print_report
from streams.demo.steps import Steps
from streams.demo.watch import Watch
from streams.kafka import provision
from streams.ops.idle import Standstill
from streams.ops.replay import Replay, ReplayStatus
from streams.scoring.rehearsal import prepare
from streams.tables.compiled import anything_kept
from streams.watching.checks import check
from streams.watching.panels import BOARDS
from streams.watching.prometheus import beside

REST_S = 6.5
PARTITIONS_VARIABLE = PREFIX + "PARTITIONS"
"""Unless it is set, one partition: for one worker more would only make more and smaller steps of every verdict."""
SESSION_MS = 45_000
"""Nobody would take over from the only worker: a machine that is busy elsewhere need not end it."""
HOUR_MS = 3_600_000
ANSWER_S = 60.0
"""Seconds for an answer of the query service: a first explanation reads the core's machine code."""


@dataclass(frozen=True)
class Asked:
    """What the user asked for.

    Attributes:
        data: folder of a data set; None: the seeded world of `size`.
        labels: what the labels of its claims mean, over what is understood without.
        settings: settings; the broker in it, if any, is used in a namespace of its own that is deleted at the end.
        speed: see Replay.
        once: end after the report even with a terminal.
        check: run `verify`, and compare live scores with those of event-time order.
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
    with _folder() as folder, contextlib.closing(Steps(console)) as steps:
        steps("reading the data" if asked.data else "making a world")
        directory, data = _data(asked, folder, console)
        steps("starting Apache Kafka")
        with _kafka(asked, console) as settings:
            if not anything_kept():  # or all processes would compile it at once, and the demo be silent meanwhile
                steps("compiling the scoring core, once: about a minute")
                prepare(lambda sentence: console.print(sentence, highlight=False, markup=False))
            steps("creating the topics")
            provision.create(settings.broker, settings)
            try:
                return asyncio.run(_Demo(asked, settings, directory, data, folder, console, steps).run())
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
        "metrics_port": free_port(),
        "session_timeout_ms": SESSION_MS,
        # Under the same name, one that follows it need not wait until it is given up.
        "instance_id": "demo",
        # Whoever tries it out asks from here, and the verdicts of the data count.
        "api_host": "127.0.0.1",
        "raters": "",
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
        self,
        asked: Asked,
        settings: Settings,
        directory: Path,
        data: Dataset,
        folder: Path,
        console: Console,
        steps: Steps,
    ) -> None:
        self._asked, self._data, self._console = asked, data, console
        self._folder, self._steps = folder, steps
        self._token, line = made("demo", (Scope.READ, Scope.RULE))
        (folder / "tokens").write_text(f"{ANYBODY}\n{line}\n")
        settings = self._settings = settings.replace(api_tokens_file=str(folder / "tokens"))
        self._truth, self._facts = Truth.read(directory, data), Facts(data)
        self._watch = Watch(settings, (self._truth.lone, *self._truth.stories))
        self._crew = Crew(settings, folder)

    async def run(self) -> dict[str, Any]:
        began = time.perf_counter()
        first = {name: column[0] if len(self._data) else "" for name, column in self._data.columns.items()}
        self._steps("starting a worker, the communities stage and the query service")
        with self._crew as crew, contextlib.ExitStack() as beside_it:
            await crew.ready(first["claim_id"])
            seconds = time.perf_counter() - began
            self._say(f"A worker, the communities stage and the query service took {seconds:.1f} s to come up.")
            prometheus, watched_since = self._prometheus(beside_it), time.time()
            self._places("Look around while it runs", first["claim_id"], first["source_id"])
            async with self._watch:
                status = await self._replay()
                self._steps("reading the last scores")
                await self._watch.caught_up()
                watched = await asyncio.to_thread(self._watched, prometheus, watched_since) if prometheus else {}
                ordered = await self._in_order()
                shown = self._examples(ordered)
                why = await self._why(shown, ordered)
                result = self._result(status, ordered) | ({"watch": watched} if prometheus else {})
                await self._check(result, ordered)
            self._steps.close()
            print_report(self._console, result, shown, why)
            print_checks(self._console, result)
            print_refused(self._console, result)
            if self._stays():
                await self._stay()
        return result

    def _places(self, words: str, claim: str, source: str) -> None:
        """Say where to look, and what to ask."""
        crew = self._crew
        shown = {
            "pages": f"{crew.api}/",
            "to answer there": f"sign in at {crew.api}/sign-in with {self._token}",
            "a claim": f"curl {crew.api}/v1/claims/{quote(claim, safe='')}",
            "a source": f"curl {crew.api}/v1/sources/{quote(source, safe='')}",
            "flags": f"curl {crew.api}/v1/flags",
            "metrics": crew.metrics["credence-worker"],
            "Kafka": self._settings.broker,
        }
        asked = ("claims", f"explain {shlex.quote(claim)}", "flags tail", f"top {' '.join(crew.metrics.values())}")
        self._steps.close()
        print_places(self._console, settings_line(self._settings), shown, asked, words)

    def _prometheus(self, open_: contextlib.ExitStack) -> str:
        """Address of the Prometheus that watches, "" if none was asked for."""
        if not self._asked.watch:
            return ""
        targets = {job: urlsplit(url).netloc for job, url in self._crew.metrics.items()}
        url = open_.enter_context(beside(self._folder / "prometheus", targets))
        self._say(f"Prometheus watches: {url}/graph, {url}/alerts; credence top --prometheus {url}")
        return url

    def _watched(self, url: str, since_s: float) -> dict[str, object]:
        """What the dashboards show of the run, and pictures of them if they are wanted."""
        self._steps("asking the dashboards' panels")
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

    async def _replay(self) -> ReplayStatus:
        """Replay, while whatever process ends itself is replaced."""
        lag_ms = self._settings.verdict_lag_ms
        with self._screen() as screen:
            replay = Replay(self._settings, self._data, lag_ms, self._asked.speed, screen.show)
            running = asyncio.create_task(replay.run())
            try:
                while not running.done():
                    await asyncio.wait([running], timeout=0.5)
                    for sentence in self._crew.replaced():
                        screen.say(sentence)
                return await running
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    def _screen(self) -> Screen:
        if not self._console.is_terminal:
            return PlainScreen(self._console, self._watch, self._data)
        health = {"kafka": self._settings.broker, "api": self._crew.api}
        return LiveScreen(self._console, self._watch, self._data, health)

    async def _in_order(self) -> InOrder:
        """The same data once more in the order of event time: what was known before each verdict."""
        self._shown = largest(self._truth, self._facts, self._data)
        lag_ms = self._settings.verdict_lag_ms
        return await asyncio.to_thread(in_order, self._settings, self._data, lag_ms, self._shown, self._steps)

    def _examples(self, ordered: InOrder) -> list[Example]:
        lag_ms = self._settings.verdict_lag_ms
        return examples(self._shown, self._watch, ordered.before, self._truth, self._facts, self._data, lag_ms)

    async def _why(self, shown: list[Example], ordered: InOrder) -> dict[str, Any]:
        """Explanations of the claims that were misjudged: of before the verdict, or as the query service has it."""
        self._steps("asking the query service why")
        why = {claim.claim_id: claim.why for claim in ordered.before if claim.why}
        async with AsyncClient(self._crew.api, timeout_s=ANSWER_S) as client:
            for claim_id in (e.claim_id for e in shown if e.misjudged and e.claim_id not in why):
                if (found := await client.explanation(claim_id)) is not None:
                    why[claim_id] = msgspec.to_builtins(found)
        return why

    def _result(self, status: ReplayStatus, ordered: InOrder) -> dict[str, Any]:
        lag_ms = self._settings.verdict_lag_ms
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
            "flags": flags_report(self._watch, self._truth, self._facts, lag_ms),
            "before_verdicts": before_verdicts(ordered.before),
            "ranking": ranking(self._watch, self._truth, self._data),
            "lone_source": lone_report(self._watch, self._truth, self._facts, self._data, lag_ms),
        }

    async def _check(self, result: dict[str, Any], ordered: InOrder) -> None:
        """Verify and compare, with worker and communities stage ended or at rest."""
        if not self._asked.check:
            return
        from streams.ops.verify import verify

        settings = self._settings
        if self._stays():
            await self._rest()
        else:
            self._steps("ending the stages")
            await self._crew.rest()
        try:
            result["verify"] = (await verify(settings, self._steps)).as_dict()
        except Exception as error:  # a check that breaks is a result too, and the report comes all the same
            result["verify"] = {"error": repr(error)}
        flagged = set(ordered.end.flagged), set(self._watch.raised)
        result["live_vs_event_time"] = differences(ordered.end, await live_scores(settings)) | {
            "flagged_in_both": len(flagged[0] & flagged[1]),
            "flagged_in_one": len(flagged[0] ^ flagged[1]),
        }

    def _stays(self) -> bool:
        """Whether everything stays up after the report."""
        return self._console.is_terminal and not self._asked.once

    async def _rest(self) -> None:
        """Wait until the worker has nothing left to publish: what did not move much goes out a few seconds later."""
        seen = -1
        while seen != self._watch.records:
            seen = self._watch.records
            self._steps("waiting until nothing more comes out")
            await asyncio.sleep(REST_S)
            async with Standstill(self._settings, on_wait=self._steps.waiting) as standstill:
                await standstill.wait()
            await self._watch.caught_up()

    async def _stay(self) -> None:
        """Say what may be asked, and stay up until Ctrl-C."""
        self._crew.must_live("api")
        async with AsyncClient(self._crew.api, timeout_s=ANSWER_S) as client:
            flag = await anext(aiter(client.list_flags(limit=1)), None)
            claim = await anext(aiter(client.list_claims(limit=1)), None)
            source = await anext(aiter(client.list_sources()), None)
        shown = flag.subject.id if flag else claim.claim_id if claim else ""
        self._places("Look around", shown, self._truth.lone or (source.source_id if source else ""))
        self._say("Everything stays up until you press Ctrl-C.")
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(0.5)
                self._crew.must_live("worker", "api")
