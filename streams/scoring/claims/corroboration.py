"""Corroboration: what credible, independent support and denial say, as an order-free hierarchy of sums.

    cluster:    E_g = W_g / (1 + max(0, n − 1)·ρ_g)     for each side; W_g = Σw, n = W_g²/Σw² (Kish)
    community:  E_m = (W⁺ − W⁻) / D_m                   W± = Σ E_g of a side, D_m = 1 + max(0, n − 1)·ρ_m,
                                                        n = (W⁺ + W⁻)² / Σ E_g² over both sides
    claim:      L = Σ_m B·tanh(E_m/B),  B = 2

A copy-cluster (accounts that act as one, or one text repeated under a claim) has ρ_g = .9; the reshares of a claim
are one cluster with ρ = 1: spread, not evidence. A participant in no cluster is a cluster of one. n is by weight, so
that zero-weight sybils cannot dilute an expert.

Both sides of a community share one design effect: correlated voices carry the news of 1/ρ independent ones, and that
news is in what share of them denies. Discounted each on its own, both sides of a large community saturate, and the
rarer stance, whose single voice weighs more, wins whatever the counts.

Every level keeps int64 fixed-point sums. A change takes the old contribution out and puts the new one in, so the cost
is that of the rows that changed, whatever the size of the claim, and the result is the same in any order.

Source: Kish's design effect; ACCUCOPY, Dong et al., VLDB 2009, is the ordered cousin. Range: each community moves a
claim by less than B nats. Failure modes: copying that no cluster names counts as independent up to ρ_m; a community
split in two by the slow loop speaks twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.contract.codes import DENY, RESHARE, SUPPORT
from streams.scoring.claims.claim_tables import ClaimTables
from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import Floats, Ints, distinct, from_fixed, mix_keys, to_fixed
from streams.scoring.sources.credibility import public_weight

RESHARES = 1  # the cluster of a claim's reshares


def design_effect(total: Floats, squares: Floats, rho: Any) -> Floats:
    """D = 1 + max(0, n − 1)·ρ with n = W²/W₂, how many voices of equal weight there would be.

    >>> design_effect(np.array([4.0, 4.0]), np.array([4.0, 4.0]), np.array([0.0, 1.0])).tolist()
    [1.0, 4.0]
    """
    n = total * total / np.maximum(squares, 1e-12)
    effect: Floats = 1.0 + np.maximum(n - 1.0, 0.0) * rho
    return effect


@dataclass(slots=True)
class Contributions:
    """What some participants put into their claims' sums: one row for each with weight and an assertion."""

    index: Ints  # which of the participants asked for
    claim: Ints
    community: Ints
    cluster: npt.NDArray[np.uint64]
    deny: npt.NDArray[np.bool_]
    weight: Ints  # fixed point


def contributions(tables: ClaimTables, rows: Ints, config: ScoringConfig) -> Contributions | None:
    """Contributions of these participants as they stand; None if none of them has any."""
    parts = tables.parts
    x = parts["x"][rows]
    signed = np.where(x == SUPPORT, parts["w"][rows], parts["v"][rows])
    heard = ((signed > 0) & (x > 0) & (x <= DENY)).nonzero()[0]
    if not heard.size:
        return None
    weight = public_weight(signed[heard].astype(np.float64), config)
    rows = rows[heard]
    cluster = np.where(parts["cl"][rows] > 0, parts["cl"][rows], parts["g"][rows])
    cluster = np.where(parts["kind"][rows] == RESHARE, np.uint64(RESHARES), cluster)
    return Contributions(
        heard,
        parts["c"][rows].astype(np.int64),
        parts["m"][rows].astype(np.int64),
        cluster,
        x[heard] == DENY,
        to_fixed(weight),
    )


