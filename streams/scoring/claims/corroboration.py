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

import math
from typing import Any

import numpy as np

from streams.contract.codes import DENY, RESHARE, SUPPORT
from streams.scoring.claims.claim_tables import Books, asserts
from streams.scoring.numeric import Float, Int, fixed, mix_key, real
from streams.tables.compiled import inlined
from streams.tables.index import ensure, touch

RESHARES = 1  # the cluster of a claim's reshares


@inlined
def design_effect(total: Float, squares: Float, rho: Float) -> Float:
    """D = 1 + max(0, n − 1)·ρ with n = W²/W₂, how many voices of equal weight there would be.

    >>> design_effect(4.0, 4.0, 0.0), design_effect(4.0, 4.0, 1.0)
    (1.0, 4.0)
    """
    n = total * total / max(squares, 1e-12)
    return 1.0 + max(n - 1.0, 0.0) * rho


@inlined
def public_weight(part: Any, settings: Any) -> Float:
    """w = clip(λ, 0, 2.5) of a participant's stance; 0 for a participant who takes no side.

    A poor record counts for nothing, never as inverted evidence: otherwise known liars could sink a truth by
    supporting it.
    """
    if not asserts(part.stance):
        return 0.0
    signed = part.support if part.stance == SUPPORT else part.denial
    return float(min(max(np.float64(signed), 0.0), settings.weight_max))


@inlined
def cluster_of(part: Any) -> np.uint64:
    """The copy-cluster whose voice a participant's stance is part of, 0 for a voice of its own."""
    if part.kind == RESHARE:
        return np.uint64(RESHARES)
    return np.uint64(part.cluster if part.cluster > 0 else part.text)


@inlined
def cell_key(camp_row: Int, cluster: np.uint64, denies: bool) -> Int:
    """Key of one side of a cluster in a community."""
    return mix_key(camp_row * 2 + denies, cluster)


@inlined
def speak(books: Books, claim_row: Int, part: Any, sign: Int, settings: Any) -> None:
    """Put a participant's voice into the sums of its cluster, community and claim, or with sign −1 take it out."""
    weight = public_weight(part, settings)
    if weight <= 0:
        return
    camp_row, made = ensure(books.camps.rows, (claim_row << 32) | part.named)
    camp = books.camps.records[camp_row]
    if made:
        camp.claim, camp.community = claim_row, part.named
    denies, total = part.stance == DENY, fixed(weight)
    squared = fixed(real(total) * real(total))
    cluster = cluster_of(part)
    if cluster == 0:
        add_to_camp(camp, denies, sign * total, sign * squared)
    else:
        cell_row, made = ensure(books.cells.rows, cell_key(camp_row, cluster, denies))
        cell = books.cells.records[cell_row]
        if made:
            cell.camp, cell.denies, cell.reshares = camp_row, denies, cluster == RESHARES
        before = cell_weight(cell, settings)
        cell.weight += sign * total
        cell.squared += sign * squared
        touch(books.cells.rows, cell_row)
        after = cell_weight(cell, settings)
        add_to_camp(camp, denies, fixed(after) - fixed(before), fixed(after * after) - fixed(before * before))
    sum_up(books.claims.records[claim_row], camp, settings)
    touch(books.camps.rows, camp_row)


@inlined
def add_to_camp(camp: Any, denies: bool, total: Int, squared: Int) -> None:
    """Evidence of one side of a community."""
    if denies:
        camp.denials += total
        camp.denials_squared += squared
    else:
        camp.supports += total
        camp.supports_squared += squared


@inlined
def cell_weight(cell: Any, settings: Any) -> Float:
    """E_g of a cluster."""
    rho = 1.0 if cell.reshares > 0 else settings.rho_cluster
    total = real(cell.weight)
    return total / design_effect(total, real(cell.squared), rho)


@inlined
def camp_evidence(camp: Any, settings: Any) -> tuple[Float, Float, Float]:
    """Support and denial of a community's camp, W⁺ and W⁻, and the design effect D by which both are divided."""
    rho = settings.rho_community if camp.community > 0 else settings.rho_unassigned
    support, deny = real(camp.supports), real(camp.denials)
    squares = real(camp.supports_squared + camp.denials_squared)
    return support, deny, design_effect(support + deny, squares, rho)


@inlined
def sum_up(claim: Any, camp: Any, settings: Any) -> None:
    """Bring a claim's corroboration to what one of its communities says now."""
    cap = settings.community_cap
    support, deny, shared = camp_evidence(camp, settings)
    moved = fixed(cap * math.tanh((support - deny) / (shared * cap)))
    weight = fixed((support + deny) / shared)
    claim.corroboration += moved - camp.moved
    claim.weight += weight - camp.weight
    camp.moved, camp.weight = moved, weight
