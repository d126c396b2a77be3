"""What is forgotten, and what a flush publishes; that recovery changes nothing is in `test_cores`."""

from __future__ import annotations

from streams.scoring.config import ScoringConfig
from tests.scoring.builders import (
    DAY_MS,
    Event,
    Pipeline,
    Ruling,
)


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
