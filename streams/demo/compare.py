"""How far live scores lie from those of a stream that arrived in strict event-time order, one partition, no broker.

The same bytes go through the same codec and the same state classes; only the order differs. Live, four partitions
interleave, late events arrive late, and stamps are as old as their hop.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.agents.intake.careful import Limits
from streams.agents.intake.events import decode_events
from streams.agents.intake.rulings import decode_rulings
from streams.contract.settings import Settings, client_kwargs
from streams.datasets.dataset import Dataset
from streams.engine.audit import recovered
from streams.kafka.log_reader import LogReader
from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.communities.communities_state import GroupsState
from streams.scoring.dispatch import BlockCore, follow
from streams.scoring.parameters.parameters_state import Learner
from streams.scoring.sources.sources_state import SourcesState
from streams.tables.blocks import Block
from streams.worker.stages import scoring_config, stage_specs

BLOCK_ROWS = 4_096
CLAIM_KINDS = frozenset(("stamped", "restamp", "rulings"))


@dataclass(frozen=True)
class Logged:
    """A record as a codec wants it."""

    offset: int
    timestamp: int
    value: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Ordered:
    """All stages with one partition each; what one sends the other arrives before the next log record."""

    def __init__(self, settings: Settings) -> None:
        config = scoring_config(settings)
        self.sources, self.claims = SourcesState(config), ClaimsState(config)
        self._parameters, self._groups = Learner(config), GroupsState(config)
        self._limits = Limits(raters=frozenset(r for r in settings.raters.split(",") if r))
        self._sequence = 0
        # The log's clock, by which claims are forgotten, stands still: live, too, a replay is appended within minutes.
        self._now_ms = int(time.time() * 1000)

    def events(self, records: list[bytes]) -> None:
        """Apply events, in this order."""
        self._send(decode_events(self._logged(records), 0, self._limits)[0])

    def rulings(self, records: list[bytes]) -> None:
        """Apply rulings."""
        self._send(decode_rulings(self._logged(records), 0, self._limits)[0])

    def _logged(self, records: list[bytes]) -> list[Logged]:
        self._sequence += len(records)
        first = self._sequence - len(records)
        return [Logged(first + i, self._now_ms, value) for i, value in enumerate(records)]

    def _send(self, block: Block) -> None:
        for _ in follow(block, self._now_ms, self._readers):
            pass

    def _readers(self, kind: str) -> tuple[BlockCore, ...]:
        if kind == "params":
            return self.sources, self.claims
        if kind == "lessons":
            return (self._parameters,)
        if kind in ("joined", "settled"):
            return (self._groups,)
        return (self.claims,) if kind in CLAIM_KINDS else (self.sources,)


Scores = dict[str, tuple[float, float]]
"""Claim id → public score and risk."""


async def live_scores(settings: Settings) -> Scores:
    """Scores of all claims by the live state as its changelog has it.

    Not the published records: those keep the parameters of their time until a claim moves again.
    """
    spec = stage_specs(settings)["claims"]
    found: Scores = {}
    async with LogReader(client_kwargs(settings)) as logs:
        for partition, (_, end) in enumerate(await logs.bounds(spec.changelog_topic, settings.partitions)):
            core = (await recovered(logs, spec, partition, end)).core
            assert isinstance(core, ClaimsState)
            ids = [key for table in core.tables if table.name == "claims" for key, _ in table.items()]
            found.update(_read(core, ids))
    return found


def _read(core: ClaimsState, ids: list[str]) -> Scores:
    if not ids:
        return {}
    now = core.read(ids)
    return dict(zip(ids, zip(now["score"].tolist(), now["risk"].tolist(), strict=True), strict=True))


def compare(
    settings: Settings,
    data: Dataset,
    lag_ms: int,
    live: Scores,
    say: Callable[[str, float], None] = lambda what, share: None,
) -> dict[str, Any]:
    """Differences of score and risk over all claims: median, 95th percentile, largest."""
    ordered = Ordered(settings)
    order = np.argsort(data.t_ms, kind="stable")
    values = [record for _, record in data.records(0, len(data))]
    times = data.t_ms[order]
    row = 0
    for release in data.releases(lag_ms):
        upto = int(np.searchsorted(times, release.at_ms, side="left"))
        row = _feed(ordered, values, order, row, upto)
        ordered.rulings([release.record()])
        say("scoring in the order of event time", row / max(1, len(times)))
    _feed(ordered, values, order, row, len(times))
    return differences(ordered, live)


def _feed(ordered: Ordered, values: list[bytes], order: npt.NDArray[np.int64], row: int, upto: int) -> int:
    for lo in range(row, upto, BLOCK_ROWS):
        hi = min(upto, lo + BLOCK_ROWS)
        ordered.events([values[i] for i in order[lo:hi].tolist()])
    return upto


def differences(ordered: Ordered, live: Scores) -> dict[str, Any]:
    """Quantiles of |live − ordered| for score and risk."""
    ids = sorted(live)
    out: dict[str, Any] = {"claims": len(ids)}
    if not ids:
        return out
    theirs = _read(ordered.claims, ids)
    gaps = np.abs(np.array([theirs[c] for c in ids]) - np.array([live[c] for c in ids]))
    for name, gap in zip(("score", "risk"), gaps.T, strict=True):
        out[name] = {
            "median": float(np.median(gap)),
            "p95": float(np.quantile(gap, 0.95)),
            "max": float(gap.max()),
        }
    return out
