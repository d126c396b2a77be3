"""No ruling vanishes: it counts, is kept for reading, was there before, or is refused with a letter."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.contract.codes import FALSE, MIXED, TRUE
from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.claims.settlement import HEARD_MAX
from streams.scoring.config import ScoringConfig
from streams.scoring.effects import Effects
from tests.scoring.builders import DAY_MS, NOW_MS, Event, Pipeline, Ruling, difference, rebuilt, rulings_block

T0 = 1_600_000_000_000


def heard(*rulings: Ruling, events: int = 1) -> tuple[ClaimsState, Effects]:
    """A claim with some events after these rulings, each in a record of its own; and what they did together."""
    pipeline = Pipeline()
    pipeline.events([Event(f"s{i}", "c", f"e{i}") for i in range(events)])
    together = Effects()
    for ruling in rulings:
        effects = pipeline.claims.apply(rulings_block([ruling]), NOW_MS)
        together.dead += effects.dead
        together.rulings += effects.rulings
        together.repeats += effects.repeats
    return pipeline.claims, together


def fates(state: ClaimsState) -> list[tuple[str, int, int, str]]:
    return [(r["rater_id"], r["version"], r["verdict"], str(r["fate"])) for r in state.told("c")]


def verdict_of(state: ClaimsState) -> int:
    return int(state.read(["c"])["verdict"][0])


def test_the_same_version_with_another_verdict_is_refused_and_the_first_stands() -> None:
    state, did = heard(Ruling("c", TRUE, T0), Ruling("c", FALSE, T0 - 1))
    assert verdict_of(state) == TRUE
    assert [(row, code) for row, code, _ in did.dead] == [(0, "id_conflict")]
    assert "higher version" in did.dead[0][2]
    assert fates(state) == [("checker", 1, FALSE, "refused"), ("checker", 1, TRUE, "counts")]
    assert state.data.claims["ruled_ms"][0] == T0, "what is refused moves no time"


def test_a_lower_version_that_comes_late_is_told_and_only_its_time_counts() -> None:
    state, did = heard(Ruling("c", TRUE, T0, version=3), Ruling("c", FALSE, T0 - 9, version=2))
    assert verdict_of(state) == TRUE
    assert state.data.claims["ruled_ms"][0] == T0 - 9
    assert did.dead == []
    assert did.rulings == Counter(counts=1, late=1)
    assert fates(state) == [("checker", 2, FALSE, "late"), ("checker", 3, TRUE, "counts")]


def test_a_version_that_is_superseded_stays_readable_and_its_repeats_and_conflicts_are_still_seen() -> None:
    first = Ruling("c", TRUE, T0)
    state, did = heard(first, Ruling("c", FALSE, T0 + 5, version=2), first, Ruling("c", MIXED, T0))
    assert fates(state)[1:] == [("checker", 1, MIXED, "refused"), ("checker", 2, FALSE, "counts")]
    assert did.rulings == Counter(counts=2, superseded=1, repeated=1, refused=1)
    assert (did.repeats, len(did.dead)) == (1, 1)


def test_raters_do_not_supersede_each_other() -> None:
    state, did = heard(Ruling("c", TRUE, T0, "a"), Ruling("c", FALSE, T0, "b"))
    assert [fate for *_, fate in fates(state)] == ["counts", "counts"]
    assert did.dead == []


def test_a_ruling_on_an_unknown_claim_is_held_in_sight_and_counts_once_an_event_comes() -> None:
    state, did = heard(Ruling("c", FALSE, T0), events=0)
    assert did.rulings == Counter(held=1)
    assert fates(state) == [("checker", 1, FALSE, "held")]
    state, _ = heard(Ruling("c", FALSE, T0))
    assert fates(state) == [("checker", 1, FALSE, "counts")]


def test_a_ruling_that_was_held_in_vain_ends_as_a_letter_about_its_own_record() -> None:
    pipeline = Pipeline(ScoringConfig(claim_expiry_ms=DAY_MS))
    pipeline.claims.apply(rulings_block([Ruling("other", TRUE, T0), Ruling("c", FALSE, T0)], origin=40), NOW_MS)
    pipeline.events([Event("ana", "other", "e1")])
    effects = pipeline.claims.apply(rulings_block([Ruling("new", FALSE, T0)], origin=50), NOW_MS + 3 * DAY_MS)
    assert [(up, origin, code) for up, origin, code, _ in effects.outlived] == [("r/0", 41, "unknown_claim")]
    assert effects.rulings == Counter(held=1, forgotten=1)
    assert pipeline.claims.told("c") == pipeline.claims.told("other") == []
    assert len(pipeline.claims.told("new")) == 1


def test_a_ruling_on_a_claim_whose_events_were_all_taken_back_was_not_held_in_vain() -> None:
    pipeline = Pipeline(ScoringConfig(claim_expiry_ms=DAY_MS))
    pipeline.events([Event("ana", "c", "e1")])
    pipeline.claims.apply(rulings_block([Ruling("c", FALSE, T0)]), NOW_MS)
    pipeline.events([Event("ana", "", "e1", t=T0 + 1, kind=6, stance=0)])
    assert pipeline.claims.read(["c"])["events"][0] == 0
    assert fates(pipeline.claims) == [("checker", 1, FALSE, "counts")]
    effects = pipeline.claims.apply(rulings_block([Ruling("new", FALSE, T0)]), NOW_MS + 3 * DAY_MS)
    assert effects.outlived == []
    assert pipeline.claims.told("c") == []


def test_of_the_rulings_that_do_not_count_a_bounded_number_is_remembered_the_newest() -> None:
    state, did = heard(*(Ruling("c", TRUE, T0 + v, version=v) for v in range(1, HEARD_MAX + 9)))
    assert [version for _, version, _, _ in fates(state)] == list(range(8, HEARD_MAX + 9))
    assert did.rulings["superseded"] == HEARD_MAX + 7


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 3), st.integers(0, 3), st.integers(0, 2)), max_size=12))
def test_every_ruling_has_a_fate_and_the_state_is_found_again(rows: list[tuple[Any, ...]]) -> None:
    rulings = [Ruling("c", verdict, T0 + hour, rater, version) for rater, version, verdict, hour in rows]
    state, did = heard(*rulings)
    did.rulings.pop("superseded", None)
    assert did.rulings.total() == len(rulings)
    assert did.rulings["refused"] == len(did.dead)
    assert did.rulings["repeated"] + len(state.told("c")) == len(rulings)
    assert difference(state, rebuilt(state)) == 0.0
