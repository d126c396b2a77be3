"""Faults beside a real Prometheus: each is kept up until its alert fires, then ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil
from aiokafka import AIOKafkaProducer

from streams.broker.embedded import Broker
from streams.broker.machine import free_port
from streams.broker.server_properties import HOST
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.datasets.dataset import read
from streams.datasets.social_world import make_world, write_world
from streams.demo.processes import Child
from streams.demo.watch import Watch
from streams.kafka import provision
from streams.kafka.clients import started
from streams.kafka.log_reader import LogReader
from streams.ops.replay import Publisher, Replay
from streams.watching.checks import Checked, check
from streams.watching.prometheus import beside
from streams.watching.samples import NotThereError, ask, query

JUNK = 400
CLONES = 15
BURST = 4_000
CALM_S = 75.0
"""Before the first fault: the rate of flags needs a past to be compared with."""
PATIENCE_S = 180.0
Say = Callable[[str], None]


class AlarmError(RuntimeError):
    """A run that could not be brought to its end."""


@dataclass
class Alarmed(Checked):
    """What was found, and which alerts should have fired once each."""

    wanted: tuple[str, ...] = ()

    def as_wanted(self) -> bool:
        """Whether each of them fired once, and no panel is empty."""
        return not self.empty and all(self.fired[name] == 1 for name in self.wanted)


class Cut:
    """A way to Kafka that can be cut: connections are passed on, or go nowhere."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self.cut = False
        self._open: set[asyncio.StreamWriter] = set()

    @contextlib.asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[None]:
        """Pass on what comes to this port."""
        server = await asyncio.start_server(self._pass_on, HOST, port)
        try:
            yield
        finally:
            server.close()
            self.sever()
            while self._open:  # what was passed on ends with its connection
                await asyncio.sleep(0.01)

    def sever(self) -> None:
        """End what is open."""
        for writer in self._open:
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.cut:
            writer.close()
            return
        upstream_reader, upstream = await asyncio.open_connection(HOST, self._to_port)
        self._open |= {writer, upstream}
        try:
            await asyncio.gather(_copy(reader, upstream), _copy(upstream_reader, writer))
        finally:
            self._open -= {writer, upstream}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.contextmanager
def _kafka(folder: Path, say: Say) -> Iterator[tuple[str, int, int]]:
    """A broker with a second way in, whose advertised port is another: (bootstrap, way in, advertised)."""
    port, way_in, advertised, controller = free_port(), free_port(), free_port(), free_port()
    extra = {
        "listeners": f"PLAINTEXT://{HOST}:{port},CUT://{HOST}:{way_in},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port},CUT://{HOST}:{advertised}",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CUT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
    }
    node = Broker(folder)
    try:
        node.start(port=port, owner_pid=os.getpid(), extra=extra, say=say)
        yield node.bootstrap, way_in, advertised
    finally:
        node.stop(patience_s=5.0)


async def run(folder: Path, size: str, speed: float, by: float, say: Say) -> Alarmed:
    """Replay, do harm, and ask what fired."""
    data = read(write_world(make_world(size), folder / "world"))
    with _kafka(folder / "kafka", say) as (bootstrap, way_in, advertised), contextlib.ExitStack() as processes:
        ports = {name: free_port() for name in ("worker", "communities", "api")}
        settings = Settings(broker=bootstrap, partitions=1, session_timeout_ms=45_000, instance_id="alarms")
        provision.create(settings.broker, settings)
        cut = Cut(way_in)
        async with cut.listening(advertised):
            children = {
                name: Child(name, (name,), _settings_of(name, settings, ports, advertised), folder / f"{name}.log")
                for name in ports
            }
            for child in children.values():
                processes.callback(child.stop)
            targets = {f"credence-{name}": f"{HOST}:{port}" for name, port in ports.items()}
            await _all_answer(targets.values())
            url = processes.enter_context(beside(folder / "prometheus", targets, by=by))
            say(f"Prometheus watches: {url}")
            since_s = time.time()
            async with Watch(settings) as watch:
                replay = asyncio.create_task(Replay(settings, data, settings.verdict_lag_ms, speed).run())
                try:
                    found = await _Faults(settings, url, children["worker"].pid, cut, watch, say).run(replay)
                finally:
                    replay.cancel()
                    await asyncio.gather(replay, return_exceptions=True)
            checked = await asyncio.to_thread(check, url, since_s)
            return Alarmed(checked.panels, checked.empty, checked.fired, found)


