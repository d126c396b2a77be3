"""Health of a community: does it hear the other side, say what it thinks, and correct itself?

    echo index        intra-class correlation of members' errors on settled claims,
                      (MS_b − MS_w) / (MS_b + (k̄ − 1)·MS_w)
    insularity        E–I index: (external − internal) / (external + internal) ties; −1 is closed
    dissent           share of assertions on a claim against the community's majority
    hidden dissent    share of the denials of what most supported that came only after the verdict
    correction        half-life of new support for a claim after its verdict
    diversity         exp(entropy) of where a community's claims come from: effective number of origins
    concentration     share of activity by the most active tenth

Source: intra-class correlation, Shrout & Fleiss 1979; E–I index, Krackhardt & Stern 1988; effective numbers, Hill 1973.
Range: as stated at each function. Failure modes: small communities (below 20 members or 10 settled claims) are noise
and should not be shown; a community that is right together has a high echo index too, so read it beside its accuracy.
Nothing here moves a score.
"""

from __future__ import annotations

import math

import numpy as np

from streams.scoring.numeric import Floats, Ints


def echo_index(claim: Ints, wrong: Ints) -> float:
    """Do members err on the same claims? 1: together, 0: independently (below 0 is set to 0).

    Args:
        claim: settled claim of each stance, numbered from 0; wrong: 1 if the stance was wrong.

    >>> echo_index(np.repeat(np.arange(4), 5), np.repeat([1, 0, 1, 0], 5))
    1.0
    >>> echo_index(np.repeat(np.arange(4), 4), np.tile([1, 0, 1, 0], 4))
    0.0
    """
    return echo_of_counts(np.bincount(claim).astype(np.float64), np.bincount(claim, wrong).astype(np.float64))


def echo_of_counts(count: Floats, errors: Floats) -> float:
    """The echo index from each settled claim's number of stances and of wrong ones. A claim without any is left out.

    >>> echo_of_counts(np.array([5.0, 5.0, 0.0]), np.array([5.0, 0.0, 0.0]))
    1.0
    """
    count, errors = count[count > 0], errors[count > 0]
    groups, n = len(count), float(count.sum())
    if groups < 2 or n <= groups:
        return 0.0
    mean, overall = errors / count, float(errors.sum()) / n
    between = float((count * (mean - overall) ** 2).sum()) / (groups - 1)
    within = float((errors * (1.0 - mean)).sum()) / (n - groups)  # of 0 and 1: Σ (x − m)² = n·m·(1 − m)
    size = (n - float((count**2).sum()) / n) / (groups - 1)
    total = between + (size - 1.0) * within
    return max(0.0, (between - within) / total) if total > 0 else 0.0


def insularity(internal: int, external: int) -> float:
    """E–I index of ties: −1 all inside, 1 all outside, 0 without ties.

    >>> insularity(internal=90, external=10)
    -0.8
    """
    total = internal + external
    return (external - internal) / total if total else 0.0


def dissent(supports: Ints, denies: Ints) -> Floats:
    """Share of assertions against the majority, 0 to .5, for each claim.

    >>> dissent(np.array([9, 5]), np.array([1, 5])).tolist()
    [0.1, 0.5]
    """
    share: Floats = np.minimum(supports, denies) / np.maximum(supports + denies, 1)
    return share


def hidden_dissent(denied: int, only_after: int) -> float:
    """Of the denials of falsehoods that most members supported, the share that came only after the verdict.

    >>> hidden_dissent(denied=40, only_after=10)
    0.25
    """
    return only_after / denied if denied else 0.0


def correction_half_life_h(hours: Floats) -> float | None:
    """Hours after a verdict in which new support halves: ln 2 over the exponential rate's maximum-likelihood estimate.

    Args:
        hours: from the verdict to each member's support of the falsehood that came after it. None without any.

    >>> round(correction_half_life_h(np.array([1.0, 2.0, 3.0])), 3)
    1.386
    """
    return math.log(2.0) * float(hours.mean()) if len(hours) else None


def diversity(counts: Ints) -> float:
    """Effective number of origins: exp of the Shannon entropy of their shares; at least 1.

    >>> diversity(np.array([5, 5, 0]))
    2.0
    """
    share = counts[counts > 0] / max(int(counts.sum()), 1)
    return round(float(np.exp(-(share * np.log(share)).sum())), 12)


def concentration(activity: Ints) -> float:
    """Share of all activity by the most active tenth of members (at least one member).

    >>> concentration(np.array([91] + [1] * 9))
    0.91
    """
    if not len(activity):
        return 0.0
    top = np.sort(activity)[::-1][: max(1, len(activity) // 10)]
    return float(top.sum() / max(int(activity.sum()), 1))
