"""Looks now and then at what this worker holds, for those who watch: counts of its partitions, and how it stands."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from faust.types import TP

from streams.agents.publish import monitor
from streams.contract import metrics
from streams.engine.stage import StagePartition, StageSpec
from streams.engine.watchdog import Watchdog
from streams.scoring.dispatch import BlockCore

EVERY_S = 5.0
SHARE = 0.005
"""Of the worker's time that looking may take: where a look takes long, the next one comes later."""


class Look:
    """Looks at the partitions of one process.

    Args:
        partitions: those it holds now; read at each look. One whose state is still being read is left out.
        stage_of: input topic → stage.
    """

    def __init__(self, partitions: Mapping[TP, StagePartition[Any]], stage_of: Mapping[str, StageSpec[Any]]) -> None:
        self._partitions, self._stage_of = partitions, stage_of
        self._due_s = 0.0

    def begin(self, watchdog: Watchdog, partitions: int) -> None:
        """Say how many partitions there are, and have the watchdog asked at every scrape."""
        metrics.PARTITIONS.at().set(partitions)
        metrics.STALLED.at().set_function(watchdog.stalled_s)

    def take(self) -> None:
        """Count, if it is time."""
        began = time.monotonic()
        if began < self._due_s:
            return
        held: dict[str, list[StagePartition[Any]]] = {spec.name: [] for spec in self._stage_of.values()}
        for tp, partition in self._partitions.items():
            if partition.whole:
                held[self._stage_of[tp.topic].name].append(partition)
        for stage, parts in held.items():
            cores = [part.replica.core for part in parts]
            rows = sum(len(table) for core in cores for table in core.tables)
            monitor.counted(stage, rows, [core.census() for core in cores if isinstance(core, BlockCore)])
        ended = time.monotonic()
        self._due_s = ended + max(EVERY_S, (ended - began) / SHARE)
