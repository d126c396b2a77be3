"""What a flag tells a person beside its figures: what the claim says, how it spreads, what would take the flag back.

    per hour    events within about an hour before the latest one, faded with a memory of 57 minutes
    expected    events within the next hour and the next day, by `cascade`
    intervals   90 %: of risk and score, as score records have them
    would fall  the risk at which the flag is taken back, and for each reason what the risk would be without it

Nothing here decides anything. Failure modes: reasons are not independent, so that the risk without one is what the
formula says, and not what the world would show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from streams.contract.record_dicts import FlagDict, ReasonDict, RootDict, SpreadDict
from streams.scoring import cascade
from streams.scoring.claims.claim_tables import ClaimTables, chain
from streams.scoring.claims.reading import NINETY, risk_of, score_of
from streams.scoring.claims.root_words import words_of
from streams.scoring.numeric import sigmoid
from streams.scoring.parameters.params import Params
from streams.scoring.signals.registry import IDEAS
from streams.tables.table import Table

APPEAL = (
    "Whoever posted it or is concerned by it may ask for another look. Who looks again answers with a ruling of kind"
    " `appeal` on this claim (POST /v1/rulings): it replaces the former ruling of the same rater, and the flag, the"
    " scores and everybody's record follow. The flag itself restricts nothing and nobody."
)


def root_of(tables: ClaimTables, row: int) -> RootDict:
    """The claim's root as far as it is known: event, author and time; nothing where no root was seen."""
    claims = tables.claims
    part = int(claims["root"][row]) - 1
    if part < 0:
        return {}
    root: RootDict = {
        "author_id": tables.names.key(int(tables.parts["source"][part])),
        "posted_at_ms": int(claims["root_ms"][row]),
    }
    if event_id := _event_id(tables, part, claims["root_event"][row]):
        root["event_id"] = event_id
    text, url, lang = words_of(tables, row)
    if text:
        root["text"] = text
    if url:
        root["url"] = url
    if lang:
        root["lang"] = lang
    return root


def _event_id(tables: ClaimTables, part: int, event: np.uint64) -> str:
    """Id of an event of a participant that stands."""
    if tables.parts["event"][part] == event:
        return tables.parts.texts("id")[part]
    further = chain(tables.more, int(tables.parts["further"][part]))
    found = further[tables.more["event"][further] == event]
    return tables.more.texts("id")[int(found[0])] if found.size else ""


def spread_of(tables: ClaimTables, row: int, params: Params) -> SpreadDict:
    """How many people and events, how fast, and what is expected."""
    claims = tables.claims
    per_hour, next_hour, next_day = map(float, cascade.pace(claims.records[row]))
    return {
        "participants": int(claims["participants"][row]),
        "events": int(claims["events"][row]),
        "first_event_ms": int(claims["first_ms"][row]),
        "per_hour": round(per_hour, 2),
        "expected_per_hour": round(next_hour, 2),
        "expected_24h": round(next_day, 2),
        "usual_participants": round(math.exp(params.flag_crowd), 1),
    }


def community_of(tables: ClaimTables, row: int, communities: Table) -> str:
    """The community that most of those who take part named in the event that counts of them; "" where none did."""
    parts, rows = tables.parts, tables.members(row)
    named = parts["named"][rows[parts["event"][rows] > 0]]
    counts = np.bincount(named[named > 0])
    return str(communities.key(int(counts.argmax()))) if counts.size else ""


def add_figures(record: FlagDict, tables: ClaimTables, reading: Any) -> None:
    """Add stances, and the intervals of risk and score."""
    claims, row = tables.claims, int(reading["claim"])
    score_z, spread, risk_z, error = (float(reading[name]) for name in ("score_z", "spread", "risk_z", "risk_spread"))
    record["supports"], record["denials"], record["queries"] = (
        int(claims[name][row]) for name in ("supports", "denials", "queries")
    )
    record["risk_low"], record["risk_high"] = (risk_of(risk_z + side * error) for side in (-NINETY, NINETY))
    record["score_low"], record["score_high"] = (score_of(score_z + side * spread) for side in (-NINETY, NINETY))
    record["enough_evidence"] = bool(reading["enough"])


def would_fall(reasons: Sequence[ReasonDict], risk_z: float, floor_z: float, expires_at_ms: int) -> str:
    """In words, what would take a flag back.

    Args:
        reasons: of the flag.
        risk_z, floor_z: log-odds of the risk now, and those below which the flag is taken back.
        expires_at_ms: when it lapses without any news.
    """
    raising = [reason for reason in reasons if reason["code"] in IDEAS and reason["weight"] > 0]
    lapses = datetime.fromtimestamp(expires_at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    told = [
        f"The flag is taken back when its risk, now {_share(risk_z)}, falls below {_share(floor_z)}; when somebody"
        f" rules on the claim; when its posts are deleted; or at {lapses} UTC, if nothing new is heard until then."
    ]
    alone = [reason for reason in raising if risk_z - reason["weight"] < floor_z]
    if alone:
        told.append(f"It would be taken back if this did not hold: {_without(alone, risk_z, ', or this: ')}.")
    elif raising:
        told.append(f"No single reason holds it up. The strongest: {_without(raising[:2], risk_z, '; ')}.")
    if raising:
        told.append(f"Signs that lower the risk: {'; '.join(IDEAS[reason['code']].lowers for reason in raising[:2])}.")
    return " ".join(told)


def _without(reasons: Sequence[ReasonDict], risk_z: float, between: str) -> str:
    return between.join(f"{reason['text']} (without it: {_share(risk_z - reason['weight'])})" for reason in reasons)


def _share(z: float) -> str:
    share = float(sigmoid(z))
    return "over 99%" if share > 0.995 else "under 1%" if share < 0.005 else f"{share:.0%}"
