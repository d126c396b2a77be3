"""Who said what of a claim, and when: one voice for each participant, for a picture of it.

    net = number, within the claim, of the accounts that act as one with it, by who spoke first; 0: it speaks for itself

Range: as many voices as VOICES_MAX, those who move the score most. Failure modes: of a participant who spoke several
times only the word that counts now is told.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.contract.codes import RESHARE, STANCE_CODES
from streams.scoring.claims.claim_tables import ClaimTables
from streams.scoring.numeric import Floats, Ints
from streams.tables.table import Table

VOICES_MAX = 2_000
_STANCES = {code: stance or "" for stance, code in STANCE_CODES.items()}


def voices(tables: ClaimTables, rows: Ints, nats: Floats, communities: Table) -> list[dict[str, Any]]:
    """The participants whose word stands, in order of time.

    Args:
        rows: of the participants.
        nats: what each adds to the corroboration.

    Returns:
        of each source_id, stance ("" for none), at_ms (ms since 1970), reshare, community, net and nats.
    """
    parts = tables.parts
    standing = np.flatnonzero(parts["event"][rows] > 0)
    strongest = standing[np.argsort(-np.abs(nats[standing]), kind="stable")][:VOICES_MAX]
    chosen = strongest[np.argsort(parts["time_ms"][rows[strongest]], kind="stable")]
    numbers: dict[int, int] = {0: 0}
    for cluster in parts["cluster"][rows[chosen]].tolist():
        numbers.setdefault(cluster, len(numbers))
    return [
        {
            "source_id": tables.names.key(int(parts["source"][row])),
            "stance": _STANCES.get(int(parts["stance"][row]), ""),
            "at_ms": int(parts["time_ms"][row]),
            "reshare": bool(parts["kind"][row] == RESHARE),
            "community": communities.key(int(parts["named"][row])),
            "net": numbers[int(parts["cluster"][row])],
            "nats": nat,
        }
        for row, nat in zip(rows[chosen].tolist(), nats[chosen].tolist(), strict=True)
    ]
