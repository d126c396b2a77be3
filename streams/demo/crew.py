"""The processes of a demo: a worker, the communities stage and the query service, each replaced if it ends itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Self

from aiokafka import TopicPartition

from streams.broker.machine import free_port, is_free
from streams.client.asynchronous import AsyncClient
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.demo.processes import Child
from streams.kafka.log_reader import LogReader

API_PORT = 8080
READY_S = 60.0
RESTARTS = 3
STAGES = ("worker", "communities")
# Below "warning" Faust shows no spinner, for which it would format every debug message of its clients.
COMMANDS = {
    "worker": ("worker", "--log-level", "info"),
    "communities": ("communities", "--log-level", "info"),
    "api": ("api",),
}


class DemoError(RuntimeError):
    """The demo cannot go on. The message says why, and shows what the process concerned said last."""


class Crew:
    """Runs the processes; a context manager that ends them, however it is left.

    Args:
        settings: with the broker filled in.
        folder: for what they say.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        # The communities stage serves its metrics on a port of its own.
        self._apart = settings.replace(metrics_port=free_port())
        self._answered = False
        self._open = contextlib.ExitStack()
        self._children: dict[str, Child] = {}
        self._started = 0

    def __enter__(self) -> Self:
        with self._open as opening:
            for name in COMMANDS:
                self._start(name)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def api(self) -> str:
        """Address of the query service."""
        return f"http://{self._settings.api_host}:{self._settings.api_port}"

    @property
    def metrics(self) -> dict[str, str]:
        """Job → address of its metrics."""
        host, ports = self._settings.metrics_host, (self._settings.metrics_port, self._apart.metrics_port)
        found = {job: f"http://{host}:{port}/metrics" for job, port in zip(STAGES, ports, strict=True)}
        return {f"credence-{job}": url for job, url in (found | {"api": f"{self.api}/metrics"}).items()}

    def _start(self, name: str) -> None:
        self._started += 1
        if name == "api" and not self._answered:
            self._settings = self._settings.replace(api_port=API_PORT if is_free(API_PORT) else free_port())
        settings = self._apart if name == "communities" else self._settings
        child = Child(name, COMMANDS[name], settings, self._folder / f"{name}-{self._started}.log")
        self._children[name] = child
        self._open.callback(child.stop)
        # All are asked to end before the first is waited for.
        self._open.callback(child.terminate)

    async def ready(self, claim_id: str) -> None:
        """Wait until every partition has an owner and the query service answers about a claim, known or not.

        The owner of a partition writes its name into each changelog when it claims it.
        """
        settings = self._settings
        async with LogReader(client_kwargs(settings)) as logs:
            wanted = [
                TopicPartition(topic.name(settings), p)
                for topic in (topics.SOURCES_CHANGELOG, topics.CLAIMS_CHANGELOG, topics.COMMUNITIES_CHANGELOG)
                for p in range(settings.partitions)
            ]
            end = time.monotonic() + READY_S
            while not (self._listens() and all((await logs.ends(wanted)).values())):
                self.must_live(*STAGES)
                if self._children["api"].ended() is not None and self._started == len(COMMANDS):
                    self._start("api")  # another demo took the port between the look and the start
                if time.monotonic() > end:
                    raise DemoError(
                        f"not ready in {READY_S:.0f} s; the worker says:\n{self._children['worker'].tail()}"
                    )
                await asyncio.sleep(0.1)
        async with AsyncClient(self.api, patience_s=READY_S) as client:
            await client.claim(claim_id)
        self._answered, self._started = True, len(COMMANDS)

    def _listens(self) -> bool:
        """Whether the query service has its port: what else answers there would be another's."""
        return b"answering on " in self._children["api"].log.read_bytes()

    def must_live(self, *names: str) -> None:
        """Raise DemoError if one of them has ended."""
        for child in (self._children[name] for name in names):
            if (code := child.ended()) is not None:
                raise DemoError(f"the {child.name} ended with status {code}; it said:\n{child.tail()}")

    def replaced(self) -> list[str]:
        """Replace what ended itself, as any supervisor would; a sentence for each. Raises DemoError at the fourth."""
        said = []
        for name in COMMANDS:
            if self._children[name].ended() is None:
                continue
            if self._started == len(COMMANDS) + RESTARTS:
                self.must_live(name)
            said.append(f"The {name} process ended itself ({self._children[name].last_words()}); another takes over.")
            self._start(name)
        return said

    async def rest(self) -> None:
        """End the stages; the query service goes on."""
        for name in STAGES:
            await asyncio.to_thread(self._children[name].stop)