def replace(tables: ClaimTables, old: Contributions | None, new: Contributions | None, config: ScoringConfig) -> None:
    """Take the old contributions out of the sums of clusters, communities and claims, and put the new ones in."""
    both = [(c, sign) for c, sign in ((old, -1), (new, 1)) if c is not None]
    if not both:
        return
    claim = np.concatenate([c.claim for c, _ in both])
    community = np.concatenate([c.community for c, _ in both])
    cluster = np.concatenate([c.cluster for c, _ in both])
    deny = np.concatenate([c.deny for c, _ in both])
    weight = np.concatenate([c.weight for c, _ in both])
    sign = np.concatenate([np.full(len(c.claim), s, np.int64) for c, s in both])
    camp_rows, made = tables.camps.ensure((claim << 32) | community)
    if made.size:
        tables.camps["c"][camp_rows], tables.camps["com"][camp_rows] = claim, community
    alone = cluster == 0
    real = from_fixed(weight)
    _add_to_camps(tables, camp_rows[alone], deny[alone], (sign * weight)[alone], (sign * to_fixed(real * real))[alone])
    if not alone.all():
        rest = ~alone
        _add_to_cells(tables, camp_rows[rest], cluster[rest], deny[rest], weight[rest], sign[rest], config)
    _sum_camps(tables, distinct(camp_rows), config)


def _add_to_camps(tables: ClaimTables, rows: Ints, deny: npt.NDArray[np.bool_], total: Ints, squares: Ints) -> None:
    for side, fields in ((~deny, ("Sp", "Sp2")), (deny, ("Sn", "Sn2"))):
        if side.any():
            np.add.at(tables.camps[fields[0]], rows[side], total[side])
            np.add.at(tables.camps[fields[1]], rows[side], squares[side])


def _add_to_cells(
    tables: ClaimTables,
    camp_rows: Ints,
    cluster: npt.NDArray[np.uint64],
    deny: npt.NDArray[np.bool_],
    weight: Ints,
    sign: Ints,
    config: ScoringConfig,
) -> None:
    cells = tables.cells
    rows, made = cells.ensure(mix_keys(camp_rows, cluster, deny))
    if made.size:
        cells["camp"][rows], cells["deny"][rows], cells["spread"][rows] = camp_rows, deny, cluster == RESHARES
    unique = distinct(rows)
    before, before2 = _cell_evidence(tables, unique, config)
    real = from_fixed(weight)
    np.add.at(cells["W"], rows, sign * weight)
    np.add.at(cells["W2"], rows, sign * to_fixed(real * real))
    cells.touch(unique)
    after, after2 = _cell_evidence(tables, unique, config)
    camp, side = cells["camp"][unique].astype(np.int64), cells["deny"][unique] > 0
    _add_to_camps(tables, camp, side, after - before, after2 - before2)


def _cell_evidence(tables: ClaimTables, rows: Ints, config: ScoringConfig) -> tuple[Ints, Ints]:
    evidence = cell_weight(tables, rows, config)
    return to_fixed(evidence), to_fixed(evidence * evidence)


def cell_weight(tables: ClaimTables, rows: Ints, config: ScoringConfig) -> Floats:
    """E_g of clusters."""
    cells = tables.cells
    rho = np.where(cells["spread"][rows] > 0, 1.0, config.rho_cluster)
    total = from_fixed(cells["W"][rows])
    evidence: Floats = total / design_effect(total, from_fixed(cells["W2"][rows]), rho)
    return evidence


def camp_evidence(tables: ClaimTables, rows: Ints, config: ScoringConfig) -> tuple[Floats, Floats, Floats]:
    """Support and denial of communities' camps, W⁺ and W⁻, and the design effect D by which both are divided."""
    camps = tables.camps
    rho = np.where(camps["com"][rows] > 0, config.rho_community, config.rho_unassigned)
    support, deny = from_fixed(camps["Sp"][rows]), from_fixed(camps["Sn"][rows])
    both, squares = support + deny, from_fixed(camps["Sp2"][rows] + camps["Sn2"][rows])
    return support, deny, design_effect(both, squares, rho)


def _sum_camps(tables: ClaimTables, rows: Ints, config: ScoringConfig) -> None:
    camps, claims, cap = tables.camps, tables.claims, config.community_cap
    support, deny, shared = camp_evidence(tables, rows, config)
    moved = to_fixed(cap * np.tanh((support - deny) / (shared * cap)))
    weight = to_fixed((support + deny) / shared)
    owner = camps["c"][rows]
    np.add.at(claims["L"], owner, moved - camps["T"][rows])
    np.add.at(claims["A"], owner, weight - camps["A"][rows])
    camps["T"][rows], camps["A"][rows] = moved, weight
    camps.touch(rows)
