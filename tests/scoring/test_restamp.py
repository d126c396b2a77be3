"""A source that turns out good or bad changes what it said in claims that are still open."""

from __future__ import annotations

import numpy as np
import pytest

from streams.scoring.config import ScoringConfig
from streams.tables.blocks import Block, make
from tests.scoring.builders import Event, Pipeline, Ruling


def learn(line: Pipeline, source: str, claims: int, verdict: int = 1) -> None:
    for i in range(claims):
        line.events([Event(source, f"past{i}", f"{source}{i}", t=10)])
        line.rule(Ruling(f"past{i}", verdict, 100))


def test_a_record_earned_later_reaches_the_open_claims() -> None:
    line = Pipeline()
    line.events([Event("a", "open", "first", t=5)])
    before = line.claims.read(["open"])["score"][0]
    learn(line, "a", 8)
    assert line.claims.read(["open"])["score"][0] > before + 0.05


def test_accounts_found_to_be_one_net_corroborate_nothing() -> None:
    line = Pipeline()
    for i in range(12):
        learn(line, f"bot{i}", 6)
    line.events([Event(f"bot{i}", "open", f"o{i}", t=5) for i in range(12)])
    before = line.claims.read(["open"])["evidence"][0]
    names = [f"bot{i}" for i in range(12)]
    line.feed(make("assign", "g/0", 1, {"s": names, "cl": [99] * 12}))
    after = line.claims.read(["open"])
    assert before > 1
    assert after["evidence"][0] == 0
    learn(line, "bot0", 3)  # nor do they after another verdict
    assert line.claims.read(["open"])["evidence"][0] == 0
    claims, row = line.claims.data.claims, line.claims.data.claims.find_one("open")
    assert claims["net_supports"][row] == 12
    # Nor do their records speak for the claim: camouflage would buy them a say.
    assert (claims["known"][row], claims["regulars"][row], claims["history"][row]) == (0, 0, 0)


def test_what_nets_do_says_nothing_of_those_without_or_with_a_record() -> None:
    line = Pipeline()
    bots = [f"bot{i}" for i in range(5)]
    line.events([Event(s, "before", f"{s}/before", t=1) for s in bots])
    line.feed(make("assign", "g/0", 1, {"s": bots, "cl": [99] * 5}))
    line.events([Event(s, "told", f"{s}/told", t=5) for s in [*bots, "ann", "ben"]])
    line.rule(Ruling("told", 1, 100))
    tallies = [
        (block["rw"][i], block["n"][i]) for block in line.lessons for i in range(len(block)) if block["h"][i] == 0
    ]
    assert [(sum(counts), n) for counts, n in tallies] == [(2, 2)]


def test_learned_weights_reach_recent_sources_in_steps() -> None:
    line = Pipeline(ScoringConfig(settle_step=3))
    line.events([Event(f"n{i}", "open", f"e{i}", t=5) for i in range(10)])
    assert line.claims.read(["open"])["evidence"][0] == 0
    line.params(support_true_0=0.7, support_false_0=0.4)
    assert line.claims.read(["open"])["evidence"][0] > 0
    assert (line.claims.data.parts["support"][:10] > 0).all()


def test_an_older_parameter_version_changes_nothing() -> None:
    line = Pipeline()
    line.params(version=5, mu=0.75)
    line.params(version=4, mu=0.5)
    assert line.claims.params.mu == 0.75


def test_flags_pause_and_kill_by_the_log() -> None:
    line = Pipeline(ScoringConfig(flag_ripe_ms=0, flag_min_participants=1))
    line.params(version=1, risk_bias=9.0, flags_paused=1.0)
    line.events([Event("a", "c", "1")])
    assert not line.flags
    line.params(version=2, flags_paused=0.0)
    line.events([Event("b", "c", "2")])
    assert [f["action"] for f in line.flags] == ["raise"]
    line.params(version=3, flags_killed=1.0)
    line.feed(Block("tick", "k/0", 9, {}, {"t": 1}))
    line.events([Event("d", "c", "3")])
    assert [f["action"] for f in line.flags] == ["raise", "retract"]
    assert line.flags[0]["flag_id"] == line.flags[1]["flag_id"]
    assert line.flags[1]["revision"] > line.flags[0]["revision"]


def test_a_flag_says_from_which_risk_it_was_raised_and_a_lesson_holds_the_highest_alarm_before_the_verdict() -> None:
    line = Pipeline(ScoringConfig(flag_ripe_ms=0, flag_min_participants=1))
    line.params(version=1, risk_bias=2.0)
    line.events([Event("a", "c", "1")])
    line.params(version=2, risk_bias=-1.0)
    line.events([Event("b", "c", "2")])
    assert [f["action"] for f in line.flags] == ["raise", "retract"]
    raised = line.flags[0]
    assert raised["threshold"] == pytest.approx(0.76, abs=1e-6)
    assert raised["risk"] > raised["threshold"]
    assert raised["confidence"] > 0.5
    line.rule(Ruling("c", 2, 1_600_000_100_000))
    line.params(version=3, risk_bias=5.0)
    line.events([Event("d", "c", "3")])
    highest = line.lessons[0]["al"][0]
    assert 1.15 < highest == pytest.approx(np.log(raised["risk"] / (1 - raised["risk"])), abs=1e-4)
    row = line.claims.data.claims.find_one("c")
    assert line.claims.data.claims["alarm"][row] == highest  # what came after the verdict does not count


def test_a_flag_names_the_events_to_read_for_each_reason() -> None:
    line = Pipeline(ScoringConfig(flag_ripe_ms=0, flag_min_participants=1))
    line.params(version=1, risk_bias=9.0, risk_denial=1.0, risk_slow=1.0)
    line.events([Event("a", "c", "post", kind=0, root=1, t=1)])
    line.events([Event(f"d{i}", "c", f"no{i}", stance=2, t=5 + i) for i in range(6)])
    line.params(version=2, flags_killed=1.0)
    line.events([Event("x", "c", "late", t=50)])
    line.params(version=3, flags_killed=0.0)
    line.events([Event("y", "c", "later", t=60)])
    raised = [f for f in line.flags if f["action"] == "raise"][-1]
    evidence = {r["code"]: r["evidence_ids"] for r in raised["reasons"]}
    assert evidence["slow"] == ["post"]
    assert evidence["vote"] == ["no0", "no1", "no2", "no3", "no4"]


def test_a_young_claim_is_flagged_only_when_it_is_as_large_as_is_usual_at_one_hour() -> None:
    line = Pipeline(ScoringConfig(flag_min_participants=5))
    line.params(1, risk_bias=6.0, flag_crowd=np.log(19.5))
    line.events([Event(f"u{i}", "young", f"y{i}", t=1_600_000_000_000 + i) for i in range(19)])
    line.events([Event(f"u{i}", "old", f"o{i}", t=1_600_000_000_000 + i * 300_000) for i in range(7)])
    assert {flag["subject"]["id"] for flag in line.flags} == {"old"}
    line.events([Event("u20", "young", "y20", t=1_600_000_000_100)])
    assert {flag["subject"]["id"] for flag in line.flags} == {"old", "young"}
