"""Sets of cascades in columns: the stream of events, the claims' labels, and when each ruling is released."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np
import numpy.typing as npt

from streams.contract.codes import DENY, FALSE, POST, RESHARE, STANCE_CODES, SUPPORT, TRUE
from streams.datasets.findings import Findings

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Small = npt.NDArray[np.int8]

STANCES = {stance or "": code for stance, code in STANCE_CODES.items()}
LABELS = {"true": TRUE, "false": FALSE}
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Rulings:
    """Releases of verdicts, in order of time: claim code, verdict (TRUE or FALSE), release in ms."""

    claim: Codes
    verdict: Small
    t_ms: Ints


@dataclass(frozen=True)
class Corrections:
    """Deletes and updates of events, in order of time: by whom, of which event, and what an update brings.

    They are no events: the core under test hears them, baselines go by what was said.
    """

    t_ms: Ints
    kind: Small
    stance: Small
    user_ids: Sequence[str]
    event_ids: Sequence[str]
    texts: Sequence[str]  # "" = none

    def __len__(self) -> int:
        return len(self.t_ms)


NO_CORRECTIONS = Corrections(np.zeros(0, np.int64), np.zeros(0, np.int8), np.zeros(0, np.int8), (), (), ())


@dataclass(frozen=True)
class CascadeSet:
    """Events sorted by (time, event id), and the claims they belong to, as columns.

    Attributes:
        name: what reports call it.
        t_ms: [events] event time in ms.
        kind, stance: [events] codes of `streams.contract.codes`, as given.
        claim, user: [events] codes, indices into `claim_ids` and `user_ids`.
        parent: [events] event id of the parent, "" for a root.
        community: [events] index into `communities` (0 is "", unassigned).
        text_hash: [events] 64-bit hash of the normalised text, 0 = none.
        truth: [claims] 1 true, 2 false, 0 neither (brings events, no ruling, is not evaluated).
        group: [claims] claims that tell the same story share a number.
        own_rulings: releases that belong to the data (synthetic worlds); None: t₀ + lag of every labelled claim.
        corrections: deletes and updates of the events.
        attacked: [claims] claims an attack aimed at; `attackers`: its accounts.
        burn_in: share of the labelled claims, by date, that teach but are not evaluated.
        findings: what was left out of its files, and why.
    """

    name: str
    t_ms: Ints
    kind: Small
    stance: Small
    claim: Codes
    user: Codes
    event_ids: Sequence[str]
    parent: Sequence[str]
    community: Codes
    text_hash: npt.NDArray[np.uint64]
    claim_ids: Sequence[str]
    user_ids: Sequence[str]
    communities: Sequence[str]
    truth: Small
    group: Codes
    own_rulings: Rulings | None = None
    corrections: Corrections = NO_CORRECTIONS
    attacked: npt.NDArray[np.bool_] | None = None
    attackers: int = 0
    burn_in: float = 0.0
    findings: Findings = field(default_factory=Findings)

    def __len__(self) -> int:
        return len(self.t_ms)

    @property
    def start_ms(self) -> Ints:
        """[claims] t₀: time of the earliest event; the largest int64 for a claim without events."""
        start = np.full(len(self.claim_ids), np.iinfo(np.int64).max)
        np.minimum.at(start, self.claim, self.t_ms)
        return start

    @property
    def asserted(self) -> Small:
        """[events] effective stance: a given support or denial; a post or reshare without stance supports; else 0."""
        given = np.where((self.stance == SUPPORT) | (self.stance == DENY), self.stance, 0)
        tacit = (self.stance == 0) & ((self.kind == POST) | (self.kind == RESHARE))
        return np.where(tacit, SUPPORT, given).astype(np.int8)

    def rulings(self, lag_ms: int) -> Rulings:
        """Every release: the set's own, or the label of each labelled claim at t₀ + lag."""
        if self.own_rulings is not None:
            return self.own_rulings
        start = self.start_ms
        claims = np.flatnonzero((self.truth > 0) & (start < np.iinfo(np.int64).max))
        claims = claims[np.argsort(start[claims], kind="stable")]
        return Rulings(claims.astype(np.int32), self.truth[claims], start[claims] + lag_ms)

    def evaluated(self) -> Codes:
        """Codes of the labelled claims to score, in order of t₀ (then id), after the burn-in."""
        start = self.start_ms
        claims = np.flatnonzero((self.truth > 0) & (start < np.iinfo(np.int64).max))
        ids = np.array([self.claim_ids[c] for c in claims.tolist()], dtype=np.str_)
        ordered = claims[np.lexsort((ids, start[claims]))]
        return np.asarray(ordered[int(self.burn_in * len(ordered)) :], np.int32)

    def shuffled(self, seed: int) -> CascadeSet:
        """The same set with labels dealt out anew among the claims that have one, and verdicts as the labels say.

        What a scorer still tells apart is chance, or a fault of the protocol.
        """
        labelled, truth = np.flatnonzero(self.truth > 0), self.truth.copy()
        truth[labelled] = np.random.default_rng(seed).permutation(truth[labelled])
        own = self.own_rulings
        if own is not None:
            own = replace(own, verdict=np.where(truth[own.claim] > 0, truth[own.claim], own.verdict))
        return replace(self, truth=truth, own_rulings=own)

    def sorted(self) -> CascadeSet:
        """The same set with events in order of (time, event id)."""
        return self.take(order_by_time(self.t_ms, self.event_ids))

    def take(self, rows: Ints) -> CascadeSet:
        """The given events, in the given order."""
        picked = rows.tolist()
        return replace(
            self,
            t_ms=self.t_ms[rows],
            kind=self.kind[rows],
            stance=self.stance[rows],
            claim=self.claim[rows],
            user=self.user[rows],
            event_ids=[self.event_ids[i] for i in picked],
            parent=[self.parent[i] for i in picked],
            community=self.community[rows],
            text_hash=self.text_hash[rows],
        )


def order_by_time(t_ms: Ints, event_ids: Sequence[str]) -> Ints:
    """Permutation that sorts by (time, event id); compares ids only where times tie."""
    order = np.argsort(t_ms, kind="stable")
    at = t_ms[order]
    tied = np.flatnonzero(at[1:] == at[:-1])
    if not tied.size:
        return order
    breaks = np.flatnonzero(np.diff(tied) > 1)
    firsts = tied[np.concatenate([[0], breaks + 1])]
    lasts = tied[np.concatenate([breaks, [len(tied) - 1]])] + 1
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        run = order[first : last + 1].tolist()
        order[first : last + 1] = sorted(run, key=event_ids.__getitem__)
    return order


def codes_of(names: Iterable[str]) -> tuple[Codes, list[str]]:
    """Codes in order of first appearance, and the names by code."""
    code: defaultdict[str, int] = defaultdict(count().__next__)
    column = np.fromiter(map(code.__getitem__, names), np.int32)
    return column, list(code)
