"""Coordination: accounts that act as one, found by whom they appear with.

Two sources co-act when they assert on the same claim; each event is paired with at most `ring` earlier participants of
its claim, among sources that joined another claim before. Kept a pair: claims shared on the same side, on opposite
sides, and on the same side within 20 minutes.

    npmi = ln(co·N / (n_a·n_b)) / −ln(co / N)                 co shared claims, n joined, N claims seen
    edge   windowed:     near ≥ 5 and (npmi(near) ≥ .55 or near / (min n + 10) ≥ .4), n ≥ 10 each
           window-free:  same ≥ 5 and npmi(same) ≥ .3 and same / (same + opposite) ≥ .9

Slow botnets evade any window, but not the second rule: they must stand on the same side of the same rare claims. Edges
become clusters as connected parts in which everybody keeps at least four edges and a quarter of the possible ones.

Source: normalised pointwise mutual information, Bouma 2009; co-action networks, Pacheco et al., ICWSM 2021 and
CooRTweet; quasi-cliques of raters, Community Notes. Range: cluster ids are 64-bit, 0 for none.
Failure modes: a fan club that always shares the same few posts looks like a net (it is treated as one voice, not as
guilty); a net whose members share fewer than five claims is invisible; very large claims are sampled by the ring.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xxhash

from streams.blocks import Block
from streams.scoring.communities import find_communities, keep_names
from streams.scoring.numeric import Floats, Ints


@dataclass(frozen=True, slots=True)
class CoordinationConfig:
    """Bounds and thresholds; see the module's formulas."""

    ring: int = 64
    near_ms: int = 20 * 60_000
    shared_min: int = 5
    joined_min: int = 10
    npmi_near: float = 0.55
    overlap_near: float = 0.4
    npmi_same: float = 0.3
    agreement: float = 0.9
    members_min: int = 5
    degree_min: int = 4
    density_min: float = 0.25
    every_events: int = 2_000
    # K. 0 leaves everybody unassigned: with ρ_unassigned = ρ_community, K = 12 changed the AUC of the public score by
    # −.002 at 1 h and +.002 at 24 h in a clean world, and by −.015 and +.001 under camouflaged nets.
    communities: int = 0
    communities_every: int = 5  # rounds of clusters to one of communities
    participations_max: int = 400_000  # the latest, from which communities are found
    pairs_max: int = 2_000_000
    claims_max: int = 100_000


@dataclass(slots=True)
class _Ring:
    source: Ints
    t_ms: Ints
    stance: npt.NDArray[np.int8]


