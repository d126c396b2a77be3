"""Rules apart from each other: budgets hold back and hand out, shadow reaches no queue, switches stop one rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streams.scoring.config import ScoringConfig
from streams.scoring.effects import Effects
from streams.scoring.parameters.flag_rules import BY_NAME, RULES
from streams.scoring.parameters.parameters_state import Learner
from streams.tables.block_wire import NotABlockError, decode, encode
from streams.tables.blocks import Block
from tests.scoring.builders import DAY_MS, NOW_MS, Event, Pipeline, Ruling, difference, rebuilt

HOUR_MS = 3_600_000
AT_MS = NOW_MS - 30 * DAY_MS
LIVE, TRIAL = BY_NAME["risk-cascade"], BY_NAME["risk-trial"]
EAGER = ScoringConfig(flag_ripe_ms=0, flag_min_participants=1)


class Line(Pipeline):
    """A pipeline in which every claim is flagged at once by the live rule, and by none in shadow."""

    def __init__(self, **values: float) -> None:
        super().__init__(EAGER)
        self.quiet: list[dict[str, Any]] = []
        self.version = 0
        self.set(**{"risk_bias": 9.0, "trial_z": 50.0} | values)

    def set(self, **values: float) -> None:
        self.version += 1
        self.params(self.version, **values)

    def _apply(self, state: Any, block: Block) -> list[Block]:
        seen: list[Effects] = []
        steps, out = state.steps(block, self.now_ms), list[Block]()
        for effects in steps:
            seen.append(effects)
            out.extend(effects.blocks)
            self.scores.update(effects.scores)
            self.flags.extend(effects.flags)
            self.quiet.extend(effects.shadow)
        return out

    def tell(self, claim: str, hours: float, people: int = 1) -> None:
        at = AT_MS + int(hours * HOUR_MS)
        self.events([Event(f"{claim}-{i}", claim, f"{claim}-{i}-{hours}", at + i) for i in range(people)])

    def count(self, name: str, rule: int = LIVE) -> int:
        return int(self.claims.clock[name][0, rule])


def moves(flags: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(flag["action"], flag["subject"]["id"]) for flag in flags if flag["action"] != "update"]


def test_a_budget_an_hour_holds_the_rest_back_and_hands_it_out_in_the_next_the_most_pressing_first() -> None:
    line = Line(flags_an_hour=2)
    for claim, people in (("a", 1), ("b", 1), ("c", 2), ("d", 9), ("e", 4)):
        line.tell(claim, 0.1, people)
    assert moves(line.flags) == [("raise", "a"), ("raise", "b")]
    assert moves(line.quiet) == [("hold", "c"), ("hold", "d"), ("hold", "e")]
    assert (line.count("raised"), line.count("standing"), line.count("held")) == (2, 2, 3)
    assert not line.scores["d"]["flagged"]
    line.tell("a", 1.2)  # the stream reaches another hour
    assert moves(line.flags)[2:] == [("raise", "d"), ("raise", "e")]
    line.tell("new", 1.3)  # and nobody passes those who wait
    assert moves(line.quiet)[3:] == [("hold", "new")]
    held, raised = line.quiet[1], next(f for f in line.flags if f["subject"]["id"] == "d")
    assert (held["flag_id"], held["revision"], raised["revision"]) == (raised["flag_id"], 1, 2)
    assert line.scores["d"]["flagged"]
    assert line.scores["d"]["version"] == raised["claim_version"]


def test_a_budget_of_what_stands_lets_the_next_one_in_when_one_is_settled() -> None:
    line = Line(flags_standing=1)
    line.tell("a", 0)
    line.tell("b", 0.1)
    line.tell("c", 0.2, 5)
    assert moves(line.flags) == [("raise", "a")]
    line.rule(Ruling("a", 2, AT_MS + HOUR_MS))
    assert moves(line.flags)[1:] == [("retract", "a"), ("raise", "c")]
    assert (line.count("standing"), line.count("held")) == (1, 1)


def test_what_is_held_back_and_settled_goes_without_ever_having_reached_a_queue() -> None:
    line = Line(flags_standing=1)
    line.tell("a", 0)
    line.tell("b", 0)
    line.rule(Ruling("b", 2, AT_MS + HOUR_MS))
    assert moves(line.flags) == [("raise", "a")]
    assert moves(line.quiet) == [("hold", "b"), ("retract", "b")]
    line.rule(Ruling("b", 0, AT_MS + 2 * HOUR_MS, version=2))  # it stood in no queue: nothing is raised again by itself
    assert (moves(line.flags), line.count("held")) == ([("raise", "a")], 1)


def test_a_rule_in_shadow_raises_where_no_queue_reads_and_moves_nothing() -> None:
    line = Line(trial_z=0.0, flag_z=50.0)
    line.tell("a", 0)
    assert line.flags == []
    (flag,) = line.quiet
    assert (flag["rule_id"], flag["action"], flag["threshold"]) == ("risk-trial/1", "raise", 0.5)
    assert flag["flag_id"].startswith("risk-trial/a/")
    assert not line.scores["a"]["flagged"]
    line.rule(Ruling("a", 1, AT_MS + HOUR_MS))
    assert moves(line.quiet)[1:] == [("retract", "a")]


@pytest.mark.parametrize("stopped", [LIVE, TRIAL])
def test_a_rule_is_paused_and_stopped_without_the_other(stopped: int) -> None:
    line = Line(trial_z=0.0)
    rule, told = RULES[stopped], [line.flags, line.quiet]
    line.tell("a", 0)
    assert [moves(each) for each in told] == [[("raise", "a")]] * 2
    line.set(**{rule.parameter("paused"): 1.0})
    line.tell("b", 0.1)
    assert [("raise", "b") in moves(each) for each in told] == [stopped != LIVE, stopped != TRIAL]
    line.set(**{rule.parameter("paused"): 0.0, rule.parameter("killed"): 1.0})
    assert moves(told[stopped]) == [("raise", "a"), ("retract", "a")]
    assert told[stopped][-1]["retracted_because"] == "killed"
    assert line.count("standing", stopped) == 0
    line.set(**{rule.parameter("killed"): 0.0})
    line.tell("b", 0.2)
    assert moves(told[stopped])[-1] == ("raise", "b")


def test_what_is_held_back_waits_through_a_pause_and_expires_like_any_flag() -> None:
    line = Line(flags_an_hour=1)
    line.tell("a", 0)
    line.tell("b", 0)
    line.set(flags_paused=1.0)
    line.tell("a", 1.5)
    assert moves(line.flags) == [("raise", "a")]
    line.now_ms += 8 * DAY_MS
    line.tick()
    assert (moves(line.quiet)[-1], line.quiet[-1]["retracted_because"]) == (("retract", "b"), "expired")
    assert (line.count("held"), line.count("standing")) == (0, 0)


def test_flags_of_forgotten_claims_take_no_room() -> None:
    line = Line(flags_standing=1)
    line.tell("a", 0)
    line.tell("b", 0)
    line.now_ms += 40 * DAY_MS
    line.claims.flags.expired = lambda rule, context: np.zeros(0, np.int64)  # type: ignore[method-assign]
    line.tick()
    line.tick()
    assert len(line.claims.data.claims) == 0
    assert (line.count("standing"), line.count("held")) == (0, 0)


def test_counts_of_rules_are_state_that_a_recovery_finds_again() -> None:
    line = Line(flags_an_hour=1, trial_z=0.0)
    for claim in "abc":
        line.tell(claim, 0)
    assert difference(rebuilt(line.claims), line.claims) == 0


def control(rule: str, kind: str, by: str, note: str, at_ms: int, **values: float) -> Block:
    meta = {"values": values, "rule": rule, "control": kind, "by": by, "note": note}
    return decode(encode(Block("params", "o/0", at_ms, {}, meta)))


def test_who_did_what_to_a_rule_and_why_is_kept_with_it() -> None:
    learner = Learner(ScoringConfig(), 0)
    learner.apply(control("risk-cascade", "pause", "mia", "elections", 7, flags_paused=1.0), 0)
    learner.apply(control("risk-cascade", "precision", "ben", "too many", 8, flag_precision=0.9), 0)
    learner.apply(control("risk-trial", "stop", "ben", "", 9, trials_killed=1.0), 0)
    effects = learner.apply(control("risk-cascade", "resume", "eve", "it is over", 10, flags_paused=0.0), 0)
    assert effects.blocks[0].meta["values"]["flags_paused"] == 0.0
    assert learner.controls.of("risk-cascade") == {
        "switch": {"control": "resume", "by": "eve", "note": "it is over", "at_ms": 10},
        "precision": {"control": "precision", "by": "ben", "note": "too many", "at_ms": 8},
    }
    assert learner.controls.of("risk-trial")["switch"]["control"] == "stop"
    assert difference(rebuilt(learner), learner) == 0


def test_a_control_that_says_no_words_is_no_block() -> None:
    with pytest.raises(NotABlockError):
        decode(encode(Block("params", "o/0", 1, {}, {"values": {}, "rule": 7})))
