"""A worker that recovers midway ends in the same state as one that never stopped."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.scoring import ScoringConfig
from tests.scoring.builders import (
    DAY_MS,
    NOW_MS,
    Event,
    Pipeline,
    Ruling,
    difference,
    event_lists,
    in_pieces,
    rebuilt,
)
from tests.scoring.test_settlement import ruling_lists


class Recovering(Pipeline):
    """Keeps a second pair of states that lives only on deltas, and swaps it in when told."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.log: list[tuple[int, int, bytes]] = []

    def _apply(self, state: Any, block: Any) -> Any:
        out = super()._apply(state, block)
        stage = 0 if state is self.sources else 1
        self.log.extend((stage, i, t.take_delta()) for i, t in enumerate(state.tables))
        return out

    def crash(self) -> None:
        fresh = [type(s)(self.config, 0) for s in (self.sources, self.claims)]
        for stage, index, payload in self.log:
            if payload:
                fresh[stage].tables[index].apply(payload)
        for state in fresh:
            for table in state.tables:
                table.recovered()
        self.sources, self.claims = fresh


@settings(deadline=None, max_examples=80)
@given(
    event_lists(),
    ruling_lists(),
    st.randoms(use_true_random=False),
    st.lists(st.integers(0, 40), max_size=5),
    st.booleans(),
)
def test_state_rebuilt_from_deltas_midway_goes_on_identically(
    events: list[Event], rulings: list[Ruling], random: Any, cuts: list[int], expire: bool
) -> None:
    items: list[Any] = [*in_pieces(events, cuts), *rulings]
    random.shuffle(items)
    config = (
        ScoringConfig(sweep_ms=1, claim_expiry_ms=2 * DAY_MS, applied_expiry_ms=3 * DAY_MS)
        if expire
        else ScoringConfig()
    )
    steady, crashing = Pipeline(config), Recovering(config)
    for i, item in enumerate(items):
        for line in (steady, crashing):
            line.now_ms = NOW_MS + i * DAY_MS // 2
            line.rule(item) if isinstance(item, Ruling) else line.events(list(item))
            line.tick()
        if random.random() < 0.5:
            crashing.crash()
    assert difference(steady.sources, crashing.sources) == 0
    assert difference(steady.claims, crashing.claims) == 0
    assert steady.scores == crashing.scores
    assert steady.flags == crashing.flags


@settings(deadline=None, max_examples=30)
@given(event_lists())
def test_segments_hold_the_whole_state(events: list[Event]) -> None:
    line = Pipeline()
    line.events(events)
    assert difference(line.sources, rebuilt(line.sources)) == 0
    assert difference(line.claims, rebuilt(line.claims)) == 0


def test_quiet_claims_and_old_repeats_are_forgotten_and_sources_are_not() -> None:
    line = Pipeline()
    line.events([Event(f"u{i}", "old", f"e{i}", kind=2, text=7) for i in range(9)] + [Event("u1", "old", "again")])
    line.rule(Ruling("settled", 2, 1), Ruling("settled", 1, 1, rater="two"))
    line.now_ms += 31 * DAY_MS
    line.events([Event("u1", "new", "n")])
    assert [str(c) for c, _ in line.claims.data.claims.items()] == ["new"]
    assert len(line.claims.data.parts) == len(line.claims.data.names) == 1
    assert len(line.claims.data.rulings) == len(line.claims.data.cells) == len(line.claims.data.camps) == 0
    assert len(line.sources.pairs) == 1
    assert len(line.sources.extras) == 0
    assert len(line.sources.sources) == 9


def test_counts_on_the_topic_equal_the_state_after_a_flush() -> None:
    line = Pipeline(ScoringConfig(publish_step=5))
    for i in range(40):
        line.events([Event(f"u{i % 13}", f"c{i % 3}", f"e{i}")])
    line.tick(flush=True)
    assert sum(r["events"] for r in line.scores.values() if "source_id" in r) == 40
    assert sum(r["events"] for r in line.scores.values() if "claim_id" in r) == 40
