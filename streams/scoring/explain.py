"""Explanations that are exact: participants' contributions sum to L − logit π.

    contribution_s = ± w_s / (D_g·D_m) · B·tanh(E_m/B) / E_m,      E_m = (W⁺ − W⁻) / D_m

D_g and D_m are the design effects of the participant's cluster and community. Where a community's sides cancel exactly
(E_m = 0), the factor is its limit, 1. The denial's sign is minus.

Source: linear attribution of the corroboration's own formula; nothing is approximated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.columns import Table
from streams.scoring import corroboration
from streams.scoring.claim_tables import ClaimTables
from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import Floats, Ints, from_fixed, logit, mix_keys
from streams.scoring.params import Params
from streams.scoring.risk import SIGNALS, risk_parts, weights
from streams.scoring.rulings import ruling_evidence


def contributions_of(tables: ClaimTables, rows: Ints, config: ScoringConfig) -> Floats:
    """Nats that each of these participants adds to its claim's L; all participants of a claim sum to L − logit π."""
    out = np.zeros(len(rows))
    put = corroboration.contributions(tables, rows, config)
    if put is None:
        return out
    camps, cells = tables.camps, tables.cells
    camp = camps.find(((put.claim << 32) | put.community).tolist())
    support, deny, shared = corroboration.camp_evidence(tables, camp, config)
    net = (support - deny) / shared
    squash = np.where(
        np.abs(net) > 1e-12,
        config.community_cap * np.tanh(net / config.community_cap) / np.where(net == 0, 1, net),
        1.0,
    )
    shrink_g = np.ones(len(camp))
    clustered = np.flatnonzero(put.cluster > 0)
    if clustered.size:
        cell = cells.find(mix_keys(camp[clustered], put.cluster[clustered], put.deny[clustered]).tolist())
        evidence = corroboration.cell_weight(tables, cell, config)
        shrink_g[clustered] = evidence / np.maximum(from_fixed(cells["W"][cell]), 1e-300)
    sign = np.where(put.deny, -1.0, 1.0)
    out[put.index] = sign * from_fixed(put.weight) * shrink_g / shared * squash
    return out


def explain(
    tables: ClaimTables, claim: int, config: ScoringConfig, params: Params, communities: Table
) -> dict[str, Any]:
    """The score's and the risk's parts, strongest first, with the evidence's event ids."""
    parts = tables.parts
    rows = np.flatnonzero((parts["c"][: parts.size] == claim) & (parts["z"][: parts.size] > 0))
    nats = contributions_of(tables, rows, config)
    order = np.argsort(-np.abs(nats), kind="stable")
    order = order[np.abs(nats[order]) > 0]
    signals = risk_parts(tables, np.array([claim]), config, params)
    pushes = signals.signals[0] * weights(params)
    return {
        "claim_id": tables.claims.key(claim),
        "prior": float(logit(params.pi)),
        "corroboration": float(from_fixed(tables.claims["L"][claim])),
        "rulings": float(ruling_evidence(tables.claims["rulings"][claim : claim + 1], config)[0]),
        "contributions": [
            {
                "source_id": tables.names.key(int(parts["s"][rows[i]])),
                "stance": "deny" if parts["x"][rows[i]] == corroboration.DENY else "support",
                "nats": float(nats[i]),
                "community": communities.key(int(parts["com"][rows[i]] or parts["m"][rows[i]])),
                "copied": bool(parts["cl"][rows[i]] or parts["g"][rows[i]]),
                "reshare": bool(parts["kind"][rows[i]] == corroboration.RESHARE_KIND),
                "evidence_ids": [e for e in (parts.texts("i")[rows[i]],) if e],
            }
            for i in order.tolist()
        ],
        "risk": {"bias": params.risk_bias, "signals": dict(zip(SIGNALS, pushes.tolist(), strict=True))},
    }
