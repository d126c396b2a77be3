"""The synthetic social world: communities, slant, experts, hidden copying, and truths that the crowd denies.

Everything is drawn from one seed. Names of worlds: `synthetic:clean`, `synthetic:copy`; attacks are added by
`attacks.py` on top, with the same seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.contract.codes import FALSE, TRUE
from streams.evaluate.cascades import HOUR_MS, CascadeSet, Rulings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DAY_MS = 24 * HOUR_MS
EPOCH_MS = 1_700_000_000_000
MINUTES_MS = 5 * 60_000.0


@dataclass(frozen=True)
class WorldSettings:
    """What the world is made of; the defaults are the world that the published figures belong to.

    Attributes:
        copying: probability to copy the last stance in one's community: lowest and highest community.
        delay_h, delay_spread: median in hours and log-spread of an assertion's delay after the claim's first.
        home_share: share of a claim's assertions that come from its home community.
        named_communities: whether events name the source's community (else it stays hidden).
    """

    sources: int = 1_500
    claims: int = 1_600
    communities: int = 6
    days: int = 120
    activity_exponent: float = 1.15
    true_share: float = 0.6
    assertions_log_mean: float = 2.7
    assertions_log_spread: float = 0.9
    home_share: float = 0.6
    slanted_share: float = 0.5
    slant_shift: float = 1.2
    hard_share: float = 0.12
    hard_accuracy: float = 0.28
    expert_share: float = 0.06
    bad_share: float = 0.10
    copying: tuple[float, float] = (0.1, 0.75)
    fast_copies: float = 0.7
    delay_h: float = 5.0
    delay_spread: float = 1.8
    verdict_share: float = 0.2
    verdict_h: float = 36.0
    verdict_spread: float = 0.5
    verdict_accuracy: float = 0.97
    burn_in: float = 0.4
    named_communities: bool = False


PRESETS = {"clean": WorldSettings(), "copy": WorldSettings(copying=(0.5, 0.9))}


@dataclass(frozen=True)
class _Sources:
    community: Ints
    viewpoint: Floats
    accuracy: Floats
    expert: npt.NDArray[np.bool_]
    activity: Floats
    copies: Floats  # probability to copy


@dataclass(frozen=True)
class _Claims:
    t0_ms: Ints
    true: npt.NDArray[np.bool_]
    size: Ints
    home: Ints
    slant: Floats
    hard: npt.NDArray[np.bool_]


def make_world(name: str = "clean", seed: int = 0, settings: WorldSettings | None = None) -> CascadeSet:
    """A world as a cascade set; `name` picks a preset unless settings are given. ValueError for an unknown name."""
    if settings is None:
        if name not in PRESETS:
            raise ValueError(f"no synthetic world {name!r}; there are {', '.join(PRESETS)}")
        settings = PRESETS[name]
    rng = np.random.default_rng(seed)
    sources, claims = _draw_sources(settings, rng), _draw_claims(settings, rng)
    claim, source, base_ms = _draw_assertions(settings, sources, claims, rng)
    sign, t_ms = _draw_stances(settings, sources, claims, claim, source, base_ms, rng)
    truth = np.where(claims.true, TRUE, FALSE).astype(np.int8)
    n = len(claim)
    first = np.zeros(n, np.bool_)
    order = np.lexsort((t_ms, claim))
    first[order[np.concatenate([[True], np.diff(claim[order]) > 0])]] = True
    root_of = {int(claim[i]): f"e{i:06d}" for i in np.flatnonzero(first).tolist()}
    names = [f"c{i}" for i in range(settings.communities)]
    return CascadeSet(
        name=f"synthetic:{name}",
        t_ms=t_ms,
        kind=np.where(first, 0, 2).astype(np.int8),
        stance=np.where(sign > 0, 1, 2).astype(np.int8),
        claim=claim.astype(np.int32),
        user=source.astype(np.int32),
        event_ids=[f"e{i:06d}" for i in range(n)],
        parent=["" if is_first else root_of[c] for c, is_first in zip(claim.tolist(), first.tolist(), strict=True)],
        community=(sources.community[source] + 1).astype(np.int32) * settings.named_communities,
        text_hash=np.zeros(n, np.uint64),
        claim_ids=[f"claim{i:05d}" for i in range(settings.claims)],
        user_ids=[f"s{i:05d}" for i in range(settings.sources)],
        communities=["", *names],
        truth=truth,
        group=np.arange(settings.claims, dtype=np.int32),
        own_rulings=_draw_rulings(settings, claims, truth, rng),
        burn_in=settings.burn_in,
    ).sorted()


def _draw_sources(settings: WorldSettings, rng: np.random.Generator) -> _Sources:
    n, k = settings.sources, settings.communities
    community = rng.integers(0, k, n)
    centre = np.linspace(-0.8, 0.8, k) if k > 1 else np.zeros(1)
    accuracy = rng.beta(9, 4.5, n)
    lot = rng.random(n)
    expert, bad = lot < settings.expert_share, lot > 1 - settings.bad_share
    accuracy[expert] = rng.uniform(0.88, 0.96, int(expert.sum()))
    accuracy[bad] = rng.uniform(0.25, 0.45, int(bad.sum()))
    low, high = settings.copying
    return _Sources(
        community=community,
        viewpoint=np.clip(centre[community] + rng.normal(0, 0.2, n), -1, 1),
        accuracy=accuracy,
        expert=expert,
        activity=rng.pareto(settings.activity_exponent, n) + 1,
        copies=rng.permutation(np.linspace(low, high, k))[community],
    )


def _draw_claims(settings: WorldSettings, rng: np.random.Generator) -> _Claims:
    n = settings.claims
    slanted = rng.random(n) < settings.slanted_share
    strength = rng.uniform(0.5, 1.0, n) * rng.choice([-1.0, 1.0], n)
    size = np.round(rng.lognormal(settings.assertions_log_mean, settings.assertions_log_spread, n)).astype(np.int64)
    return _Claims(
        t0_ms=EPOCH_MS + np.sort(rng.integers(0, settings.days * DAY_MS, n)),
        true=rng.random(n) < settings.true_share,
        size=np.clip(size, 1, settings.sources // 3),
        home=rng.integers(0, settings.communities, n),
        slant=np.where(slanted, strength, 0.0),
        hard=rng.random(n) < settings.hard_share,
    )


def _draw_assertions(
    settings: WorldSettings, sources: _Sources, claims: _Claims, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints]:
    """(claim, source, time before copying): sources without replacement by activity, most from the home community."""
    key = np.log(sources.activity)[None, :] + rng.gumbel(size=(settings.claims, settings.sources))
    at_home = sources.community[None, :] == claims.home[:, None]
    wanted_home = np.minimum(rng.binomial(claims.size, settings.home_share), at_home.sum(axis=1))
    chosen = np.zeros(key.shape, np.bool_)
    for inside, wanted in ((at_home, wanted_home), (~at_home, claims.size - wanted_home)):
        order = np.argsort(np.where(inside, -key, np.inf), axis=1)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(settings.sources)[None, :], axis=1)
        chosen |= inside & (rank < wanted[:, None])
    claim, source = np.nonzero(chosen)
    delay_h = rng.lognormal(np.log(settings.delay_h), settings.delay_spread, len(claim))
    shuffled = rng.random(len(claim))
    order = np.lexsort((shuffled, claim))
    first = np.concatenate([[True], np.diff(claim) > 0])
    base = claims.t0_ms[claim] + np.where(first, 0, np.minimum(delay_h, 240.0) * HOUR_MS).astype(np.int64)
    return claim, source[order], base


def _draw_stances(
    settings: WorldSettings,
    sources: _Sources,
    claims: _Claims,
    claim: Ints,
    source: Ints,
    base_ms: Ints,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.int8], Ints]:
    """Sign and time of each assertion: an own view, or a copy of the last stance in one's community."""
    odds = np.log(sources.accuracy / (1 - sources.accuracy))[source]
    # A slant pushes towards "true" those who share it; for a false claim that is away from being right.
    lean = settings.slant_shift * claims.slant[claim] * sources.viewpoint[source]
    p_right = 1 / (1 + np.exp(-(odds + np.where(claims.true[claim], lean, -lean))))
    p_right = np.where(claims.hard[claim] & ~sources.expert[source], settings.hard_accuracy, p_right)
    right = rng.random(len(claim)) < p_right
    sign = np.where(right == claims.true[claim], 1, -1).astype(np.int8)
    wants_copy = rng.random(len(claim)) < sources.copies[source]
    at_once = rng.random(len(claim)) < settings.fast_copies
    pause = rng.exponential(MINUTES_MS, len(claim)).astype(np.int64)
    t_ms = base_ms.copy()
    order = np.lexsort((base_ms, claim))
    start = np.searchsorted(claim[order], np.arange(settings.claims))
    length = np.diff(np.append(start, len(claim)))
    last_sign = np.zeros((settings.claims, settings.communities), np.int8)
    last_ms = np.zeros((settings.claims, settings.communities), np.int64)
    for step in range(int(length.max())):
        row = order[start[length > step] + step]
        c, m = claim[row], sources.community[source[row]]
        copied = wants_copy[row] & (last_sign[c, m] != 0)
        sign[row] = np.where(copied, last_sign[c, m], sign[row])
        t_ms[row] = np.where(copied & at_once[row], last_ms[c, m] + pause[row], t_ms[row])
        last_sign[c, m], last_ms[c, m] = sign[row], t_ms[row]
    return sign, t_ms


def _draw_rulings(
    settings: WorldSettings, claims: _Claims, truth: npt.NDArray[np.int8], rng: np.random.Generator
) -> Rulings:
    ruled = np.flatnonzero(rng.random(settings.claims) < settings.verdict_share)
    delay = rng.lognormal(np.log(settings.verdict_h), settings.verdict_spread, len(ruled)) * HOUR_MS
    right = rng.random(len(ruled)) < settings.verdict_accuracy
    verdict = np.where(right, truth[ruled], TRUE + FALSE - truth[ruled]).astype(np.int8)
    t_ms = claims.t0_ms[ruled] + delay.astype(np.int64)
    order = np.argsort(t_ms, kind="stable")
    return Rulings(ruled[order].astype(np.int32), verdict[order], t_ms[order])
