"""Who said what of a claim, and when: one voice for each participant, for a picture of it.

    net = number, within the claim, of those whose voices count as one with it, by who spoke first; 0: for itself
    bound by: accounts that act as one, or the same words

Range: as many voices as VOICES_MAX, those who move the score most. Failure modes: of a participant who spoke several
times only the word that counts now is told.
"""

from __future__ import annotations

from collections import Counter
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
        of each source_id, stance ("" for none), at_ms (ms since 1970), reshare, community, net, bound_by ("accounts",
        "words" or "") and nats.
    """
    parts = tables.parts
    standing = np.flatnonzero(parts["event"][rows] > 0)
    strongest = standing[np.argsort(-np.abs(nats[standing]), kind="stable")][:VOICES_MAX]
    chosen = strongest[np.argsort(parts["time_ms"][rows[strongest]], kind="stable")]
    nets = _nets(tables, rows[chosen])
    return [
        {
            "source_id": tables.names.key(int(parts["source"][row])),
            "stance": _STANCES.get(int(parts["stance"][row]), ""),
            "at_ms": int(parts["time_ms"][row]),
            "reshare": bool(parts["kind"][row] == RESHARE),
            "community": communities.key(int(parts["named"][row])),
            "net": net,
            "bound_by": bound_by,
            "nats": nat,
        }
        for row, nat, (net, bound_by) in zip(rows[chosen].tolist(), nats[chosen].tolist(), nets, strict=True)
    ]


def _nets(tables: ClaimTables, rows: Ints) -> list[tuple[int, str]]:
    """Of each participant its net, and what binds it."""
    parts = tables.parts
    reshares = parts["kind"][rows] == RESHARE
    clusters, texts = parts["cluster"][rows], np.where(reshares, 0, parts["text"][rows])
    keys = [
        (int(cluster), "accounts") if cluster else (int(text), "words")
        for cluster, text in zip(clusters, texts, strict=True)
    ]
    sizes, numbers = Counter(keys), dict[tuple[int, str], int]()
    found = []
    for key in keys:
        alone = not key[0] or sizes[key] < 2
        found.append((0, "") if alone else (numbers.setdefault(key, len(numbers) + 1), key[1]))
    return found
