"""The stream once more in strict event-time order, one partition, no broker: what was known just before each verdict.

The same bytes go through the same codec and the same state classes; only the order differs. Live, partitions
interleave, late events arrive late, and stamps are as old as their hop; the distance between the two is told, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.agents.intake.careful import Limits
from streams.agents.intake.events import decode_events
from streams.agents.intake.rulings import decode_rulings
from streams.contract.settings import Settings, client_kwargs
from streams.datasets.dataset import Dataset, Logged, Release
from streams.datasets.labels import FALSE
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
class Before:
    """What was known of a claim just before its first verdict.

    Attributes:
        false: what the verdict said.
        risk_z: log-odds of being false, nats.
        score, low, high, risk: as in the claim's record.
        supports, denies: sources on each side.
        enough_evidence: whether people see the score.
        why: the explanation of that moment, of claims for which it was asked; else empty.
    """

    claim_id: str
    false: bool
    risk_z: float
    score: float
    low: float
    high: float
    risk: float
    supports: int
    denies: int
    enough_evidence: bool
    why: dict[str, Any] = field(default_factory=dict)


class Ordered:
    """All stages with one partition each; what one sends the other arrives before the next log record.

    `flagged` has the claims that were flagged, with the event time of the first flag.
    """

    def __init__(self, settings: Settings) -> None:
        config = scoring_config(settings)
        self.sources, self.claims = SourcesState(config), ClaimsState(config)
        self._parameters, self._groups = Learner(config), GroupsState(config)
        self._limits = Limits(raters=frozenset(r for r in settings.raters.split(",") if r))
        self._sequence = 0
        # The log's clock, by which claims are forgotten, stands still: live, too, a replay is appended within minutes.
        self._now_ms = int(time.time() * 1000)
        self.flagged: dict[str, int] = {}

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
        for _, effects in follow(block, self._now_ms, self._readers):
            for flag in effects.flags:
                if flag["action"] == "raise":
                    self.flagged.setdefault(flag["subject"]["id"], flag["event_time_ms"])

    def before(self, releases: Sequence[Release], explained: Collection[str]) -> list[Before]:
        """What is known of these claims now; with an explanation of those that are to be explained."""
        now = self.claims.read([release.claim_id for release in releases])
        fields = ("risk_z", "score", "low", "high", "risk", "supports", "denies", "enough_evidence")
        found = []
        for i, release in enumerate(releases):
            figures = {name: now[name][i].item() for name in fields}
            why = self.claims.explain(release.claim_id) if release.claim_id in explained else {}
            found.append(Before(release.claim_id, release.verdict == FALSE, **figures, why=why))
        return found

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


@dataclass(frozen=True)
class InOrder:
    """A data set in the order of event time.

    Attributes:
        before: what was known of each claim that was ruled on, in the order of the verdicts.
        end: all stages after the last event and verdict.
    """

    before: list[Before]
    end: Ordered


def in_order(
    settings: Settings,
    data: Dataset,
    lag_ms: int,
    explained: Collection[str] = (),
    say: Callable[[str, float], None] = lambda what, share: None,
) -> InOrder:
    """Score a data set in the order of event time, each verdict released this long after its claim's first event.

    Args:
        explained: claims to be explained as of just before their verdict.
        say: called with what is done, and the share of it.
    """
    ordered, known = Ordered(settings), list[Before]()
    order = np.argsort(data.t_ms, kind="stable")
    values = [record for _, record in data.records(0, len(data))]
    times = data.t_ms[order]
    row = 0
    for at_ms, due in groupby(data.releases(lag_ms), key=lambda release: release.at_ms):
        upto = int(np.searchsorted(times, at_ms, side="left"))
        row = _feed(ordered, values, order, row, upto)
        releases = list(due)
        # As `credence evaluate` does: what is asked at a moment comes before what is released at it.
        known += ordered.before(releases, explained)
        ordered.rulings([release.record() for release in releases])
        say("scoring in the order of event time", row / max(1, len(times)))
    _feed(ordered, values, order, row, len(times))
    return InOrder(known, ordered)


def _feed(ordered: Ordered, values: list[bytes], order: npt.NDArray[np.int64], row: int, upto: int) -> int:
    for lo in range(row, upto, BLOCK_ROWS):
        hi = min(upto, lo + BLOCK_ROWS)
        ordered.events([values[i] for i in order[lo:hi].tolist()])
    return upto


def differences(ordered: Ordered, live: Scores) -> dict[str, Any]:
    """Quantiles of |live − ordered| for score and risk over all claims: median, 95th percentile, largest."""
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
