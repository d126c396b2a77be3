"""How one claim spreads: who answers whom, when, and with what stance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from streams.contract.words import Kind
from streams.datasets.social_people import (
    BOT,
    CARELESS,
    DAY_MS,
    EXPERT,
    HONEST,
    HOUR_MS,
    LONE,
    START_MS,
    Claims,
    Members,
    WorldSettings,
)
from streams.datasets.social_words import reply, retold

# Memory kernel of reshares: flat up to s₀, then a power law with exponent 1 + θ (Zhao et al., KDD 2015), here cut at
# DELAY_MAX_MS, since a world of a month has no room for its tail.
KERNEL_S0_MS = 300_000.0
KERNEL_THETA = 0.2315
DELAY_MAX_MS = 6 * DAY_MS
BOT_MINUTES = 20
POST, RESHARE, REPLY = str(Kind.POST), str(Kind.RESHARE), str(Kind.REPLY)


@dataclass(slots=True)
class Cascade:
    """Events of one claim as columns; index 0 is its root, parents are indices (−1: none)."""

    member: list[int] = field(default_factory=list)
    kind: list[str] = field(default_factory=list)
    stance: list[str] = field(default_factory=list)
    t_ms: list[int] = field(default_factory=list)
    parent: list[int] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    def add(self, member: int, kind: str, stance: str, t_ms: float, parent: int, text: str) -> int:
        """Append an event; its index."""
        self.member.append(member)
        self.kind.append(kind)
        self.stance.append(stance)
        self.t_ms.append(int(t_ms))
        self.parent.append(parent)
        self.text.append(text)
        return len(self.member) - 1


class Crowd:
    """Draws members: by community, in proportion to activity."""

    def __init__(self, s: WorldSettings, members: Members, rng: np.random.Generator) -> None:
        self.s, self.members, self.rng = s, members, rng
        self._of = [np.flatnonzero((members.community == c) & (members.activity > 0)) for c in range(s.communities)]
        self._upto = [np.cumsum(members.activity[of]) for of in self._of]
        self.echo = [c >= s.communities - s.echo_chambers for c in range(s.communities)]
        self.kind = members.kind.tolist()
        self.community = members.community.tolist()
        self._uniform = self._stream()

    def _stream(self) -> Iterator[float]:
        while True:
            yield from self.rng.random(8192).tolist()

    def draw(self) -> float:
        """A number in [0, 1)."""
        return next(self._uniform)

    def member(self, community: int) -> int:
        """A member of the community."""
        upto = self._upto[community]
        return int(self._of[community][np.searchsorted(upto, self.draw() * upto[-1], side="right")])

    def answering(self, community: int) -> int:
        """A member who answers somebody of the community: mostly one of the same."""
        home = self.s.echo_share if self.echo[community] else self.s.home_share
        if self.draw() >= home:
            community = int(self.draw() * self.s.communities)
        return self.member(community)

    def cares(self, who: int, claims: Claims, c: int) -> bool:
        """Whether the member reacts to such a claim at all: sensational ones draw the careless."""
        looks_true = bool(claims.true[c]) != bool(claims.hard[c])
        kind = self.kind[who]
        if kind == CARELESS:
            return self.draw() < (0.6 if looks_true else 1.0)
        return looks_true or self.draw() < (0.85 if kind == EXPERT else 0.6)

    def author(self, community: int, true: bool) -> int:
        """Who starts a claim: falsehoods mostly the careless, truths mostly the honest."""
        for _ in range(200):
            who = self.member(community)
            if (self.kind[who] == CARELESS) == (self.draw() < (0.15 if true else 0.85)):
                return who
        return who

    def delay_ms(self) -> float:
        """A delay from the memory kernel, cut at DELAY_MAX_MS."""
        flat = KERNEL_THETA / (1 + KERNEL_THETA)
        while True:
            draw = self.draw()
            if draw < flat:
                return draw / flat * KERNEL_S0_MS
            delay: float = KERNEL_S0_MS * ((1 - draw) / (1 - flat)) ** (-1 / KERNEL_THETA)
            if delay < DELAY_MAX_MS:
                return delay

    def believes(self, who: int, claims: Claims, c: int, heard: str) -> bool:
        """Whether a member takes the claim for true, having heard it from somebody with that stance."""
        kind, true, draw = self.kind[who], bool(claims.true[c]), self.draw()
        if claims.slanted[c] and self.community[who] == claims.home[c] and kind != EXPERT:
            return draw < 0.95
        if kind == CARELESS:
            return draw < 0.06 if heard == "deny" else draw < 0.92
        right = 0.96 if kind == EXPERT else 0.3 if claims.hard[c] else 0.82
        return (draw < right) == true


def grow(crowd: Crowd, claims: Claims, c: int) -> Cascade:
    """The whole cascade of claim `c`: root, botnet, crowd, the lone source where it is her story, corrections."""
    cascade = Cascade()
    text, t0 = claims.text[c], float(claims.t0_ms[c])
    root = crowd.author(int(claims.home[c]), bool(claims.true[c]))
    cascade.add(root, POST, "support", t0, -1, text)
    if claims.net[c] >= 0:
        _push(crowd, cascade, int(claims.net[c]), text, t0)
    size, story = int(claims.size[c]), bool(claims.story[c])
    pull = _pull(crowd, size)
    while len(cascade.member) < size:
        # Most answer the root, the others anyone who spoke before, with a few very visible ones.
        parent = 0 if crowd.draw() < 0.45 else int(len(cascade.member) * crowd.draw() ** pull)
        _answer(crowd, cascade, claims, c, parent, story)
    if story:
        at = t0 + (25 + 50 * crowd.draw()) * 60_000
        cascade.add(crowd.members.lone, REPLY, "deny", at, 0, "That is not so. I measured it myself, data attached.")
    if claims.ruled[c] and not claims.true[c]:
        _correct(crowd, cascade, t0 + DAY_MS)
    return cascade


def _pull(crowd: Crowd, size: int) -> float:
    """How strongly early events are preferred as parents. It differs by cascade, so that shapes do."""
    return 1.2 + 1.6 * crowd.draw() + (0.2 if size > 300 else 0.0)


def _answer(crowd: Crowd, cascade: Cascade, claims: Claims, c: int, parent: int, story: bool) -> None:
    """One more member hears of the claim from `parent`, and perhaps says something."""
    who = crowd.answering(crowd.community[cascade.member[parent]])
    if not story and not crowd.cares(who, claims, c):
        return
    believes = crowd.believes(who, claims, c, cascade.stance[parent])
    if not believes and (story or crowd.draw() < (0.25 if crowd.kind[who] == EXPERT else 0.55)):
        if story and crowd.kind[who] == HONEST and crowd.draw() < 0.12:
            _speak(crowd, cascade, who, REPLY, "query", parent)
        return
    draw = crowd.draw()
    if believes:
        if draw < 0.72:
            _speak(crowd, cascade, who, RESHARE, "", parent)
        elif draw < 0.80:
            _speak(crowd, cascade, who, POST, "support", parent, retold(claims.text[c], crowd.draw()))
        else:
            _speak(crowd, cascade, who, REPLY, "support" if draw < 0.9 else "comment", parent)
    else:
        _speak(crowd, cascade, who, REPLY, "deny" if draw < 0.6 else "query" if draw < 0.85 else "comment", parent)


def _speak(
    crowd: Crowd, cascade: Cascade, who: int, kind: str, stance: str, parent: int, text: str | None = None
) -> None:
    at = cascade.t_ms[parent] + 1000 + crowd.delay_ms()
    if at >= START_MS + crowd.s.days * DAY_MS:
        at = cascade.t_ms[parent] + 1000 + crowd.draw() * HOUR_MS
    if text is None:
        text = "" if kind == RESHARE else reply(stance, crowd.draw())
    cascade.add(who, kind, stance, at, parent, text)


def _push(crowd: Crowd, cascade: Cascade, net: int, text: str, t0: float) -> None:
    """Most accounts of a net post the same words within minutes; a few only reshare."""
    words = f"{text}. This is confirmed, spread the word before they delete it!"
    accounts = np.flatnonzero(crowd.members.net == net)
    for account in accounts[crowd.rng.random(accounts.size) < 0.75].tolist():
        at = t0 + (0.5 + BOT_MINUTES * crowd.draw()) * 60_000
        if crowd.draw() < 0.85:
            cascade.add(account, POST, "support", at, 0, words)
        else:
            cascade.add(account, RESHARE, "", at, 0, "")


def _correct(crowd: Crowd, cascade: Cascade, verdict_ms: float) -> None:
    """Some of the honest who had passed it on take it back within a day of the verdict."""
    for i in range(len(cascade.member)):
        who = cascade.member[i]
        spread = cascade.kind[i] != REPLY or cascade.stance[i] == "support"
        if not spread or crowd.kind[who] in (CARELESS, BOT, LONE) or cascade.t_ms[i] > verdict_ms:
            continue
        if crowd.draw() < 0.08:
            at = verdict_ms + crowd.draw() ** 2 * DAY_MS
            cascade.add(who, REPLY, "deny", at, i, reply("deny", crowd.draw(), correcting=True))
