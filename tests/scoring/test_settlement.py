"""Verdicts: what they credit equals a plain recount, and taking one back restores what was."""

from __future__ import annotations

from typing import Any

import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.scoring.config import ScoringConfig
from tests.scoring.builders import (
    NOW_MS,
    Event,
    Pipeline,
    Ruling,
    event_lists,
    rebuilt,
    ruling_lists,
    rulings_block,
)

T0 = 1_600_000_000_000


def recount(events: list[Event], rulings: list[Ruling]) -> dict[str, list[int]]:
    """right, wrong, on the side of false, on that of true of every source, by the definition and nothing else."""
    out: dict[str, list[int]] = {e.source: [0, 0, 0, 0] for e in events}
    for claim in {r.claim for r in rulings}:
        latest: dict[str, Ruling] = {}
        first: dict[str, int] = {}
        for r in rulings:
            if r.claim == claim:
                if r.rater not in latest or r.version > latest[r.rater].version:
                    latest[r.rater] = r
                first[r.rater] = min(first.get(r.rater, r.t), r.t)
        force = [r for r in latest.values() if r.verdict]
        if not force:
            continue
        balance = sum({1: 1, 2: -1}.get(r.verdict, 0) for r in force)
        ruled = min(first[r.rater] for r in force)
        for source in {e.source for e in events if e.claim == claim}:
            mine = [e for e in events if e.claim == claim and e.source == source]
            if not balance:
                continue
            asserted = sorted(
                (e for e in mine if e.stance in (1, 2)), key=lambda e: (e.t, xxhash.xxh3_64_intdigest(e.id))
            )
            said = [e for e in asserted if e.t < ruled]
            side = said or asserted
            took_part = balance < 0 if not side or side[-1].stance == 1 else balance > 0
            out[source][2 if took_part else 3] += 1
            if said:
                out[source][0 if (said[-1].stance == 1) == (balance > 0) else 1] += 1
    return out


@settings(max_examples=120)
@given(event_lists(), ruling_lists(), st.randoms(use_true_random=False), st.sampled_from([4096, 2]))
def test_credits_equal_a_plain_recount_however_events_and_rulings_interleave(
    events: list[Event], rulings: list[Ruling], random: Any, step: int
) -> None:
    line = Pipeline(ScoringConfig(settle_step=step))
    items: list[Any] = [*events, *rulings]
    random.shuffle(items)
    for item in items:
        line.rule(item) if isinstance(item, Ruling) else line.events([item])
    for source, expected in recount(events, rulings).items():
        assert line.source(source, "right", "wrong", "joined_false", "joined_true") == expected


def test_a_revised_verdict_turns_right_into_wrong() -> None:
    line = Pipeline()
    line.events([Event("a", "c", "1", t=10), Event("b", "c", "2", t=20, stance=2)])
    line.rule(Ruling("c", 1, 100))
    assert line.source("a", "right", "wrong") == [1, 0]
    line.rule(Ruling("c", 2, 200, version=2))
    assert line.source("a", "right", "wrong") == [0, 1]
    assert line.source("b", "right", "wrong") == [1, 0]
    line.rule(Ruling("c", 1, 50, version=1))  # an old version comes late: ignored
    assert line.source("a", "right", "wrong") == [0, 1]


def test_an_event_that_happened_before_the_ruling_but_arrives_after_it_is_credited() -> None:
    line = Pipeline()
    line.events([Event("a", "c", "1", t=50)])
    line.rule(Ruling("c", 2, 100))
    line.events([Event("late", "c", "2", t=60, stance=2)])
    assert line.source("late", "right") == 1
    line.events([Event("a", "c", "3", t=70, stance=2)])  # a had changed its mind in time
    assert line.source("a", "right", "wrong") == [1, 0]


def test_raters_who_tie_settle_without_credit() -> None:
    line = Pipeline()
    line.events([Event("a", "c", "1", t=50)])
    line.rule(Ruling("c", 2, 100, "one"), Ruling("c", 1, 100, "two"))
    assert line.source("a", "right", "wrong", "joined_false", "joined_true") == [0, 0, 0, 0]
    assert line.scores["c"]["verdict"] == "mixed"


def test_a_lone_early_source_who_is_right_earns_insight_and_the_crowd_hardly_any() -> None:
    line = Pipeline()
    line.params(support_true_0=0.7, support_false_0=0.3)
    line.events([Event("lone", "c", "0", t=10, stance=2)])
    for i in range(30):
        line.events([Event(f"crowd{i}", "c", f"s{i}", t=20 + i, community=f"m{i}")])
    line.events([Event("convert", "c", "9", t=90, stance=1)])
    line.rule(Ruling("c", 1, 100))
    gains = [line.source(s, "gain") for s in ("crowd0", "convert")]
    assert gains[1] < gains[0]
    assert line.source("lone", "loss") > 0


def test_a_long_settlement_survives_recovery_between_its_steps() -> None:
    line = Pipeline(ScoringConfig(settle_step=7))
    line.events([Event(f"u{i}", "c", f"e{i}", t=10) for i in range(30)])
    block = rulings_block([Ruling("c", 2, 100)])
    cursor: int | None = 0
    credited = 0
    while cursor is not None:
        effects = line.claims.apply(block, NOW_MS, cursor)
        credited += sum(len(b) for b in effects.blocks if b.kind == "credits")
        cursor = effects.next_cursor
        line.claims = rebuilt(line.claims)
    assert credited == 30


def test_a_verdict_does_not_raise_its_own_claim_when_a_credited_source_speaks_again() -> None:
    line = Pipeline()
    line.events([Event("a", "c", "1", t=10)])
    before = line.claims.read(["c"], rulings=False)
    line.rule(Ruling("c", 1, 100))
    line.events([Event("a", "c", "2", t=120)])
    after = line.claims.read(["c"], rulings=False)
    assert after["score"] == before["score"]
