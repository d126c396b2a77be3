"""The ledger does not care in which order, or how often, it hears something."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.config import ScoringConfig
from streams.scoring.signals.registry import IDEA_OF, IDEAS, REGISTRY, SIGNALS
from streams.tables.blocks import Block
from tests.scoring.builders import (
    NOW_MS,
    Event,
    Pipeline,
    Ruling,
    claim_view,
    event_lists,
    events_block,
    in_pieces,
    kernels,
    rulings_block,
)


def stamped(events: list[Event], weights: list[float]) -> Block:
    """Stamped rows whose stamps differ from source to source and rise in sequence, as if sources kept learning."""
    block = events_block(events)
    n = len(events)
    weight = np.array([weights[(i * 7 + hash(e.source[-1]) % 3) % len(weights)] for i, e in enumerate(events)])
    columns: dict[str, Any] = {k: v for k, v in block.columns.items() if k != "h"}
    columns.update(
        w=np.round(weight, 3),
        v=np.round(weight * 0.7, 3),
        z=np.arange(1, n + 1),
        cl=np.array([(i // 5) % 2 * 99 for i in range(n)], np.uint64),
        com=["" if i % 3 else "left" for i in range(n)],
        band=np.zeros(n, np.int8),
        hist0=np.round(weight - 1, 3),
        hist30=np.round(weight - 1.1, 3),
        known=np.array([i % 3 > 0 for i in range(n)], np.int8),
    )
    return Block("stamped", "s/0", 1, columns)


def fold(blocks: list[Block]) -> ClaimsState:
    state = ClaimsState(ScoringConfig(), 0)
    for block in blocks:
        state.apply(block, NOW_MS)
    return state


WEIGHTS = st.lists(st.floats(-2, 3), min_size=1, max_size=6)


@settings(max_examples=120)
@given(event_lists(), WEIGHTS, st.randoms(use_true_random=False), st.lists(st.integers(0, 40), max_size=4))
def test_stamped_rows_in_any_order_and_any_blocks_give_the_same_claims(
    events: list[Event], weights: list[float], random: Any, cuts: list[int]
) -> None:
    whole = stamped(events, weights)
    order = list(range(len(events)))
    random.shuffle(order)
    pieces = [whole.take(np.array(piece)) for piece in in_pieces(order, cuts)]
    once, shuffled = fold([whole]), fold(pieces)
    assert claim_view(once) == claim_view(shuffled)
    for claim, sums in kernels(once).items():
        assert sums == pytest.approx(kernels(shuffled)[claim], rel=1e-9, abs=1e-12)


@settings(max_examples=60)
@given(event_lists(), WEIGHTS)
def test_explanations_sum_to_the_corroboration(events: list[Event], weights: list[float]) -> None:
    state = fold([stamped(events, weights)])
    for claim in {e.claim for e in events}:
        why = state.explain(claim)
        assert sum(c["nats"] for c in why["contributions"]) == pytest.approx(why["corroboration"], abs=1e-6)


@settings(max_examples=60)
@given(event_lists(), WEIGHTS)
def test_voices_are_everybody_whose_word_stands_in_order_of_time(events: list[Event], weights: list[float]) -> None:
    state = fold([stamped(events, weights)])
    for claim in {e.claim for e in events}:
        voices = state.explain(claim)["voices"]
        assert {voice["source_id"] for voice in voices} == {e.source for e in events if e.claim == claim}
        assert [voice["at_ms"] for voice in voices] == sorted(voice["at_ms"] for voice in voices)
        assert all(bool(voice["net"]) == bool(voice["bound_by"]) for voice in voices)
        for net in {voice["net"] for voice in voices if voice["net"]}:
            assert sum(voice["net"] == net for voice in voices) > 1


@settings(max_examples=60)
@given(event_lists(max_size=60), WEIGHTS, st.floats(-1, 1), st.floats(0.2, 2), st.sampled_from([0, 1, 2]))
def test_reasons_of_score_and_risk_add_up_to_the_very_figures_that_are_published(
    events: list[Event], weights: list[float], a: float, b: float, verdict: int
) -> None:
    state = fold([stamped(events, weights)])
    values = {"score_cal_a": a, "score_cal_b": b, "risk_cal_a": -a, "risk_cal_b": b, "risk_bias": 0.7}
    state.apply(Block("params", "p/0", 1, {}, {"version": 1, "values": values}), NOW_MS)
    if verdict:
        state.apply(rulings_block([Ruling(events[0].claim, verdict, events[0].t + 1)]), NOW_MS)
    for claim in {e.claim for e in events}:
        why, now = state.explain(claim), state.read([claim])
        for name in ("score", "risk"):
            told = why[name]
            assert told["value"] == pytest.approx(now[name][0], abs=1e-12)
            assert sum(reason["weight"] for reason in told["reasons"]) == pytest.approx(told["log_odds"], abs=1e-6)
            sizes = [abs(reason["weight"]) for reason in told["reasons"]]
            assert sizes == sorted(sizes, reverse=True)
            assert all(reason["text"] for reason in told["reasons"])


def test_a_claim_on_which_nobody_has_a_say_reads_one_half_whatever_is_usual_among_checked_claims() -> None:
    usually_true = Block("params", "p/0", 1, {}, {"version": 1, "values": {"score_cal_a": 2.0}})
    mute, told = (fold([stamped([Event("a", "c", "1")], [weight]), usually_true]) for weight in (0.0, 1.5))
    assert mute.read(["c"])["score"][0] == 0.5
    assert told.read(["c"])["score"][0] > 0.95


def test_every_idea_has_words_for_both_directions_and_every_signal_is_of_one() -> None:
    assert [list(IDEAS.values())[k] for k in IDEA_OF] == [signal.idea for signal in REGISTRY]
    assert all(idea.raises and idea.lowers and idea.raises != idea.lowers for idea in IDEAS.values())


@settings(max_examples=60)
@given(event_lists(), st.lists(st.integers(0, 30), max_size=6), st.lists(st.integers(0, 40), max_size=3))
def test_events_delivered_again_change_nothing(events: list[Event], again: list[int], cuts: list[int]) -> None:
    once, twice = Pipeline(), Pipeline()
    for piece in in_pieces(events, cuts):
        once.events(list(piece))
    doubled = list(events)
    for i in again:
        doubled.insert(len(doubled) - i % 3, events[i % len(events)])
    first_seen = list(dict.fromkeys(doubled))
    twice.events(doubled)
    single = Pipeline()
    single.events(first_seen)
    assert claim_view(twice.claims) == claim_view(single.claims)
    assert twice.repeats == len(doubled) - len(first_seen)
    assert not twice.dead
    counts = ("events", "participants", "supports", "denials", "queries", "comments", "corroboration")
    for claim, row in once.claims.data.claims.items():
        other = twice.claims.data.claims.find_one(claim)
        assert [once.claims.data.claims[f][row] for f in counts] == [twice.claims.data.claims[f][other] for f in counts]


def test_the_same_id_with_other_content_is_a_conflict_and_is_not_folded() -> None:
    line = Pipeline()
    line.events([Event("a", "c", "1"), Event("a", "c", "1", stance=2), Event("a", "c", "2"), Event("a", "c", "2", t=5)])
    assert [(row, code) for row, code, _ in line.dead] == [(1, "id_conflict"), (3, "id_conflict")]
    assert line.claims.read(["c"])["events"].tolist() == [2]


def test_the_latest_assertion_is_in_force_and_a_later_question_does_not_lift_it() -> None:
    line = Pipeline()
    line.events(
        [Event("a", "c", "1", t=100), Event("a", "c", "2", t=300, stance=3), Event("a", "c", "3", t=200, stance=2)]
    )
    read = line.claims.read(["c"])
    assert (read["supports"][0], read["denies"][0], read["queries"][0]) == (0, 1, 0)


def test_reshares_by_weighty_sources_count_as_one_voice() -> None:
    many = [Event(f"u{i}", "c", f"e{i}", kind=1) for i in range(50)]
    state = fold([stamped(many, [1.0])])
    own_words = [Event(f"u{i}", "c", f"e{i}", kind=2) for i in range(50)]
    assert state.read(["c"])["evidence"][0] < fold([stamped(own_words, [1.0])]).read(["c"])["evidence"][0]
    assert state.read(["c"])["evidence"][0] <= 2.0 + 1e-6  # one voice in each of the two communities


def test_few_denials_do_not_outweigh_many_supports_because_each_of_them_weighs_more() -> None:
    voices = [Event(f"u{i}", "c", f"e{i}", stance=2 if i % 10 == 0 else 1, kind=2) for i in range(200)]
    block = stamped(voices, [0.3])
    block.columns["v"] = np.full(len(voices), 1.5)
    block.columns["cl"] = np.zeros(len(voices), np.uint64)
    read = fold([block]).read(["c"])
    assert (read["supports"][0], read["denies"][0]) == (180, 20)
    assert read["score"][0] > 0.6


def test_a_claim_without_weight_reads_as_not_enough_evidence() -> None:
    line = Pipeline()
    line.events([Event(f"n{i}", "c", f"e{i}") for i in range(20)])
    read = line.claims.read(["c"])
    assert not read["enough_evidence"][0]
    assert read["low"][0] < 0.2
    assert read["high"][0] > 0.8


def test_a_ruling_for_an_unknown_claim_waits_for_its_events() -> None:
    line = Pipeline()
    line.rule(Ruling("c", 2, 500))
    assert "c" not in line.scores
    line.events([Event("a", "c", "1", t=400), Event("b", "c", "2", t=600)])
    assert line.scores["c"]["verdict"] == "false"
    assert line.source("a", "right", "wrong", "joined_false") == [0, 1, 1]
    assert line.source("b", "right", "wrong", "joined_false") == [0, 0, 1]  # too late for credit, not for history


def test_answers_are_heard_apart_and_the_root_is_no_answer() -> None:
    pipeline = Pipeline()
    for n in range(8):
        claim = f"old{n}"
        pipeline.events([Event(who, claim, f"{who}{n}", t=n) for who in ("author", *(["novice"] if n < 2 else []))])
        pipeline.rule(Ruling(claim, 2, t=1_000))
    pipeline.events([
        Event("author", "new", "root", kind=0, root=1, t=2_000),
        Event("novice", "new", "answer", stance=0, kind=2, t=2_001),
        Event("stranger", "new", "other", stance=0, kind=2, t=2_002),
    ])  # fmt: skip
    read = dict(zip(SIGNALS, pipeline.claims.read(["new"])["signals"][0].tolist(), strict=True))
    assert read["history_repliers"] == pytest.approx(np.log((2 + 1.5) / 1.5), abs=1e-3)
    assert read["history"] == pytest.approx((np.log(9.5 / 1.5) + np.log(3.5 / 1.5)) / (1 + 0.1 + 0.03), abs=1e-3)


def test_an_author_who_reshares_the_own_post_leaves_every_signal_finite_and_nobody_counted_below_zero() -> None:
    pipeline = Pipeline()
    pipeline.events([Event("ana", "c", "post", kind=0, root=1)])
    pipeline.events([Event("ana", "c", "again", t=1_600_000_100_000, kind=1)])
    signals = dict(zip(SIGNALS, pipeline.claims.read(["c"])["signals"][0].tolist(), strict=True))
    assert (signals["vote"], signals["denial"], signals["vote_unknown"]) == (0.0, 0.0, 0.0)
    assert np.isfinite(list(signals.values())).all()
