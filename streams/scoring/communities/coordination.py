"""Coordination: accounts that act as one, found by whom they appear with.

Two sources co-act when they assert on the same claim; each participation is paired with the `ring` before it. Of a pair
are counted: claims shared on the same side, on opposite sides, and on the same side within 20 minutes.

    npmi = ln(co·N / (n_a·n_b)) / −ln(co / N)                 co shared claims, n joined, N claims seen
    edge   windowed:     near ≥ 5 and (npmi(near) ≥ .55 or near / (min n + 10) ≥ .4), n ≥ 10 each
           window-free:  same ≥ 5 and npmi(same) ≥ .3 and same / (same + opposite) ≥ .9
           synchronous:  near ≥ 5 and near / (same + opposite) ≥ .8 and near·min h ≥ 7
                         h = mean of −ln r over a source's claims, r the share of a claim's pairs within 20 minutes

Slow botnets evade any window, but not the second rule: they must stand on the same side of the same rare claims. A net
without borders draws other members for each act and evades both, because any two of them share few claims. But whenever
two of them meet, they meet within minutes. By chance that has probability Π r, which is near 1 for claims on which
everybody comes at once, and small for those that take days. Edges become clusters as connected parts in which everybody
keeps at least four edges and a quarter of the possible ones.

Pairs are counted a source at a time: one counter for each source it may meet, set back before the next. So memory is
bounded by the sources, nothing is guessed and no pair is missed. 2·`ring`·P meetings at most are gone through, some
10 ns each.

Source: normalised pointwise mutual information, Bouma 2009; co-action networks, Pacheco et al., ICWSM 2021 and
CooRTweet; quasi-cliques of raters, Community Notes.
Failure modes: a fan club that always shares the same few posts looks like a net (it is treated as one voice, not as
guilty); a net whose members share fewer than five claims is invisible; very large claims are sampled by the ring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.scoring.numeric import Floats, Int, Ints
from streams.tables.compiled import compiled

MEETINGS = np.dtype([("same", "i4"), ("opposite", "i4"), ("near", "i4")])
PAIR = np.dtype([("a", "i8"), ("b", "i8"), *MEETINGS.descr])


@dataclass(frozen=True, slots=True)
class CoordinationConfig:
    """Thresholds; see the module's formulas."""

    ring: int = 64
    near_ms: int = 20 * 60_000
    shared_min: int = 5
    joined_min: int = 10
    npmi_near: float = 0.55
    overlap_near: float = 0.4
    npmi_same: float = 0.3
    agreement: float = 0.9
    together: float = 0.8
    surprise: float = 7.0  # nats
    members_min: int = 5
    degree_min: int = 4
    density_min: float = 0.25


