"""Raters' words on a claim, as records, flags and explanations tell them: who, which version, when, why and where.

Nothing here counts anything; `settlement` does.
"""

from __future__ import annotations

import numpy as np

from streams.contract.codes import NO_VERDICT, VERDICT_CODES
from streams.contract.record_dicts import ClaimScoreDict, FlagDict, RatingDict
from streams.contract.words import RATINGS_MAX
from streams.scoring.claims.claim_tables import ClaimTables, chain

_VERDICTS = {code: word for word, code in VERDICT_CODES.items()}


def add_ratings(tables: ClaimTables, claim: int, record: ClaimScoreDict | FlagDict) -> None:
    """Add to a claim's record who ruled on it; nothing where nobody has."""
    if tables.claims["ruled"][claim] > 0:
        record["rulings"] = ratings(tables, claim)
        record["raters_disagree"] = disagree(tables, claim)


def ratings(tables: ClaimTables, claim: int) -> list[RatingDict]:
    """The newest RATINGS_MAX raters' words on a claim, withdrawals too, the newest first."""
    table = tables.rulings
    rows = chain(table, int(tables.claims["ruled"][claim]))
    newest = rows[np.argsort(-table["number"][rows])][:RATINGS_MAX]
    return [_rating(tables, row) for row in newest.tolist()]


def disagree(tables: ClaimTables, claim: int) -> bool:
    """Whether the rulings in force on a claim, of all its raters, found different things."""
    table = tables.rulings
    verdicts = table["verdict"][chain(table, int(tables.claims["ruled"][claim]))]
    return len(np.unique(verdicts[verdicts != NO_VERDICT])) > 1


def _rating(tables: ClaimTables, row: int) -> RatingDict:
    table = tables.rulings
    told: RatingDict = {
        "rater_id": table.key(row).split("\0", 1)[1],
        "version": int(table["version"][row]),
        "verdict": _VERDICTS[int(table["verdict"][row])],
        "kind": table.texts("kind")[row],
        "ruled_at_ms": int(table["time_ms"][row]),
        "ruling_id": table.texts("id")[row],
    }
    if url := table.texts("url")[row]:
        told["url"] = url
    if note := table.texts("note")[row]:
        told["note"] = note
    return told