async def _all_answer(targets: Iterable[str]) -> None:
    """Wait until every process serves its metrics: one that starts is no one that is down."""
    end = time.monotonic() + PATIENCE_S
    for target in targets:
        while True:
            with contextlib.suppress(NotThereError):
                await asyncio.to_thread(ask, f"http://{target}/metrics")
                break
            if time.monotonic() > end:
                raise AlarmError(f"{target} did not come up in {PATIENCE_S:.0f} s")
            await asyncio.sleep(0.2)


def _settings_of(name: str, settings: Settings, ports: dict[str, int], advertised: int) -> Settings:
    if name == "api":
        return settings.replace(broker=f"{HOST}:{advertised}", api_port=ports[name])
    return settings.replace(metrics_port=ports[name])


class _Faults:
    """The four faults, in order."""

    def __init__(self, settings: Settings, url: str, worker: int, cut: Cut, watch: Watch, say: Say) -> None:
        self._settings, self._url, self._worker = settings, url, worker
        self._cut, self._watch, self._say = cut, watch, say

    async def run(self, replay: asyncio.Task[Any]) -> tuple[str, ...]:
        """Inject them; returns the alerts that should have fired."""
        await self._until("events are scored", 'sum(credence_rows_total{stage="claims"}) > 0')
        await asyncio.sleep(CALM_S)
        await self._publish([(str(n), b"no json %d" % n) for n in range(JUNK)])
        await self._fires("CredenceDeadLetters")
        self._cut.cut = True
        self._cut.sever()
        await self._fires("CredenceApiStale")
        self._cut.cut = False
        await self._publish(await self._flood())
        await self._fires("CredenceFlagRateHigh")
        (child,) = psutil.Process(self._worker).children()
        child.send_signal(signal.SIGSTOP)
        await self._publish(self._burst())
        await self._fires("CredenceWorkerStalled")
        child.send_signal(signal.SIGCONT)
        await self._until("the worker moves again", "max(credence_stalled_seconds) < 1")
        if replay.done():
            replay.result()
        return "CredenceDeadLetters", "CredenceApiStale", "CredenceFlagRateHigh", "CredenceWorkerStalled"

    async def _fires(self, alert: str) -> None:
        await self._until(f"{alert} fires", f'ALERTS{{alertname="{alert}",alertstate="firing"}} == 1')
        self._say(f"{alert} fires")

    async def _until(self, what: str, expr: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not await asyncio.to_thread(query, self._url, expr):
            if time.monotonic() > end:
                self._say(f"waited {PATIENCE_S:.0f} s in vain until {what}")
                return
            await asyncio.sleep(0.5)

    async def _publish(self, records: list[tuple[str, bytes]]) -> None:
        async with started(AIOKafkaProducer, client_kwargs(self._settings)) as producer:
            publisher = Publisher(producer, topics.EVENTS.name(self._settings))
            await publisher.publish(records)
            await publisher.acked()

    async def _flood(self) -> list[tuple[str, bytes]]:
        """What was said of the claims that were flagged so far, again, of claims of other names."""
        flagged, found = {*self._watch.raised}, []
        async for record in self._events():
            event = orjson.loads(record)
            if event.get("claim_id") in flagged:
                for n in range(CLONES):
                    again = {
                        key: f"{event[key]}~{n}" for key in ("id", "claim_id", "parent_id", "root_id") if event.get(key)
                    }
                    found.append((event["source_id"], orjson.dumps(event | again)))
        self._say(f"{len(flagged)} flagged claims are told {CLONES} times more: {len(found):,} events")
        return found

    async def _events(self) -> AsyncIterator[bytes]:
        name = topics.EVENTS.name(self._settings)
        async with LogReader(client_kwargs(self._settings)) as logs:
            for partition, (start, end) in enumerate(await logs.bounds(name, (await logs.partitions([name]))[name])):
                async for record in logs.read(name, partition, start, end):
                    if record.value and record.value.startswith(b"{"):
                        yield record.value

    def _burst(self) -> list[tuple[str, bytes]]:
        """So many events of no consequence that their fetch goes to the child."""
        now_ms = int(time.time() * 1000)
        event = {"v": 1, "kind": "post", "occurred_at_ms": now_ms}
        return [
            (f"b{n}", orjson.dumps({**event, "id": f"burst{n}", "source_id": f"b{n}", "claim_id": f"burst{n}"}))
            for n in range(BURST)
        ]