@dataclass(frozen=True, slots=True)
class Participations:
    """Who asserted what on which claim, each (source, claim) once, in order of arrival."""

    source: Ints  # numbered from 0
    claim: Ints
    t_ms: Ints
    stance: npt.NDArray[np.int8]  # 1 support, 2 denial

    def take(self, at: Ints) -> Participations:
        """Some of them, in the order given."""
        return Participations(self.source[at], self.claim[at], self.t_ms[at], self.stance[at])


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of sources that share enough claims to be looked at: counts of shared claims as floats."""

    a: Ints
    b: Ints
    same: Floats
    opposite: Floats
    near: Floats


def find_clusters(took_part: Participations, sources: int, config: CoordinationConfig) -> list[Ints]:
    """Members (ascending) of each cluster of sources that act as one, the largest first.

    Five who deny the same twelve claims, each time at the same moment:

    >>> net = np.tile(np.arange(5), 12); c = np.repeat(np.arange(12), 5)
    >>> some = Participations(net, c, c * 60_000, np.full(60, 2, np.int8))
    >>> [m.tolist() for m in find_clusters(some, 5, CoordinationConfig())]
    [[0, 1, 2, 3, 4]]
    """
    a, b = edges(took_part, sources, config)
    nodes, ends = np.unique(np.concatenate([a, b]), return_inverse=True)
    a, b, n = ends[: len(a)], ends[len(a) :], len(nodes)
    label, alive = np.arange(n), np.ones(n, bool)
    for _ in range(12):  # peel sources with few edges, or few of those their part could have
        keep = alive[a] & alive[b]
        a, b = a[keep], b[keep]
        label = _components(n, a, b)
        degree = np.bincount(a, minlength=n) + np.bincount(b, minlength=n)
        size = np.bincount(label, minlength=n)[label]
        weak = (degree < np.maximum(config.degree_min, config.density_min * (size - 1))) & (degree > 0)
        alive = (degree > 0) & ~weak
        if not weak.any():
            break
    size = np.bincount(label[alive], minlength=n)
    parts = [nodes[alive & (label == part)] for part in np.flatnonzero(size >= config.members_min).tolist()]
    return sorted(parts, key=len, reverse=True)


def edges(took_part: Participations, sources: int, config: CoordinationConfig) -> tuple[Ints, Ints]:
    """[edges] both ends of each pair of sources that co-acts beyond chance, by any of the rules."""
    joined = np.bincount(took_part.source, minlength=sources)
    seen = float(max(len(np.unique(took_part.claim)), 2))
    pairs = co_actions(took_part, joined, config)
    n_a, n_b = joined[pairs.a].astype(np.float64), joined[pairs.b].astype(np.float64)
    fewest = np.minimum(n_a, n_b)
    windowed = (
        (pairs.near >= config.shared_min)
        & (fewest >= config.joined_min)
        & ((npmi(pairs.near, n_a, n_b, seen) >= config.npmi_near)
           | (pairs.near / (fewest + 10.0) >= config.overlap_near))
    )  # fmt: skip
    unlikely = surprise(took_part, sources, config)
    synchronous = (
        (pairs.near >= config.shared_min)
        & (pairs.near >= config.together * (pairs.same + pairs.opposite))
        & (pairs.near * np.minimum(unlikely[pairs.a], unlikely[pairs.b]) >= config.surprise)
    )
    agreed = pairs.same / (pairs.same + pairs.opposite) >= config.agreement
    edge = windowed | synchronous | (agreed & (npmi(pairs.same, n_a, n_b, seen) >= config.npmi_same))
    return pairs.a[edge], pairs.b[edge]


def surprise(took_part: Participations, sources: int, config: CoordinationConfig) -> Floats:
    """h of each source, in nats: how unlikely it is to meet somebody on its claims within 20 minutes.

    Two claims, one of four people at once and one of four over four hours; source 0 was on both.

    >>> who, claim = np.array([0, 1, 2, 3, 0, 4, 5, 6]), np.repeat([0, 1], 4)
    >>> some = Participations(who, claim, np.array([0, 0, 0, 0, 0, 1, 2, 3]) * 3_600_000, np.ones(8, np.int8))
    >>> surprise(some, 7, CoordinationConfig()).round(2).tolist()
    [1.11, 0.13, 0.13, 0.13, 2.08, 2.08, 2.08]
    """
    order = np.lexsort((took_part.t_ms, took_part.claim))
    claim, t_ms = took_part.claim[order], took_part.t_ms[order]
    since = t_ms - t_ms.min() if t_ms.size else t_ms
    place = claim * (int(since.max(initial=0)) + config.near_ms + 1) + since
    after = np.searchsorted(place, place + config.near_ms, "right") - np.arange(len(place)) - 1
    near, people = np.bincount(claim, after), np.bincount(claim)
    rate = (near + 1.0) / (people * (people - 1) / 2 + 2.0)
    total = np.bincount(took_part.source, -np.log(rate[took_part.claim]), minlength=sources)
    mean: Floats = total / np.maximum(np.bincount(took_part.source, minlength=sources), 1)
    return mean


def co_actions(took_part: Participations, joined: Ints, config: CoordinationConfig) -> Pairs:
    """Pairs that share at least `shared_min` claims on the same side, in no order, with exact counts.

    Args:
        joined: claims of each source.
    """
    often = np.flatnonzero(joined[took_part.source] >= config.shared_min)
    by_claim = took_part.take(often[np.argsort(took_part.claim[often], kind="stable")])
    first, end = ring_of(by_claim.claim, config.ring)
    by_source = np.argsort(by_claim.source, kind="stable")
    meetings, met = np.zeros(len(joined), MEETINGS), np.zeros(len(joined), np.int64)

    def found_in(room: int) -> tuple[npt.NDArray[Any], int]:
        pairs = np.empty(room, PAIR)
        return pairs, _co_actions(
            by_source, by_claim.source, by_claim.stance, by_claim.t_ms, first, end, config.near_ms, config.shared_min,
            meetings, met, pairs,
        )  # fmt: skip

    pairs, count = found_in(4 * len(often))  # seldom are there more; what is not written to takes no memory
    if count > len(pairs):
        pairs, count = found_in(count)
    pairs = pairs[:count]
    same, opposite, near = (pairs[name].astype(np.float64) for name in ("same", "opposite", "near"))
    return Pairs(pairs["a"], pairs["b"], same, opposite, near)


def ring_of(claim: Ints, ring: int) -> tuple[Ints, Ints]:
    """Of each participation (sorted by claim) those it meets, itself among them: the first, and behind the last.

    They are on the same claim and at most `ring` places away.

    >>> [of.tolist() for of in ring_of(np.array([7, 7, 7, 9]), 1)]
    [[0, 0, 1, 3], [2, 3, 3, 4]]
    """
    at = np.arange(len(claim))
    first = np.maximum(np.searchsorted(claim, claim, "left"), at - ring)
    return first, np.minimum(np.searchsorted(claim, claim, "right"), at + ring + 1)


@compiled
def _co_actions(
    by_source: Ints, source: Ints, stance: npt.NDArray[np.int8], t_ms: Ints, first: Ints, end: Ints,
    near_ms: Int, shared_min: Int, meetings: Any, met: Ints, pairs: Any,
) -> int:  # fmt: skip
    """Pairs that agreed on enough claims: how many; as many as there is room for are written down.

    Args:
        by_source: the participations by source; first, end: whom each one meets.
        meetings: of each source with the one that is looked at, all 0; met: room for those it meets.
        pairs: room for what is found.
    """
    found, at = 0, 0
    while at < len(by_source):
        a, count = source[by_source[at]], 0
        while at < len(by_source) and source[by_source[at]] == a:
            one = by_source[at]
            for other in range(first[one], end[one]):
                b = source[other]
                if b > a:
                    shared = meetings[b]
                    if shared.same + shared.opposite == 0:
                        met[count] = b
                        count += 1
                    if stance[one] == stance[other]:
                        shared.same += 1
                        shared.near += abs(t_ms[one] - t_ms[other]) <= near_ms
                    else:
                        shared.opposite += 1
            at += 1
        for b in met[:count]:
            shared = meetings[b]
            if shared.same >= shared_min:
                if found < len(pairs):
                    pair = pairs[found]
                    pair.a, pair.b = a, b
                    pair.same, pair.opposite, pair.near = shared.same, shared.opposite, shared.near
                found += 1
            shared.same, shared.opposite, shared.near = 0, 0, 0
    return found


def npmi(shared: Floats, n_a: Floats, n_b: Floats, seen: float) -> Floats:
    """Normalised pointwise mutual information of joining the same claims; 1 always together, 0 as by chance.

    >>> npmi(np.array([10.0]), np.array([10.0]), np.array([10.0]), 1000.0).round(3).tolist()
    [1.0]
    """
    co = np.maximum(shared, 0.5)
    value: Floats = np.log(co * seen / np.maximum(n_a * n_b, 1.0)) / np.maximum(-np.log(co / seen), 1e-9)
    return value


def _components(n: int, a: Ints, b: Ints) -> Ints:
    """Connected components by minimum-label propagation with pointer jumping."""
    label = np.arange(n)
    while a.size:
        low = np.minimum(label[a], label[b])
        before = label.copy()
        np.minimum.at(label, a, low)
        np.minimum.at(label, b, low)
        label = label[label]
        if np.array_equal(before, label):
            break
    return label
