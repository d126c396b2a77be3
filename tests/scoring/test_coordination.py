"""Nets are found by the company they keep; people who merely share interests are not."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.scoring.communities.assignment import map_sources
from streams.scoring.communities.communities_state import GroupsConfig, GroupsState
from streams.scoring.config import ScoringConfig
from streams.tables.blocks import Block, make
from tests.scoring.builders import Event, Pipeline, copy_table, difference

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


def joined(events: list[Event]) -> Block:
    columns = {
        "s": [e.source for e in events],
        "c": [e.claim for e in events],
        "t": [e.t for e in events],
        "x": [e.stance for e in events],
        "m": [e.community for e in events],
    }
    return make("joined", "s/0", 1, columns)


def once(events: list[Event]) -> list[Event]:
    """The first word of each source on each claim, as the sources stage sends it."""
    seen: set[tuple[str, str]] = set()
    return [e for e in events if (e.source, e.claim) not in seen and not seen.add((e.source, e.claim))]  # type: ignore[func-returns-value]


def assigned(state: GroupsState, events: list[Event]) -> list[dict[str, int]]:
    """What the stage says after each block of 300: source → cluster."""
    said = []
    for at in range(0, len(events), 300):
        for block in state.apply(joined(events[at : at + 300]), at + 1).blocks:
            said.append(dict(zip(block["s"], block["cl"].tolist(), strict=True)))
    return said


def state(every: int = 300, window: int = 1 << 19) -> GroupsState:
    return GroupsState(ScoringConfig(), 0, GroupsConfig(window, every, communities=4, health_every=2))


def test_a_net_is_found_fast_or_slow_and_honest_people_are_left_alone() -> None:
    for slow in (False, True):
        found = {s: c for said in assigned(state(), once(world(3, slow))) for s, c in said.items()}
        assert {s for s, c in found.items() if c} == {f"bot{i}" for i in range(12)}
        assert len(set(found.values())) == 1


def drawn_anew(pool: int, part: int, honest_ms: int) -> list[Event]:
    """Every second claim has 15 minutes of `part` accounts of a pool; honest people come within `honest_ms`."""
    rng = np.random.default_rng(8)
    events = []
    for c in range(120):
        t0 = c * 6 * HOUR_MS
        for i in rng.choice(60, 20, replace=False).tolist():
            events.append((t0 + int(rng.integers(0, honest_ms)), f"h{i}", c, 1))
        for i in rng.choice(pool, part * (c % 2), replace=False).tolist():
            events.append((t0 + int(rng.integers(0, 15 * 60_000)), f"bot{i}", c, 2))
    events.sort()
    return [Event(s, f"c{c}", f"e{n}", t, stance) for n, (t, s, c, stance) in enumerate(events)]


def test_a_net_that_draws_its_members_anew_each_time_is_found() -> None:
    found = {s: c for said in assigned(state(), once(drawn_anew(40, 14, 48 * HOUR_MS))) for s, c in said.items() if c}
    assert set(found) == {f"bot{i}" for i in range(40)}


def test_where_everybody_comes_at_once_nobody_is_taken_for_a_net() -> None:
    assert not assigned(state(), once(drawn_anew(40, 0, 15 * 60_000)))


def test_a_cluster_keeps_its_id_from_look_to_look() -> None:
    said = assigned(state(), once(world(4, False)))
    assert len({c for one in said for c in one.values() if c}) == 1


def test_what_is_remembered_is_bounded_and_who_falls_silent_leaves_the_cluster() -> None:
    stage = state(window=1000)
    net = once(world(5, False))
    assert any(c for one in assigned(stage, net) for c in one.values())
    others = [Event(f"o{i % 97}", f"later{i}", f"x{i}", t=10**12 + i) for i in range(1200)]
    last = {s: c for one in assigned(stage, others) for s, c in one.items()}
    assert [c for s, c in last.items() if s.startswith("bot")] == [0] * 12
    assert len(stage.window) == 1000
    assert len(stage.members) == 97


def test_the_state_rebuilt_from_its_tables_goes_on_identically() -> None:
    events = once(world(6, False))
    steady, crashing = state(window=900), state(window=900)
    for at in range(0, len(events), 300):
        block = joined(events[at : at + 300])
        one, other = steady.apply(block, at + 1), crashing.apply(block, at + 1)
        assert [b.columns["s"] for b in one.blocks] == [b.columns["s"] for b in other.blocks]
        assert one.scores == other.scores
        again = state(window=900)
        for mine, theirs in zip(crashing.tables, again.tables, strict=True):
            copy_table(mine, theirs)
        crashing = again
    assert difference(steady, crashing) == 0


def test_a_quiet_stream_is_looked_at_once_more() -> None:
    stage = state(every=10**6)
    assert not assigned(stage, once(world(3, False)))
    tick = Block("tick", "t/0", 1, {}, {"flush": True})
    assert set(stage.apply(tick, 9).blocks[0]["s"]) == {f"bot{i}" for i in range(12)}
    assert not stage.apply(tick, 10).blocks


def test_vital_signs_tell_a_closed_circle_from_an_open_one() -> None:
    """The closed errs together on its own claims; the open meets others, and errs one by one."""
    rng = np.random.default_rng(1)
    events = []
    for c in range(60):
        home = ("closed", "open", "third")[c % 3]
        herd = rng.random() < 0.4
        for i in range(40):
            name = home if home == "closed" else ("open", "third")[int(rng.random() < 0.5)]
            wrong = herd if home == "closed" else rng.random() < 0.4
            events.append(
                Event(f"{name}{rng.integers(40)}", f"c{c}", f"e{c}.{i}", t=c, stance=1 + wrong, community=name)
            )
    stage = state(every=10**6)
    stage.apply(joined(once(events)), 1)
    stage.apply(make("settled", "c/0", 1, {"c": [f"c{c}" for c in range(60)], "f": [-1] * 60, "t": [10**6] * 60}), 2)
    found = stage.apply(Block("tick", "t/0", 1, {}, {"flush": True}), 3).scores
    closed, opened = found["closed"], found["open"]
    assert closed["enough_evidence"]
    assert opened["enough_evidence"]
    assert closed["low"] > 0.9 > 0.2 > opened["high"]
    assert closed["insularity"] == -1.0 < opened["insularity"]
    assert opened["dissent"] > closed["dissent"]


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
    label, _ = map_sources(source, claim, 300, 200, k=4, joined_min=3)
    assert _shared_information(home[label > 0], label[label > 0]) > 0.6


@given(st.lists(st.integers(0, 180), min_size=1, max_size=12, unique=True), st.randoms(use_true_random=False))
def test_what_a_net_says_in_the_first_hour_is_counted_apart_whatever_the_order(minutes: list[int], random: Any) -> None:
    events = [Event(f"bot{i}", "c", f"e{i}", t=HOUR_MS + m * 60_000, stance=1 + i % 2) for i, m in enumerate(minutes)]
    names = [e.source for e in events]
    soon = [e for e in events if e.t <= min(e.t for e in events) + HOUR_MS]
    random.shuffle(events)
    line = Pipeline()
    for event in events[: len(events) // 2]:
        line.events([event])
    line.feed(make("assign", "g/0", 1, {"s": names, "cl": [99] * len(names)}))
    line.events(events[len(events) // 2 :])
    line.feed(make("assign", "g/0", 2, {"s": names, "cl": [99] * len(names)}))
    claims = line.claims.data.claims
    row = claims.find_one("c")
    assert claims["rush_supports"][row] == sum(e.stance == 1 for e in soon)
    assert claims["rush_denials"][row] == sum(e.stance == 2 for e in soon)


def _shared_information(a: np.ndarray, b: np.ndarray) -> float:
    """2·I(a; b) / (H(a) + H(b)): 1 for the same partition, 0 for unrelated ones."""
    joint = np.zeros((int(a.max()) + 1, int(b.max()) + 1))
    np.add.at(joint, (a, b), 1.0 / len(a))
    p, q = joint.sum(axis=1), joint.sum(axis=0)
    cells = joint > 0
    mutual = float((joint[cells] * np.log(joint[cells] / np.outer(p, q)[cells])).sum())
    entropy = -sum(float((x[x > 0] * np.log(x[x > 0])).sum()) for x in (p, q))
    return 2.0 * mutual / entropy if entropy > 0 else 1.0
