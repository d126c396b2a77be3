"""A worker that recovers midway ends in the same state as one that never stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.scoring.config import ScoringConfig
from streams.tables.blocks import Block, make
from tests.scoring.builders import (
    DAY_MS,
    NOW_MS,
    SOURCES,
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
    """Keeps a second pair of states that lives on deltas alone, compares it after every block, takes it when told."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.shadow = [type(s)(self.config, 0) for s in (self.sources, self.claims)]

    def _apply(self, state: Any, block: Any) -> Any:
        out = super()._apply(state, block)
        shadow = self.shadow[0 if state is self.sources else 1]
        for live, copy in zip(state.tables, shadow.tables, strict=True):
            if payload := live.take_delta():
                copy.apply(payload)
                copy.recovered()
            assert live.difference(copy) == 0, f"{block.kind} changed rows of {live.name} that it did not touch"
        return out

    def crash(self) -> None:
        self.sources, self.claims = self.shadow
        self.shadow = [type(s)(self.config, 0) for s in (self.sources, self.claims)]
        for state, shadow in zip((self.sources, self.claims), self.shadow, strict=True):
            for live, copy in zip(state.tables, shadow.tables, strict=True):
                for index in range(live.segments()):
                    copy.apply(live.segment(index))
                copy.recovered()


@st.composite
def control_blocks(draw: Any) -> list[Block]:
    """Parameters, assignments and ticks, as the other stages and the clock send them."""
    out: list[Block] = []
    for version in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["params", "assign", "tick"]))
        if kind == "params":
            names = st.sampled_from(
                [
                    "support_true_0",
                    "support_false_0",
                    "mu_0",
                    "risk_bias",
                    "score_cal_b",
                    "flags_paused",
                    "flags_killed",
                ]
            )
            values = draw(st.dictionaries(names, st.floats(0.1, 0.9), max_size=3))
            out.append(Block("params", "p/0", version, {}, {"version": version + 1, "values": values}))
        elif kind == "assign":
            named = draw(st.lists(st.sampled_from(SOURCES), min_size=1, unique=True))
            clusters = [draw(st.sampled_from([0, 5, 9])) for _ in named]
            out.append(make("assign", "g/0", version, {"s": named, "cl": clusters}))
        else:
            out.append(Block("tick", "k/0", version, {}, {"t": version, "flush": draw(st.booleans())}))
    return out


@st.composite
def histories(draw: Any) -> list[Any]:
    """Events in pieces, rulings and control blocks in any order, each to be given to `feed`."""
    events = draw(event_lists())
    taken_back = draw(st.lists(st.tuples(st.sampled_from(events), st.integers(0, 40), st.sampled_from([6, 7]))))
    events += [Event(e.source, "", e.id, e.t + hours * 3_600_000, kind - 6, kind) for e, hours, kind in taken_back]
    draw(st.randoms(use_true_random=False)).shuffle(events)
    pieces = in_pieces(events, draw(st.lists(st.integers(0, 40), max_size=5)))
    items: list[Any] = [*pieces, *draw(ruling_lists()), *draw(control_blocks())]
    draw(st.randoms(use_true_random=False)).shuffle(items)
    return items


@settings(max_examples=80)
@given(histories(), st.randoms(use_true_random=False), st.booleans())
def test_state_rebuilt_from_deltas_after_any_block_goes_on_identically(
    items: list[Any], random: Any, expire: bool
) -> None:
    config = ScoringConfig(settle_step=3, publish_step=2)
    if expire:
        config = replace(config, sweep_ms=1, claim_expiry_ms=2 * DAY_MS, applied_expiry_ms=3 * DAY_MS)
    steady, crashing = Pipeline(config), Recovering(config)
    for i, item in enumerate(items):
        for line in (steady, crashing):
            line.now_ms = NOW_MS + i * DAY_MS // 2
            feed(line, item)
            line.tick()
        if random.random() < 0.5:
            crashing.crash()
    assert difference(steady.sources, crashing.sources) == 0
    assert difference(steady.claims, crashing.claims) == 0
    assert steady.scores == crashing.scores
    assert steady.flags == crashing.flags


def feed(line: Pipeline, item: Any) -> None:
    if isinstance(item, Ruling):
        line.rule(item)
    elif isinstance(item, Block):
        line.feed(item) if item.kind == "assign" else line.feed_both(item)
    else:
        line.events(list(item))


@settings(max_examples=30)
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
