"""A second, plain reading of the contract, against which the codec is checked: no code of the intake is used.

The published JSON Schema says which fields are right; the rest (framing, depth, clocks, naming, stance) is written
out here as simply as it can be said.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs

SCHEMA = json.loads((Path(__file__).parents[3] / "schemas" / "event.v1.schema.json").read_text())
IS_VALID = jsonschema_rs.validator_for(SCHEMA).is_valid
DAY_MS = 86_400_000
YEAR_2000_MS = 946_684_800_000
TELLING = ["url", "text", "lang"]
NAMING = [name for name in SCHEMA["properties"] if name not in TELLING]
KINDS = ["post", "reshare", "reply", "reaction", "report", "follow", "delete", "update"]


def reference_row(value: bytes | None, key: bytes | None, append_ms: int) -> dict[str, Any] | None:
    """The row of an event as plain values, None if it must be refused."""
    if not value or len(value) > 65_536:
        return None
    try:
        (key or b"").decode("utf-8", "strict")
        # What is no character becomes a lone surrogate, however it was written down.
        event = json.loads(value.decode("utf-8", "surrogateescape"), parse_constant=_refuse)
        if not isinstance(event, dict):
            return None
        for name in NAMING:
            json.dumps(event.get(name), ensure_ascii=False).encode("utf-8")  # fails on a lone surrogate
    except (ValueError, RecursionError):
        return None
    for name in TELLING:
        if not isinstance(event.get(name), str):
            event[name] = None
    named = {name: event[name] for name in NAMING if name in event}
    if _depth(event) > 64 or not _sane_clock(event, append_ms) or not IS_VALID(named):
        return None
    stance, kind = event.get("stance"), event["kind"]
    if stance is None and kind in ("post", "reshare"):
        stance = "support"
    corrects = kind in ("delete", "update")
    root = kind == "post" and event.get("parent_id") is None and event.get("root_id") in (None, event["id"])
    return {
        "s": event["source_id"],
        "c": "" if corrects else event.get("claim_id") or event.get("root_id") or event["id"],
        "i": event["id"],
        "kind": KINDS.index(kind),
        "x": {"support": 1, "deny": 2, "query": 3, "comment": 4}.get(stance or "", 0),
        "t": min(int(event["occurred_at_ms"]), append_ms),
        "m": event.get("community_id") or "",
        "r": int(isinstance(event.get("text"), str) if corrects else root),
    }


def _refuse(name: str) -> None:
    raise ValueError(name)


def _depth(found: Any) -> int:
    if isinstance(found, dict):
        return 1 + max(map(_depth, found.values()), default=0)
    if isinstance(found, list):
        return 1 + max(map(_depth, found), default=0)
    return 0


def _sane_clock(event: dict[str, Any], append_ms: int) -> bool:
    clock = event.get("occurred_at_ms")
    if isinstance(clock, bool) or not isinstance(clock, (int, float)) or clock != clock or abs(clock) == float("inf"):
        return False
    return clock == int(clock) and YEAR_2000_MS <= clock <= append_ms + DAY_MS