class Coordination:
    """Folds "events" blocks and answers with "assign" blocks when somebody's cluster changes.

    Memory: 24 bytes a pair, at most `pairs_max` of them (those met least are forgotten first), and 17 bytes for each
    of the `ring` latest participants of a claim.
    """

    def __init__(self, config: CoordinationConfig | None = None) -> None:
        self.config = config or CoordinationConfig()
        self._row_of: dict[str, int] = {}
        self._names: list[str] = []
        self._joined = np.zeros(1024, np.int64)
        self._cluster = np.zeros(1024, np.uint64)
        self._last_claim = np.full(1024, -1)
        self._rings: dict[int, _Ring] = {}
        self._number_of: dict[str, int] = {}
        self._claims = 0
        self._fresh: list[tuple[Ints, npt.NDArray[np.int8]]] = []
        self._keys: Ints = np.zeros(0, np.int64)
        self._counts: Ints = np.zeros((0, 3), np.int64)  # same, opposite, near
        self._since = 0
        self._rounds = 0
        self._took_part: list[Ints] = []
        self._community = np.zeros(1024, np.int64)

    def apply(self, block: Block) -> Block | None:
        """Fold a block of events; an "assign" block if clusters changed, every `every_events` assertions."""
        asserted = ((block["x"] == 1) | (block["x"] == 2)).nonzero()[0]
        if not asserted.size:
            return None
        rows = self._rows([block["s"][i] for i in asserted.tolist()])
        numbers = self._numbers([block["c"][i] for i in asserted.tolist()])
        joins = self._joins(rows, numbers)
        t_ms, stance = block["t"][asserted][joins], block["x"][asserted][joins]
        rows, numbers = rows[joins], numbers[joins]
        order = np.argsort(numbers, kind="stable")
        edges = np.flatnonzero(np.diff(numbers[order])) + 1
        for picked in np.split(order, edges) if order.size else []:
            self._meet(int(numbers[picked[0]]), rows[picked], t_ms[picked], stance[picked])
        self._since += len(asserted)
        if self._since < self.config.every_events:
            return None
        self._since = 0
        self._compress()
        communities = self._community[: len(self._names)]
        if self.config.communities and self._rounds % self.config.communities_every == 0:
            communities = self._find_communities()
        self._rounds += 1
        return self._assign(self._clusters(), communities)

    def _numbers(self, claims: list[str]) -> Ints:
        """Number of each claim; the oldest claims are forgotten beyond the bound."""
        number_of = self._number_of
        for claim in claims:
            if claim not in number_of:
                number_of[claim] = self._claims
                self._claims += 1
        numbers = np.fromiter(map(number_of.__getitem__, claims), np.int64, len(claims))
        while len(number_of) > self.config.claims_max:
            self._rings.pop(number_of.pop(next(iter(number_of))), None)
        return numbers

    def _joins(self, rows: Ints, numbers: Ints) -> Ints:
        """Rows that join a claim, once each, by sources that joined another one before: only they can meet again."""
        _, first = np.unique((rows << 32) | numbers, return_index=True)
        first.sort()
        first = first[self._last_claim[rows[first]] != numbers[first]]
        np.add.at(self._joined, rows[first], 1)
        self._last_claim[rows[first]] = numbers[first]
        again: Ints = first[self._joined[rows[first]] > 1]
        return again

    def _find_communities(self) -> Ints:
        """Community of every source from the latest participations, under the names that it had."""
        n, k = len(self._names), self.config.communities
        pairs = np.concatenate(self._took_part)[-self.config.participations_max :]
        self._took_part = [pairs]
        found = find_communities(pairs >> 32, pairs & 0xFFFFFFFF, n, self._claims, k, self.config.joined_min)
        return keep_names(self._community[:n], found, k) if self._community[:n].any() else found

    def _rows(self, names: list[str]) -> Ints:
        row_of = self._row_of
        for name in names:
            if name not in row_of:
                row_of[name] = len(self._names)
                self._names.append(name)
        while len(self._names) > len(self._joined):
            self._joined = np.concatenate([self._joined, np.zeros_like(self._joined)])
            self._last_claim = np.concatenate([self._last_claim, np.full_like(self._last_claim, -1)])
            self._cluster = np.concatenate([self._cluster, np.zeros_like(self._cluster)])
            self._community = np.concatenate([self._community, np.zeros_like(self._community)])
        return np.fromiter(map(row_of.__getitem__, names), np.int64, len(names))

    def _meet(self, claim: int, rows: Ints, t_ms: Ints, stance: npt.NDArray[np.int8]) -> None:
        """Pair new participants of a claim with the ring's earlier ones, then let them join it."""
        ring = self._rings.get(claim)
        if ring is not None:
            new = ~np.isin(rows, ring.source)
            rows, t_ms, stance = rows[new], t_ms[new], stance[new]
            source = np.concatenate([ring.source, rows])
            t_ms, stance = np.concatenate([ring.t_ms, t_ms]), np.concatenate([ring.stance, stance])
        else:
            source = rows
        if not rows.size:
            return
        k = self.config.ring
        self._took_part.append((rows << 32) | claim)
        self._rings[claim] = _Ring(source[-k:], t_ms[-k:], stance[-k:])
        newcomer = np.arange(len(source) - len(rows), len(source))[:, None]
        earlier = newcomer - np.arange(1, min(k, len(source) - 1) + 1)
        real = earlier >= 0
        one, other = earlier[real], np.broadcast_to(newcomer, earlier.shape)[real]
        a, b = source[one], source[other]
        same = stance[one] == stance[other]
        near = same & (np.abs(t_ms[one] - t_ms[other]) <= self.config.near_ms)
        self._fresh.append(((np.minimum(a, b) << 32) | np.maximum(a, b), (same + 2 * near).astype(np.int8)))

    def _compress(self) -> None:
        """Merge new meetings into the counts of pairs; forget the weakest beyond the bound."""
        if not self._fresh:
            return
        keys = np.concatenate([self._keys, *(k for k, _ in self._fresh)])
        code = np.concatenate([c for _, c in self._fresh])
        fresh = np.stack([(code & 1), 1 - (code & 1), code >> 1], axis=1).astype(np.int64)
        counts = np.concatenate([self._counts, fresh])
        self._fresh.clear()
        order = np.argsort(keys, kind="stable")
        keys, counts = keys[order], counts[order]
        starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        self._keys, self._counts = keys[starts], np.add.reduceat(counts, starts, axis=0)
        if len(self._keys) > self.config.pairs_max:
            strength = self._counts[:, 0]
            keep = np.sort(np.argsort(-strength, kind="stable")[: self.config.pairs_max // 2])
            self._keys, self._counts = self._keys[keep], self._counts[keep]

    def edges(self) -> tuple[Ints, Ints]:
        """Pairs of sources (row numbers) that co-act beyond chance, by either rule."""
        config = self.config
        often = np.flatnonzero(self._counts[:, 0] >= config.shared_min)
        a, b = self._keys[often] >> 32, self._keys[often] & 0xFFFFFFFF
        same, opposite, near = (self._counts[often, i].astype(np.float64) for i in range(3))
        n_a, n_b = self._joined[a].astype(np.float64), self._joined[b].astype(np.float64)
        seen = float(max(self._claims, 2))
        fewest = np.minimum(n_a, n_b)
        windowed = (
            (near >= config.shared_min)
            & (fewest >= config.joined_min)
            & ((npmi(near, n_a, n_b, seen) >= config.npmi_near) | (near / (fewest + 10.0) >= config.overlap_near))
        )
        window_free = (npmi(same, n_a, n_b, seen) >= config.npmi_same) & (same / (same + opposite) >= config.agreement)
        edge = windowed | window_free
        return a[edge], b[edge]

    def _clusters(self) -> npt.NDArray[np.uint64]:
        """Cluster of every source: connected parts of the graph that are dense enough."""
        config = self.config
        out = np.zeros(len(self._names), np.uint64)
        a, b = self.edges()
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
        for part in np.flatnonzero(size >= config.members_min).tolist():
            members = nodes[alive & (label == part)]
            out[members] = self._name_cluster(members)
        return out

    def _name_cluster(self, members: Ints) -> np.uint64:
        """The id that most members already bear, else one made from the first member's name."""
        known = self._cluster[members]
        known = known[known > 0]
        if known.size:
            values, counts = np.unique(known, return_counts=True)
            return np.uint64(values[np.argmax(counts)])
        return np.uint64(xxhash.xxh3_64_intdigest(min(self._names[i] for i in members.tolist())) | 2)

    def _assign(self, clusters: npt.NDArray[np.uint64], communities: Ints) -> Block | None:
        n = len(clusters)
        moved = np.flatnonzero((clusters != self._cluster[:n]) | (communities != self._community[:n]))
        if not moved.size:
            return None
        self._cluster[:n], self._community[:n] = clusters, communities
        columns = {
            "s": [self._names[i] for i in moved.tolist()],
            "cl": clusters[moved],
            "com": [f"m{m:02d}" if m else "" for m in communities[moved].tolist()],
        }
        return Block("assign", "", 0, columns)


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
