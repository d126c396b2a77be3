"""A social world that was replayed on a real Kafka, with the query service and its pages up, for tests and pictures."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from load_tests.bench.children import running
from streams.api.access import Scope, made
from streams.contract.settings import Settings
from streams.datasets import dataset
from streams.datasets.social_world import World, make_world, write_world
from streams.kafka import provision
from streams.ops.idle import wait_idle
from streams.ops.replay import Replay
from tests.api.serving import Api


@dataclass(frozen=True)
class Up:
    """What is up, and who may do what there.

    Attributes:
        url: of the pages.
        ruler, reader: tokens of somebody who may rule, and of somebody who may only read.
    """

    url: str
    world: World
    ruler: str
    reader: str
    api: Api
    settings: Settings

    def settle(self) -> None:
        """Wait until everything published has had all its effects."""
        asyncio.run(wait_idle(self.settings))


@contextmanager
def replayed(settings: Settings, folder: Path, size: str) -> Iterator[Up]:
    """Replay a world of this size, verdicts a day after their claims, and keep it up for the length of the block."""
    settings = settings.replace(partitions=1)
    world = make_world(size)
    directory = write_world(world, folder / "world")
    (ruler, first), (reader, second) = made("ana", [Scope.READ, Scope.RULE]), made("ben", [Scope.READ])
    (folder / "tokens").write_text(f"{first}\n{second}\n")
    provision.create(settings.broker, settings)
    environ = {"CREDENCE_API_TOKENS_FILE": str(folder / "tokens"), "CREDENCE_API_STALENESS_MS": "60s"}
    with ExitStack() as open_:
        open_.callback(provision.delete, settings.broker, settings)
        for stage in ("worker", "communities"):
            open_.enter_context(running(settings, "streams.cli", stage, log=folder / f"{stage}.log"))
        asyncio.run(Replay(settings, dataset.read(directory), settings.verdict_lag_ms, None, lambda _: None).run())
        kept = {name: value for name, value in os.environ.items() if name == "NUMBA_CACHE_DIR"}
        api = Api(settings, CREDENCE_PARTITIONS="1", **environ, **kept)
        open_.callback(api.end)
        up = Up(api.url, world, ruler, reader, api, settings)
        up.settle()
        api.becomes("/readyz", lambda status, _: status == 200)
        yield up
