"""Who lives in the seeded world, and what is claimed there: members, botnets, the lone source, claims with a truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.datasets.social_words import COMMUNITIES, LONE_NAME, people, rumours

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 1_756_684_800_000
"""The world begins on 2025-09-01T00:00Z: in the past, so that no clock of it runs ahead of a broker's."""

HONEST, CARELESS, EXPERT, BOT, LONE = range(5)
MEMBER_KINDS = ("honest", "careless", "expert", "bot", "lone")


@dataclass(frozen=True)
class WorldSettings:
    """What a world is made of.

    Attributes:
        events: how many events it has, about (± 10 %).
        members, claims, days: how many.
        communities: at most as many as have names; the last `echo_chambers` of them are echo chambers.
        activity_exponent: Pareto exponent of activity; at 1.15 a tenth of the members write about two thirds.
        home_share: probability that a participant comes from the community of the person they answer (in an echo
            chamber: `echo_share`).
        careless_share, expert_share: shares of the members; in echo chambers half of the members are careless.
        botnets, bots: how many nets, and accounts a net.
        true_share: share of the claims that are true.
        hard_share: share of the claims on which most honest members err.
        verdict_share: share of the claims that a fact-checker ever rules on.
        late_share, repeat_share, skew_share: shares of the events that arrive late, arrive twice, or are stamped
            earlier than the event they answer.
        stories: false claims that everybody near the lone source believes, and that she alone denies.
    """

    events: int = 42_000
    members: int = 3_200
    claims: int = 300
    days: int = 30
    communities: int = 7
    echo_chambers: int = 2
    activity_exponent: float = 1.15
    home_share: float = 0.7
    echo_share: float = 0.9
    careless_share: float = 0.26
    expert_share: float = 0.04
    botnets: int = 3
    bots: int = 20
    true_share: float = 0.55
    hard_share: float = 0.1
    verdict_share: float = 0.6
    late_share: float = 0.01
    repeat_share: float = 0.004
    skew_share: float = 0.003
    stories: int = 5


@dataclass(frozen=True)
class Members:
    """Members by index: name, kind (MEMBER_KINDS), community, relative activity, botnet (−1: none)."""

    name: list[str]
    kind: Ints
    community: Ints
    activity: Floats
    net: Ints

    @property
    def lone(self) -> int:
        """Index of the lone source."""
        return int(np.flatnonzero(self.kind == LONE)[0])


@dataclass(frozen=True)
class Claims:
    """Claims by index, ascending by time of the first post.

    Attributes:
        slug, text: what is claimed.
        true: the hidden truth; `ruled`: whether a fact-checker ever rules on it.
        t0_ms, size: time of the first post; how many events its cascade is meant to have.
        home: community in which it starts; `slanted`: it tells an echo chamber what it wants to hear.
        hard: most honest members err on it.
        net: botnet that pushes it (−1: none).
        story: whether it is one of the lone source's.
    """

    slug: list[str]
    text: list[str]
    true: Bools
    ruled: Bools
    t0_ms: Ints
    size: Ints
    home: Ints
    slanted: Bools
    hard: Bools
    net: Ints
    story: Bools


def draw_members(s: WorldSettings, rng: np.random.Generator) -> Members:
    """Members of all kinds; bots and the lone source bear names like everybody's."""
    plain = s.members - s.botnets * s.bots - 1
    shares = rng.dirichlet(np.full(s.communities, 8.0))
    community = rng.choice(s.communities, plain, p=shares)
    careless = np.where(_is_echo(s, community), 0.5, s.careless_share)
    draw = rng.random(plain)
    kind = np.where(draw < s.expert_share, EXPERT, np.where(draw < s.expert_share + careless, CARELESS, HONEST))
    activity = rng.pareto(s.activity_exponent, plain) + 0.15
    # Carelessness is a habit of people who write a lot; an expert's word is rarer.
    activity *= np.choose(kind, [1.0, 1.3, 0.7])
    net = np.repeat(np.arange(s.botnets), s.bots)
    echo = s.communities - 1 - net % max(1, s.echo_chambers)
    ceiling = np.quantile(activity, 0.999)
    return Members(
        name=[*people(s.members - 1, rng), LONE_NAME],
        kind=np.concatenate([kind, np.full(net.size, BOT), [LONE]]),
        community=np.concatenate([community, echo, [s.communities - 1]]),
        activity=np.concatenate([np.minimum(activity, ceiling), np.zeros(net.size + 1)]),
        net=np.concatenate([np.full(plain, -1), net, [-1]]),
    )


def draw_claims(s: WorldSettings, rng: np.random.Generator) -> Claims:
    """Claims with sizes that add up to about `events`, and the lone source's stories spread over the days."""
    n = s.claims
    t0 = np.sort(rng.uniform(0, (s.days - 2) * DAY_MS, n)).astype(np.int64) + START_MS
    true = rng.random(n) < s.true_share
    story = np.zeros(n, np.bool_)
    # The first story comes when others already have a record, the last one when she has.
    story[(np.linspace(0.2, 0.9, s.stories) * n).astype(np.int64)] = True
    true &= ~story
    hard = (rng.random(n) < s.hard_share) & ~story
    home = np.where(story, s.communities - 1, rng.integers(0, s.communities, n))
    slanted = story | (_is_echo(s, home) & (rng.random(n) < 0.6))
    pushed = (rng.random(n) < np.where(true, 0.04, 0.45)) & ~story
    net = np.where(pushed, rng.integers(0, max(1, s.botnets), n), -1)
    size = rng.lognormal(0.0, 1.0, n) * np.where(true, 1.0, 1.3) * np.where(pushed, 1.4, 1.0)
    size = np.where(story, 1.8, size)
    told = rumours(n, rng)
    return Claims(
        slug=[slug for slug, _ in told],
        text=[text for _, text in told],
        true=true,
        ruled=(rng.random(n) < s.verdict_share) | story,
        t0_ms=t0,
        size=np.maximum(4, size / size.sum() * s.events).astype(np.int64),
        home=home,
        slanted=slanted,
        hard=hard,
        net=net,
        story=story,
    )


def _is_echo(s: WorldSettings, community: Ints) -> Bools:
    return community >= s.communities - s.echo_chambers


def community_names(s: WorldSettings) -> list[str]:
    """Names of the communities, by index."""
    return list(COMMUNITIES[: s.communities])
