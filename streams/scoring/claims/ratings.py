"""Raters' words on a claim, as records, flags and explanations tell them: who, which version, when, why and where.

Nothing here counts anything; `settlement` does.
"""

from __future__ import annotations

from streams.contract.codes import NO_VERDICT, VERDICT_CODES
from streams.contract.record_dicts import ClaimScoreDict, FlagDict, RatingDict
from streams.contract.words import RATINGS_MAX
from streams.scoring.claims.claim_tables import ClaimTables

_VERDICTS = {code: word for word, code in VERDICT_CODES.items()}


def add_ratings(tables: ClaimTables, claim: int, record: ClaimScoreDict | FlagDict) -> None:
    """Add to a claim's record who ruled on it; nothing where nobody has."""
    if words := ratings(tables, claim):
        record["rulings"] = words
        record["raters_disagree"] = disagree(tables, claim)


def ratings(tables: ClaimTables, claim: int) -> list[RatingDict]:
    """The newest RATINGS_MAX raters' words on a claim, withdrawals too, the newest first."""
    number = tables.rulings["number"]
    newest = sorted(_words_on(tables, claim), key=lambda row: -number[row])[:RATINGS_MAX]
    return [_rating(tables, row) for row in newest]


def disagree(tables: ClaimTables, claim: int) -> bool:
    """Whether the rulings in force on a claim, of all its raters, found different things."""
    verdict = tables.rulings["verdict"]
    return len({int(verdict[row]) for row in _words_on(tables, claim)} - {NO_VERDICT}) > 1


def _words_on(tables: ClaimTables, claim: int) -> list[int]:
    """Rows of each rater's word on a claim. There are few, so that a loop here is sooner done than a compiled one."""
    following, link, rows = tables.rulings["next"], int(tables.claims["ruled"][claim]), list[int]()
    while link:
        rows.append(link - 1)
        link = int(following[link - 1])
    return rows


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
