"""Nets are found by the company they keep; people who merely share interests are not."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.blocks import Block, make
from streams.scoring.communities import find_communities, normalised_mutual_information
from streams.scoring.coordination import Coordination, CoordinationConfig
from tests.scoring.builders import Event, Pipeline, events_block

HOUR_MS = 3_600_000


def world(seed: int, slow: bool, net: int = 12, honest: int = 150, claims: int = 120) -> list[Event]:
    """Honest people take part in claims of their interest; a net takes part in every fourth, on one side."""
    rng = np.random.default_rng(seed)
    events = []
    for c in range(claims):
        t0 = c * 6 * HOUR_MS
        crowd = rng.choice(honest, 20, replace=False)
        for i in crowd.tolist():
            events.append((t0 + int(rng.integers(0, 48 * HOUR_MS)), f"h{i}", c, 1 + int(rng.random() < 0.35)))
        if c % 4 == 0:
            spread = 48 * HOUR_MS if slow else 15 * 60_000
            for i in range(net):
                if rng.random() < 0.8:
                    events.append((t0 + int(rng.integers(0, spread)), f"bot{i}", c, 2))
    events.sort()
    return [Event(s, f"c{c}", f"e{n}", t, stance) for n, (t, s, c, stance) in enumerate(events)]


def clusters(events: list[Event], config: CoordinationConfig) -> dict[str, int]:
    detector, found = Coordination(config), {}
    for at in range(0, len(events), 300):
        block = detector.apply(events_block(events[at : at + 300]))
        if isinstance(block, Block):
            found.update(zip(block["s"], block["cl"].tolist(), strict=True))
    return {s: c for s, c in found.items() if c}


def test_a_net_is_found_fast_or_slow_and_honest_people_are_left_alone() -> None:
    for slow in (False, True):
        found = clusters(world(3, slow), CoordinationConfig(every_events=500))
        assert {s for s in found if s.startswith("bot")} == {f"bot{i}" for i in range(12)}
        assert not [s for s in found if s.startswith("h")]
        assert len(set(found.values())) == 1


def test_a_cluster_keeps_its_id_from_round_to_round() -> None:
    detector = Coordination(CoordinationConfig(every_events=500))
    seen = set()
    events = world(4, False)
    for at in range(0, len(events), 300):
        if (block := detector.apply(events_block(events[at : at + 300]))) is not None:
            seen |= {c for c in block["cl"].tolist() if c}
    assert len(seen) == 1


def test_the_number_of_pairs_is_bounded() -> None:
    config = CoordinationConfig(every_events=100, pairs_max=400)
    detector = Coordination(config)
    for at in range(0, 900, 300):
        detector.apply(events_block(world(5, False)[at : at + 300]))
    assert len(detector._keys) <= config.pairs_max


def test_communities_of_a_homophilous_world_are_recovered() -> None:
    rng = np.random.default_rng(6)
    home = np.arange(300) % 4
    pairs = {
        (s, c)
        for s in range(300)
        for c in rng.choice(200, 40, replace=False).tolist()
        if rng.random() < (0.9 if c % 4 == home[s] else 0.15)
    }
    source, claim = (np.array(column) for column in zip(*sorted(pairs), strict=True))
    label = find_communities(source, claim, 300, 200, k=4, joined_min=3)
    assert normalised_mutual_information(home[label > 0], label[label > 0]) > 0.6


@given(st.lists(st.integers(0, 180), min_size=1, max_size=12, unique=True), st.randoms(use_true_random=False))
def test_what_a_net_says_in_the_first_hour_is_counted_apart_whatever_the_order(minutes: list[int], random: Any) -> None:
    events = [Event(f"bot{i}", "c", f"e{i}", t=HOUR_MS + m * 60_000, stance=1 + i % 2) for i, m in enumerate(minutes)]
    names = [e.source for e in events]
    soon = [e for e in events if e.t <= min(e.t for e in events) + HOUR_MS]
    random.shuffle(events)
    line = Pipeline()
    for event in events[: len(events) // 2]:
        line.events([event])
    line.feed(make("assign", "g/0", 1, {"s": names, "cl": [99] * len(names), "com": [""] * len(names)}))
    line.events(events[len(events) // 2 :])
    line.feed(make("assign", "g/0", 2, {"s": names, "cl": [99] * len(names), "com": [""] * len(names)}))
    claims = line.claims.data.claims
    row = claims.find_one("c")
    assert claims["pr"][row] == sum(e.stance == 1 for e in soon)
    assert claims["dr"][row] == sum(e.stance == 2 for e in soon)
