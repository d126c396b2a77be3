"""The plain count of `streams.ops.recount`: it keeps all that was said, and counts when all is known.

It uses dictionaries and loops, and nothing of the codec or of the scoring core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import xxhash

COUNTED = {"support": "supports", "deny": "denies", "query": "queries", "comment": "comments"}
RANKS = {"support": 2, "deny": 2, "query": 1, "comment": 1, "": 0}
CODES = {"support": 1, "deny": 2, "query": 3, "comment": 4}


@dataclass
class ClaimCount:
    """Counts of a claim that do not depend on the order of arrival: events that stand, and sources by stance."""

    events: int = 0
    participants: set[str] = field(default_factory=set)
    supports: int = 0
    denies: int = 0
    queries: int = 0
    comments: int = 0

    @property
    def numbers(self) -> tuple[int, ...]:
        """Events, participants, supports, denies, queries, comments."""
        return self.events, len(self.participants), self.supports, self.denies, self.queries, self.comments


@dataclass
class SourceCount:
    """Counts of a source that do not depend on the order of arrival."""

    events: int = 0
    claims: set[str] = field(default_factory=set)
    right: int = 0
    wrong: int = 0


@dataclass
class Recount:
    """Counts of every claim with an event that stands, and of every source that ever had one."""

    claims: dict[str, ClaimCount] = field(default_factory=dict)
    sources: dict[str, SourceCount] = field(default_factory=dict)


class Spoken(NamedTuple):
    """One event: its time, the hash of its id, its stance. At equal times the larger hash counts as later."""

    at_ms: int
    tie: int
    stance: str


class Tally:
    """What was said, edited and taken back."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], dict[str, Spoken]] = {}  # (source, claim) → event id → what it said first
        self._gone: dict[tuple[str, str], int] = {}  # (source, event id) → when it was taken back
        self._edits: dict[tuple[str, str], list[tuple[int, int, str]]] = {}  # → when, code and name of a new stance

    def take(self, event: Mapping[str, Any], append_ms: int) -> None:
        """Note an event, a delete or an update. A repeat adds nothing."""
        source, name, kind, stance = event["source_id"], event["id"], event["kind"], event.get("stance") or ""
        at_ms = min(event["occurred_at_ms"], append_ms)
        if kind == "delete":
            self._gone[source, name] = min(at_ms, self._gone.get((source, name), at_ms))
            return
        if kind == "update":
            if stance:
                self._edits.setdefault((source, name), []).append((at_ms, CODES[stance], stance))
            return
        claim = event.get("claim_id") or event.get("root_id") or name
        tie = xxhash.xxh3_64_intdigest(name.encode("utf-8", "surrogatepass"))
        first = "support" if kind in ("post", "reshare") else ""
        self._said.setdefault((source, claim), {}).setdefault(name, Spoken(at_ms, tie, stance or first))

    def count(self, verdicts: Mapping[str, tuple[int, int]]) -> Recount:
        """Count what stands now, and what stood before each verdict: claim → (first ruling, ms; +1 true, −1 false)."""
        result = Recount()
        for (source, claim), events in self._said.items():
            own = result.sources.setdefault(source, SourceCount())
            standing = self._standing(source, events, None)
            if standing:
                counted = result.claims.setdefault(claim, ClaimCount())
                counted.events += len(standing)
                counted.participants.add(source)
                in_force = max(standing, key=lambda spoken: (RANKS[spoken.stance], spoken.at_ms, spoken.tie))
                if in_force.stance:
                    name = COUNTED[in_force.stance]
                    setattr(counted, name, getattr(counted, name) + 1)
                own.events += len(standing)
                own.claims.add(claim)
            if claim in verdicts:
                ruled_ms, truth = verdicts[claim]
                asserted = [s for s in self._standing(source, events, ruled_ms) if s.stance in ("support", "deny")]
                if asserted:
                    right = (1 if max(asserted).stance == "support" else -1) == truth
                    own.right, own.wrong = own.right + right, own.wrong + (not right)
        return result

    def _standing(self, source: str, events: Mapping[str, Spoken], before_ms: int | None) -> list[Spoken]:
        """Events of a source as they stand, or stood just before a time: edited, and without those taken back."""
        out = []
        for name, spoken in events.items():
            gone = self._gone.get((source, name))
            if before_ms is not None and spoken.at_ms >= before_ms:
                continue
            if gone is not None and (before_ms is None or gone < before_ms):
                continue
            edits = [e for e in self._edits.get((source, name), ()) if before_ms is None or e[0] < before_ms]
            out.append(spoken._replace(stance=max(edits)[2]) if edits else spoken)
        return out
