"""The vital signs of every community in one look at who took part in what: inputs of `health`, as a record.

The echo index is the headline: its interval is the 5th to 95th percentile of 200 bootstrap resamples of settled claims,
from a fixed seed. Fewer than 20 members or 10 settled claims are not enough evidence to go by. The origin of a claim is
the community of whoever was first on it. A tie is a meeting of two members on a claim; each participation meets the
eight before it. Failure modes: those of `health`; figures are over the window of the stage, not over all time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.contract.codes import DENY, SUPPORT
from streams.scoring.communities import health
from streams.scoring.communities.bridging import bridging_scores
from streams.scoring.communities.coordination import Participations, ring_of
from streams.scoring.numeric import Floats, Ints
from streams.tables.compiled import compiled

MEMBERS_MIN, SETTLED_MIN = 20, 10
RESAMPLES = 200
TIE_RING = 8
RATED_MIN = 5  # stances that a claim needs to be asked for agreement across viewpoints


@dataclass(frozen=True, slots=True)
class View:
    """What is looked at.

    Attributes:
        took_part: participations in order of arrival.
        community: of each source, 0 for none; viewpoint: of each source, −1 to 1.
        false: of each claim, +1 found false, −1 found true, 0 not settled; ruled_ms: when.
    """

    took_part: Participations
    community: Ints
    viewpoint: Floats
    false: npt.NDArray[np.int8]
    ruled_ms: Ints


def vitals(view: View) -> dict[int, dict[str, Any]]:
    """Community → its figures, for communities with at least 20 members."""
    part = view.took_part
    home = view.community[part.source]
    size = np.bincount(view.community[np.unique(part.source)])
    claims = int(part.claim.max()) + 1 if part.claim.size else 0
    origin = np.zeros(claims, np.int64)
    claim, first = np.unique(part.claim, return_index=True)
    origin[claim] = home[first]
    inside, outside = _ties(part, home, len(size))
    agreed = bridging_scores(view.viewpoint[part.source], (part.stance == SUPPORT).astype(np.int64), part.claim, claims)
    agreed[np.bincount(part.claim, minlength=claims) < RATED_MIN] = np.nan
    out = {}
    for row in (np.flatnonzero(size[1:] >= MEMBERS_MIN) + 1).tolist():
        own = part.take(np.flatnonzero(home == row))
        record = {"members": int(size[row]), "claims": len(np.unique(own.claim)), **_accord(own, view)}
        record |= {
            "insularity": health.insularity(int(inside[row]), int(outside[row])),
            "origins": health.diversity(np.bincount(origin[np.unique(own.claim)])),
            "concentration": health.concentration(np.unique(own.source, return_counts=True)[1]),
            "bridging": _bridging(own, agreed),
        }
        record["enough_evidence"] = record["members"] >= MEMBERS_MIN and record["settled"] >= SETTLED_MIN
        out[row] = {k: round(v, 6) if isinstance(v, float) else v for k, v in record.items()}
    return out


def _ties(part: Participations, home: Ints, communities: int) -> tuple[Ints, Ints]:
    """Meetings of each community's members with each other, and with members of other communities."""
    order = np.argsort(part.claim, kind="stable")
    inside, outside = np.zeros(communities, np.int64), np.zeros(communities, np.int64)
    _count_ties(ring_of(part.claim[order], TIE_RING)[1], home[order], inside, outside)
    return inside, outside


@compiled
def _count_ties(end: Ints, home: Ints, inside: Ints, outside: Ints) -> None:
    for one in range(len(home)):
        for other in range(one + 1, end[one]):
            if home[one] == home[other]:
                inside[home[one]] += 1
            else:
                outside[home[one]] += 1
                outside[home[other]] += 1


def _accord(own: Participations, view: View) -> dict[str, Any]:
    """What a community's members say together, and how they err and turn."""
    claims = len(view.false)
    supports = np.bincount(own.claim[own.stance == SUPPORT], minlength=claims)
    denies = np.bincount(own.claim[own.stance == DENY], minlength=claims)
    spoken = supports + denies > 1
    false = view.false[own.claim]
    settled = np.flatnonzero(false != 0)
    wrong = (own.stance[settled] == SUPPORT) == (false[settled] > 0)
    numbers, claim = np.unique(own.claim[settled], return_inverse=True)
    low, high = _interval(claim, wrong.astype(np.int64))
    late = own.t_ms > view.ruled_ms[own.claim]
    misled = (false > 0) & (supports > denies)[own.claim]
    deny, support = own.stance == DENY, own.stance == SUPPORT
    after = late & (false > 0) & support
    return {
        "settled": len(numbers),
        "echo_index": health.echo_index(claim, wrong.astype(np.int64)) if settled.size else 0.0,
        "low": low,
        "high": high,
        "accuracy": float(1.0 - wrong.mean()) if settled.size else None,
        "dissent": float(health.dissent(supports, denies)[spoken].mean()) if spoken.any() else 0.0,
        "hidden_dissent": health.hidden_dissent(int((misled & deny).sum()), int((misled & deny & late).sum())),
        "correction_half_life_h": health.correction_half_life_h(
            (own.t_ms[after] - view.ruled_ms[own.claim[after]]) / 3_600_000.0
        ),
    }


def _interval(claim: Ints, wrong: Ints) -> tuple[float, float]:
    """5th and 95th percentile of the echo index over resampled claims."""
    claims = int(claim.max()) + 1 if claim.size else 0
    if claims < 2:
        return 0.0, 1.0
    count, errors = np.bincount(claim), np.bincount(claim, wrong)
    drawn = np.random.default_rng(0).integers(0, claims, (RESAMPLES, claims))
    found = [health.echo_of_counts(count[at].astype(np.float64), errors[at]) for at in drawn]
    return float(np.quantile(found, 0.05)), float(np.quantile(found, 0.95))


def _bridging(own: Participations, agreed: Floats) -> float | None:
    """Mean agreement across viewpoints on the claims that the community's members support."""
    scores = agreed[np.unique(own.claim[own.stance == SUPPORT])]
    scores = scores[~np.isnan(scores)]
    return float(scores.mean()) if scores.size else None
