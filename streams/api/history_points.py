"""The history of a claim as the store keeps it: a point of 37 bytes for each score that was published, a few hundred.

The topic of scores is compacted, so what a service has seen is all the history there is: it is kept with the scores.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

from streams.contract.wording import enough_evidence
from streams.contract.words import Verdict

POINTS_MAX = 256
_POINT = struct.Struct("<qIffffffB")
_FLAGGED, _ENOUGH, _VERDICT_SHIFT = 1, 2, 2
_VERDICTS = (None, *map(str, Verdict))
_DIGITS = 6  # what a four-byte number keeps of a share
SIZE = _POINT.size


def point_of(record: Mapping[str, Any]) -> bytes:
    """A score record as a point. Raises KeyError, TypeError or struct.error on what is no record of ours."""
    bits = (_FLAGGED if record.get("flagged") else 0) | (_ENOUGH if enough_evidence("claim", record) else 0)
    verdict = record.get("verdict")
    bits |= (_VERDICTS.index(verdict) if verdict in _VERDICTS else 0) << _VERDICT_SHIFT
    ends = (math.nan if (end := record.get(name)) is None else end for name in ("risk_low", "risk_high"))
    figures = (record["score"], record["low"], record["high"], record["risk"], *ends)
    return _POINT.pack(record["as_of_ms"], record["version"] & 0xFFFFFFFF, *figures, bits)


def lengthened(points: bytes, more: bytes) -> bytes:
    """Points and those after them; of too many, every second of the older half goes, but none at which a flag or
    a verdict changed."""
    points += more
    while len(points) > POINTS_MAX * SIZE:
        points = _thinned(points)
    return points


def _thinned(points: bytes) -> bytes:
    each = [points[i : i + SIZE] for i in range(0, len(points), SIZE)]
    older = len(each) // 2
    kept = [p for i, p in enumerate(each[:older]) if i % 2 == 0 or p[-1] & ~_ENOUGH != each[i - 1][-1] & ~_ENOUGH]
    if len(kept) == older:  # a flag that comes and goes at every point
        kept = kept[::2]
    return b"".join(kept + each[older:])


def read(points: bytes) -> list[dict[str, Any]]:
    """The points, the oldest first, as the API gives them; `score` is None where there was too little evidence.

    The ends of the risk's interval are None where a record of an older core had none.
    """
    found = []
    for as_of_ms, version, score, low, high, risk, risk_low, risk_high, bits in _POINT.iter_unpack(points):
        enough = bool(bits & _ENOUGH)
        found.append(
            {
                "as_of_ms": as_of_ms,
                "version": version,
                "score": round(score, _DIGITS) if enough else None,
                "low": round(low, _DIGITS),
                "high": round(high, _DIGITS),
                "risk": round(risk, _DIGITS),
                "risk_low": None if math.isnan(risk_low) else round(risk_low, _DIGITS),
                "risk_high": None if math.isnan(risk_high) else round(risk_high, _DIGITS),
                "enough_evidence": enough,
                "flagged": bool(bits & _FLAGGED),
                "verdict": _VERDICTS[bits >> _VERDICT_SHIFT],
            }
        )
    return found
