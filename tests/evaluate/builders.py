"""Small sets of cascades, written as rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.contract.codes import KIND_CODES
from streams.evaluate.cascades import LABELS, STANCES, CascadeSet, codes_of

HOUR_MS = 3_600_000

Row = tuple[int, str, str, str, str]  # t_ms, kind, claim, user, stance


def cascades(rows: Sequence[Row], labels: dict[str, str], groups: dict[str, str] | None = None) -> CascadeSet:
    """A set from rows in order of time; the first event of a claim is its root."""
    claim, claim_ids = codes_of(row[2] for row in rows)
    user, user_ids = codes_of(row[3] for row in rows)
    seen: set[str] = set()
    parents = []
    for row in rows:
        parents.append("root" if row[2] in seen else "")
        seen.add(row[2])
    return CascadeSet(
        name="small",
        t_ms=np.array([row[0] for row in rows], np.int64),
        kind=np.array([KIND_CODES[row[1]] for row in rows], np.int8),
        stance=np.array([STANCES[row[4]] for row in rows], np.int8),
        claim=claim,
        user=user,
        event_ids=[f"e{i:04d}" for i in range(len(rows))],
        parent=parents,
        community=np.zeros(len(rows), np.int32),
        text_hash=np.zeros(len(rows), np.uint64),
        claim_ids=claim_ids,
        user_ids=user_ids,
        communities=[""],
        truth=np.array([LABELS.get(labels.get(c, ""), 0) for c in claim_ids], np.int8),
        group=codes_of((groups or {}).get(c, c) for c in claim_ids)[0],
    ).sorted()
