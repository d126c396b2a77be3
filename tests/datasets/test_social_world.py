"""The seeded world: the same seed makes the same world, it has the traits it says, and its truth stays hidden."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from streams.datasets import dataset
from streams.datasets.social_people import BOT, CARELESS, LONE, MEMBER_KINDS, START_MS
from streams.datasets.social_world import EVENT_COLUMNS, SIZES, World, make_world, write_world

SOURCE, CLAIM, EVENT, PARENT, KIND, STANCE, COMMUNITY, TEXT = (
    EVENT_COLUMNS.index(name)
    for name in ("user_id", "claim_id", "event_id", "parent_id", "kind", "stance", "community_id", "text")
)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world("demo", seed=7)


@pytest.fixture(scope="module")
def written(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(world, tmp_path_factory.mktemp("world"))


def test_the_same_seed_makes_the_same_world_and_another_seed_another() -> None:
    one, again, other = make_world("small", 3), make_world("small", 3), make_world("small", 4)
    assert one.rows == again.rows
    assert one.rows != other.rows


@pytest.mark.parametrize("size", ["small", "demo"])
def test_sizes_are_about_what_they_say(size: str) -> None:
    world = make_world(size)
    assert len(world) == pytest.approx(SIZES[size].events, rel=0.1)
    assert len(world.claim_ids) == len(set(world.claim_ids)) == SIZES[size].claims


def test_a_tenth_of_the_members_write_most(world: World) -> None:
    counts = Counter(row[SOURCE] for row in world.rows)
    ranked = sorted((counts[name] for name in world.members.name), reverse=True)
    assert sum(ranked[: len(ranked) // 10]) > 0.5 * sum(ranked)


def test_people_answer_their_own_community_far_more_often_than_chance(world: World) -> None:
    community = {row[EVENT]: row[COMMUNITY] for row in world.rows}
    same = np.mean([community[row[PARENT]] == row[COMMUNITY] for row in world.rows if row[PARENT]])
    shares = np.array(list(Counter(community.values()).values())) / len(community)
    assert same > 3 * float((shares**2).sum())


def test_everybody_answers_an_event_of_the_same_claim_that_is_there(world: World) -> None:
    claim = {row[EVENT]: row[CLAIM] for row in world.rows}
    assert all(claim[row[PARENT]] == row[CLAIM] for row in world.rows if row[PARENT])
    assert {row[CLAIM] for row in world.rows if not row[PARENT]} == set(world.claim_ids)


def test_bots_repeat_the_same_words_and_people_do_not(world: World) -> None:
    kind = dict(zip(world.members.name, world.members.kind.tolist(), strict=True))
    posts = {row[EVENT]: row for row in world.rows if row[KIND] == "post" and row[PARENT]}.values()
    copied = Counter((row[CLAIM], row[TEXT]) for row in posts if kind[row[SOURCE]] == BOT)
    own = Counter(row[TEXT] for row in posts if kind[row[SOURCE]] != BOT)
    assert np.mean(list(copied.values())) > 5
    assert max(own.values()) <= 2


def test_the_careless_spread_falsehoods_and_the_honest_deny_them(world: World) -> None:
    kind = dict(zip(world.members.name, world.members.kind.tolist(), strict=True))
    true = dict(zip(world.claim_ids, world.claims.true.tolist(), strict=True))
    spread = Counter((kind[row[SOURCE]] == CARELESS, true[row[CLAIM]]) for row in world.rows if row[KIND] == "reshare")
    careless = spread[True, False] / (spread[True, False] + spread[True, True])
    honest = spread[False, False] / (spread[False, False] + spread[False, True])
    assert careless > honest + 0.1


def test_the_lone_source_alone_denies_what_her_neighbours_believe_and_is_right(world: World) -> None:
    lone = world.members.name[world.members.lone]
    assert MEMBER_KINDS[LONE] == "lone"
    stories = [world.claim_ids[i] for i in np.flatnonzero(world.claims.story)]
    assert {row[CLAIM] for row in world.rows if row[SOURCE] == lone} == set(stories)
    assert not world.claims.true[world.claims.story].any()
    assert world.claims.ruled[world.claims.story].all()
    for story in stories:
        first_day = [row for row in world.rows if row[CLAIM] == story and _ms(row) < _first(world, story) + 86_400_000]
        against = Counter(row[STANCE] for row in first_day)
        assert against["deny"] <= 0.1 * len(first_day)
        assert lone in {row[SOURCE] for row in first_day if row[STANCE] == "deny"}


def test_some_events_arrive_late_or_twice_and_some_clocks_run_before_their_parents(world: World) -> None:
    times = np.array([_ms(row) for row in world.rows])
    assert 0.001 < (np.diff(times) < 0).mean() < 0.05
    assert 0 < len(world.rows) - len({row[EVENT] for row in world.rows}) < 0.01 * len(world.rows)
    at = {row[EVENT]: _ms(row) for row in world.rows}
    assert any(at[row[PARENT]] > _ms(row) for row in world.rows if row[PARENT])
    assert times.min() >= START_MS


def test_nothing_in_the_files_that_are_replayed_tells_the_truth(world: World, written: Path) -> None:
    """Unruled claims bear the same label whatever their truth; names, ids and columns are the same for all kinds."""
    with open(written / "events.csv", newline="", encoding="utf-8") as file:
        head = next(csv.reader(file))
    assert tuple(head) == EVENT_COLUMNS
    labels = dataset.read(written).labels
    truth = json.loads((written / "world.json").read_text(encoding="utf-8"))
    unruled = [c for c, claim in truth["claims"].items() if not claim["ruled"]]
    assert {labels[c] for c in unruled} == {"unverified"}
    assert {truth["claims"][c]["truth"] for c in unruled} == {"true", "false"}
    bots = [name for name, source in truth["sources"].items() if source["kind"] == "bot"]
    assert bots
    assert all(name.replace(".", "").isalnum() and not name.startswith(("bot", "b0")) for name in bots)


def test_what_is_written_reads_back(world: World, written: Path) -> None:
    data = dataset.read(written)
    assert len(data) == len(world)
    assert list(data.columns["id"]) == [row[EVENT] for row in world.rows]
    assert data.first_ms()[world.claim_ids[0]] == world.first_ms[0]


def _ms(row: tuple[str, ...]) -> int:
    return round(float(row[0]) * 1000)


def _first(world: World, claim: str) -> int:
    return world.first_ms[world.claim_ids.index(claim)]
