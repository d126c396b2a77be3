"""Which claims a person looks at first, and why: open ones that are rising, then other open ones, then settled ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

DAY_MS = 86_400_000


def first_looked_at(claims: Iterable[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], str]]:
    """Score records of claims in the order in which they want a person, each with its reason in words.

    Open claims come first, by how many events the next day is expected to bring, then by risk; settled ones follow, the
    latest first. "Now" is the latest event of all, since a replay or a late stream has a clock of its own: what was
    last heard of a day before that is rising no more, whatever was expected of it then.
    """
    found = list(claims)
    now_ms = max((claim["last_event_ms"] for claim in found), default=0)

    def turn(claim: Mapping[str, Any]) -> tuple[Any, ...]:
        if _settled(claim):
            return True, -claim["last_event_ms"], claim["claim_id"]
        return False, -_growth(claim, now_ms), -claim["risk"], claim["claim_id"]

    return [(claim, _why(claim, now_ms)) for claim in sorted(found, key=turn)]


def _settled(claim: Mapping[str, Any]) -> bool:
    return claim.get("verdict") is not None


def _growth(claim: Mapping[str, Any], now_ms: int) -> int:
    """Whole events that the next day is expected to bring."""
    stale = now_ms - claim["last_event_ms"] >= DAY_MS
    return 0 if stale else round(claim.get("expected_growth_24h") or 0)


def _why(claim: Mapping[str, Any], now_ms: int) -> str:
    if _settled(claim):
        return "settled, but raters disagree" if claim.get("raters_disagree") else "settled"
    growth = _growth(claim, now_ms)
    rising = f"rising: about {growth:,} more within a day" if growth else "not rising"
    return f"flagged; {rising}" if claim.get("flagged") else rising
