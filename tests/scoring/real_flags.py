"""A small story through both cores, and every flag that comes of it: what golden records and readers are tested with.

Each row is a log record of its own, so that the score that leaves with a flag is the one by which it moved.

`python -m tests.scoring.real_flags` writes the golden records of flags from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from streams.agents.publish.emit import flag_records
from streams.contract.codes import DELETE
from streams.contract.schemas import FOLDER
from streams.engine.replica import Applied
from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.parameters.params import Params
from streams.scoring.sources.sources_state import SourcesState
from streams.tables.blocks import Block
from tests.scoring.builders import DAY_MS, NOW_MS, Event, Pipeline, Ruling

LOG, PARTITION = "trust.by-claim.v1", 2
GOLDEN = FOLDER / "golden" / "flag.v2.json"
START_MS = 1_600_000_000_000
HOUR_MS = 3_600_000
CROWD = 12


@dataclass(frozen=True)
class Moved:
    """A flag record, and what was the case when it was made."""

    flag: dict[str, Any]
    score: dict[str, Any]  # the claim's score record that left with it
    params: Params
    offset: int
    kind: str  # of the log record that moved it
    now_ms: int


@dataclass
class Story(Pipeline):
    """A pipeline whose claims stage has a log with offsets, as a worker's has."""

    moved: list[Moved] = field(default_factory=list)
    offset: int = -1

    def _apply(self, state: SourcesState | ClaimsState, block: Block) -> list[Block]:
        if isinstance(state, SourcesState):
            return super()._apply(state, block)
        self.offset += 1
        self.now_ms += 1000
        out: list[Block] = []
        cursor: int | None = 0
        while cursor is not None:
            effects = state.apply(block, self.now_ms, cursor)
            cursor = effects.next_cursor
            out += effects.blocks
            self.scores |= effects.scores
            step = Applied(self.offset, self.now_ms, block, effects)
            for flag in flag_records(step, LOG, PARTITION):
                score = effects.scores[flag["subject"]["id"]]
                self.moved.append(Moved(flag, score, state.params, self.offset, block.kind, self.now_ms))
        return out

    def tell(self, claim: str, who: str, at_ms: int, stance: int = 1, n: int = CROWD) -> None:
        """So many sources of a crowd take sides on a claim within minutes."""
        for i in range(n):
            root = int(i == 0)
            self.events([Event(f"{who}-{i}", claim, f"{claim}-{who}-{i}", at_ms + i * 10_000, stance, root=root)])

    def flags_of(self, claim: str) -> list[dict[str, Any]]:
        """Records of the flags about a claim."""
        return [m.flag for m in self.moved if m.flag["subject"]["id"] == claim]


def story() -> Story:
    """Liars are found out; their next claims are flagged, and the flags go in every way that there is."""
    told = Story(now_ms=NOW_MS)
    for n in range(8):
        at = START_MS + n * 2 * DAY_MS
        told.tell(f"lie-{n}", "liar", at)
        told.tell(f"fact-{n}", "witness", at)
        told.rule(Ruling(f"lie-{n}", 2, at + DAY_MS))
        told.rule(Ruling(f"fact-{n}", 1, at + DAY_MS))
    at = START_MS + 40 * DAY_MS
    told.tell("bridge closed", "liar", at)  # ruled false, which is then taken back and said again
    told.rule(Ruling("bridge closed", 2, at + HOUR_MS))
    told.rule(Ruling("bridge closed", 0, at + 2 * HOUR_MS, version=2))
    told.rule(Ruling("bridge closed", 2, at + 3 * HOUR_MS, version=3))
    told.tell("bank fails", "liar", at)  # those with a good record deny it less and less: they support it
    told.tell("bank fails", "witness", at + HOUR_MS)
    told.tell("shark/in the street", "liar", at)
    told.now_ms += 2 * DAY_MS
    told.tell("shark/in the street", "passer-by", at + 2 * DAY_MS, n=1)  # heard of again: it lapses later
    told.now_ms += 7 * DAY_MS
    told.tick()
    told.tell("water poisoned", "liar", at + 9 * DAY_MS)
    told.tell("prices double", "liar", at + 9 * DAY_MS)
    ids = [(f"liar-{i}", f"prices double-liar-{i}") for i in range(CROWD)]
    for source, event in reversed(ids):  # the root is the last to go
        told.events([Event(source, "", event, at + 10 * DAY_MS, 0, DELETE)])
    told.params(1, flags_killed=1.0)
    return told


def _why(flag: dict[str, Any]) -> str:
    return " ".join((flag["action"], str(flag.get("retracted_because") or ""))).strip()


def golden(moved: Sequence[Moved]) -> dict[str, Any]:
    """Golden records: the first flag record of each kind, and what no flag record may look like."""
    kinds = {_why(m.flag): m.flag for m in reversed(moved)}
    raised = kinds["raise"]
    invalid = {
        "an action that is not on the list": {**raised, "action": "close"},
        "a retraction for a reason that is not on the list": {**kinds["retract killed"], "retracted_because": "mood"},
        "without a risk": {k: v for k, v in raised.items() if k != "risk"},
        "of another version": {**raised, "schema_version": 1},
        "a priority above 100": {**raised, "priority": 101},
        "a subject without an id": {**raised, "subject": {"type": "claim"}},
        "a reason without a weight": {**raised, "reasons": [{"code": "history"}]},
    }
    return {
        "record": "flag",
        "version": 2,
        "append_ms": NOW_MS,
        "valid": [{"why": why, "record": kinds[why]} for why in sorted(kinds)],
        "invalid": [{"why": why, "record": record} for why, record in invalid.items()],
    }


def written() -> bytes:
    """The golden file as it must stand."""
    return orjson.dumps(golden(story().moved), option=orjson.OPT_INDENT_2) + b"\n"


if __name__ == "__main__":
    GOLDEN.write_bytes(written())
