"""Real flags, read beside the sentences of their schema: of each field, what it says is what is the case."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.contract.records import Flag
from streams.contract.words import FlagAction, Retraction
from streams.scoring.claims.explain import START
from streams.scoring.config import ScoringConfig
from streams.scoring.signals.registry import IDEAS
from streams.scoring.signals.signal import Idea
from streams.tables.blocks import Block
from tests.scoring.builders import DAY_MS, NOW_MS, Event, Pipeline, Ruling, event_lists
from tests.scoring.real_flags import GOLDEN, LOG, PARTITION, Moved, Story, story, written

CONFIG = ScoringConfig()
KINDS = {"raise", "update", *(f"retract {why}" for why in Retraction)}


@pytest.fixture(scope="module")
def told() -> Story:
    return story()


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def adds_up(flag: dict[str, Any]) -> bool:
    return abs(math.fsum(r["weight"] for r in flag["reasons"]) - logit(flag["risk"])) < 1e-6


def reasons(flag: dict[str, Any], made: Moved) -> bool:
    found = flag["reasons"]
    codes = [r["code"] for r in found]
    sizes = [abs(r["weight"]) for r in found]
    named = [r for r in found if r["code"] not in ("start", "others")]
    start = next(r for r in found if r["code"] == "start")
    return (
        adds_up(flag)
        and sizes == pytest.approx(sorted(sizes, reverse=True), abs=1e-3)  # the rest may be moved by rounding
        and len(set(codes)) == len(codes)
        and set(codes) <= {"start", "others", "ruling", *IDEAS}
        and len(named) <= CONFIG.reasons
        and (start["text"], start["weight"]) == (START, pytest.approx(made.params.risk_bias, abs=1e-3))
        and all(r["text"] == _words(IDEAS[r["code"]], r["weight"]) for r in named if r["code"] in IDEAS)
        and (flag["action"] != "retract" or {r["code"] for r in named if r["evidence_ids"]} <= {"ruling"})
    )


def _words(idea: Idea, push: float) -> str:
    return idea.raises if push > 0 else idea.lowers


def confidence(flag: dict[str, Any], made: Moved) -> bool:
    over = (logit(flag["risk"]) - logit(flag["threshold"])) / made.params.risk_sd
    return abs(flag["confidence"] - 0.5 * math.erfc(-over / math.sqrt(2))) < 1e-3


def severity(flag: dict[str, Any], made: Moved) -> bool:
    least = {"low": 0, "medium": 30, "high": 60, "critical": 75}
    return flag["severity"] == max((s for s in least if flag["priority"] >= least[s]), key=lambda s: least[s])


def action(flag: dict[str, Any], made: Moved) -> bool:
    return made.score["flagged"] is (flag["action"] != "retract")


def retracted(flag: dict[str, Any], made: Moved) -> bool:
    if flag["action"] != "retract":
        return "retracted_because" not in flag
    return {
        "settled": made.score["verdict"] is not None,
        "risk-fell": logit(flag["risk"]) <= logit(flag["threshold"]) - CONFIG.flag_hysteresis + 1e-3,
        "posts-gone": made.score["events"] == 0,
        "expired": made.kind == "tick",
        "killed": made.params.flags_killed > 0,
    }[flag["retracted_because"]]


def lapses(flag: dict[str, Any], made: Moved) -> bool:
    if flag["action"] == "retract":
        return "expires_at_ms" not in flag
    return bool(flag["expires_at_ms"] == made.now_ms + CONFIG.flag_expiry_ms)


def words_of_the_root(flag: dict[str, Any], made: Moved) -> bool:
    root, who = flag["claim"], flag["subject"]["id"] + "-"
    if made.score["events"] == 0:
        return root == {}
    return bool(root["event_id"] == who + root["author_id"] and root["posted_at_ms"] == made.score["first_event_ms"])


def spread(flag: dict[str, Any], made: Moved) -> bool:
    told, score = flag["spread"], made.score
    same = {name: score[name] for name in ("participants", "events", "first_event_ms")}
    return (
        told.items() >= same.items()
        and abs(told["expected_24h"] - score["expected_growth_24h"]) <= 0.005 + 1e-9
        and 0 <= told["expected_per_hour"] <= told["expected_24h"]
        and (told["per_hour"] > 0) is (score["events"] > 0)
        and told["usual_participants"] == pytest.approx(math.exp(made.params.flag_crowd), abs=0.06)
    )


def risk_end(flag: dict[str, Any], made: Moved) -> bool:
    ends = [logit(flag["risk"]) + side * 1.645 * made.params.risk_sd for side in (-1, 1)]
    return [flag["risk_low"], flag["risk_high"]] == pytest.approx([1 / (1 + math.exp(-z)) for z in ends], abs=1e-5)


def share(words: str) -> float:
    return {"over 99%": 1.0, "under 1%": 0.0}.get(words) or float(words.removesuffix("%")) / 100


def would_fall(flag: dict[str, Any], made: Moved) -> bool:
    """The words name the risk, the one at which the flag is taken back, and what each reason does for it."""
    if flag["action"] == "retract":
        return "would_fall" not in flag
    words = flag["would_fall"]
    now, floor = (share(found) for found in re.findall(r"now ([^,]+), falls below ([^;]+);", words)[0])
    wanted = 1 / (1 + math.exp(CONFIG.flag_hysteresis - logit(flag["threshold"])))
    raising = [r for r in flag["reasons"] if r["weight"] > 0 and r["code"] in IDEAS]
    without = re.findall(r"([^;:]+) \(without it: ([^)]+)\)", words)
    weights = {r["text"]: r["weight"] for r in raising}
    return (
        now == pytest.approx(flag["risk"], abs=0.006)
        and floor == pytest.approx(wanted, abs=0.006)
        and all(
            share(left) == pytest.approx(1 / (1 + math.exp(weights[text.strip()] - logit(flag["risk"]))), abs=0.006)
            for text, left in without
        )
        and bool(without) is bool(raising)
        and all(IDEAS[r["code"]].lowers in words for r in raising[:2])
    )


SENTENCES: dict[str, Callable[[dict[str, Any], Moved], Any]] = {
    "flag_id": lambda flag, made: flag["flag_id"].startswith("risk-cascade/" + flag["subject"]["id"]),
    "revision": lambda flag, made: flag["revision"] >= 1,
    "schema_version": lambda flag, made: flag["schema_version"] == Flag.VERSION,
    "action": action,
    "retracted_because": retracted,
    "subject": lambda flag, made: (
        unquote(flag["subject"]["uri"]).removeprefix("/v1/claims/") == flag["subject"]["id"]
        and flag["subject"]["uri"].count("/") == 3
        and flag["subject"]["type"] == "claim"
    ),
    "claim": words_of_the_root,
    "spread": spread,
    "supports": lambda flag, made: flag["supports"] == made.score["supports"],
    "denials": lambda flag, made: flag["denials"] == made.score["denies"],
    "queries": lambda flag, made: flag["queries"] == made.score["queries"],
    "community": lambda flag, made: "community" not in flag,  # the story names none
    "rulings": lambda flag, made: flag.get("rulings") == made.score.get("rulings"),
    "raters_disagree": lambda flag, made: flag.get("raters_disagree") == made.score.get("raters_disagree"),
    "label": lambda flag, made: re.fullmatch("[a-z-]+", flag["label"]),
    "policy_id": lambda flag, made: flag["policy_id"] == "misinformation",
    "rule_id": lambda flag, made: re.fullmatch(r"[a-z-]+/\d+", flag["rule_id"]),
    "severity": severity,
    "priority": lambda flag, made: flag["action"] != "retract" or flag["priority"] == 0,
    "risk": lambda flag, made: flag["risk"] == made.score["risk"],
    "score": lambda flag, made: flag["score"] == made.score["score"],
    "risk_low": lambda flag, made: flag["risk_low"] == made.score["risk_low"] and risk_end(flag, made),
    "risk_high": lambda flag, made: flag["risk_high"] == made.score["risk_high"] and risk_end(flag, made),
    "score_low": lambda flag, made: flag["score_low"] == made.score["low"],
    "score_high": lambda flag, made: flag["score_high"] == made.score["high"],
    "enough_evidence": lambda flag, made: flag["enough_evidence"] == made.score["enough_evidence"],
    "claim_version": lambda flag, made: flag["claim_version"] == made.score["version"],
    "confidence": confidence,
    "threshold": lambda flag, made: flag["action"] != "raise" or flag["risk"] >= flag["threshold"],
    "score_version": lambda flag, made: flag["score_version"] == made.score["core_version"],
    "reasons": reasons,
    "would_fall": would_fall,
    "appeal": lambda flag, made: "`appeal`" in flag["appeal"],
    "source": lambda flag, made: flag["source"] == "automated",
    "event_time_ms": lambda flag, made: flag["event_time_ms"] == made.score["last_event_ms"],
    "detected_at_ms": lambda flag, made: flag["detected_at_ms"] == made.now_ms,
    "expires_at_ms": lapses,
    "trace_id": lambda flag, made: flag["trace_id"] == f"{LOG}/{PARTITION}/{made.offset}",
}


@pytest.mark.parametrize("name", Flag.__struct_fields__)
def test_what_the_schema_says_of_a_field_is_the_case_in_every_flag_record(told: Story, name: str) -> None:
    for made in told.moved:
        assert SENTENCES[name](made.flag, made), (name, made.flag)


def test_a_flag_names_the_community_of_most_and_who_ruled() -> None:
    line = Story(ScoringConfig(flag_ripe_ms=0, flag_min_participants=1))
    line.params(1, risk_bias=9.0)
    for n, where in enumerate(["north", "", "", "south", "south"]):
        line.events([Event(f"s{n}", "c", f"e{n}", NOW_MS - DAY_MS, community=where)])
    line.rule(Ruling("c", 2, NOW_MS, note="Nobody was there."))
    line.rule(Ruling("c", 0, NOW_MS, version=2))
    raised, settled, again = (each for each in line.flags_of("c") if each["action"] != "update")
    assert raised["community"] == "north"
    assert "rulings" not in raised
    assert settled["community"] == again["community"] == "south"
    assert [(r["verdict"], r.get("note")) for r in settled["rulings"]] == [("false", "Nobody was there.")]
    assert (again["action"], again["rulings"][0]["verdict"]) == ("raise", "withdrawn")


def test_the_story_has_every_kind_of_flag_record(told: Story) -> None:
    found = {(m.flag["action"], m.flag.get("retracted_because")) for m in told.moved}
    assert {" ".join(filter(None, kind)) for kind in found} == KINDS
    assert {action for action, _ in found} == set(FlagAction) - {FlagAction.HOLD}


def test_golden_flags_are_what_the_cores_make_today() -> None:
    assert GOLDEN.read_bytes() == written(), "run: python -m tests.scoring.real_flags"
    assert {each["why"] for each in json.loads(GOLDEN.read_text())["valid"]} == KINDS


def test_revisions_count_the_records_of_a_flag_and_a_flag_raised_again_is_another_one(told: Story) -> None:
    by_flag: dict[str, list[int]] = {}
    for made in told.moved:
        by_flag.setdefault(made.flag["flag_id"], []).append(made.flag["revision"])
    assert all(revisions == list(range(1, len(revisions) + 1)) for revisions in by_flag.values())
    again = [f["flag_id"] for f in told.flags_of("bridge closed") if f["action"] == "raise"]
    assert len(set(again)) == 2


def test_a_flag_that_is_heard_of_lapses_later_and_one_that_is_not_lapses_at_its_date(told: Story) -> None:
    first, renewed, gone = told.flags_of("shark/in the street")
    assert renewed["expires_at_ms"] > first["expires_at_ms"]
    assert gone["retracted_because"] == "expired"
    assert gone["detected_at_ms"] >= renewed["expires_at_ms"] > renewed["detected_at_ms"]


def test_a_flag_stands_until_its_date_by_the_logs_clock_however_old_its_events_are() -> None:
    line = Story(ScoringConfig(flag_ripe_ms=0, flag_min_participants=1))
    line.params(1, risk_bias=9.0)
    line.tell("old story", "someone", NOW_MS - 900 * DAY_MS)
    raised = line.flags_of("old story")[-1]
    assert raised["expires_at_ms"] > line.now_ms
    line.now_ms = raised["expires_at_ms"] - 60_000
    line.tick()
    assert line.flags_of("old story")[-1] == raised
    line.now_ms = raised["expires_at_ms"]
    line.tick()
    assert line.flags_of("old story")[-1]["retracted_because"] == "expired"
    assert line.scores["old story"]["flagged"] is False


def test_a_claim_that_was_forgotten_and_is_flagged_again_gets_a_flag_of_its_own() -> None:
    line = Story(ScoringConfig(flag_ripe_ms=0, flag_min_participants=1))
    line.params(1, risk_bias=9.0)
    for _ in range(2):
        line.tell("rumour", "someone", NOW_MS, n=1)
        line.now_ms += 40 * DAY_MS
        line.tick()
        line.tick()
        assert line.claims.data.claims.find_one("rumour") < 0
    raised = [f for f in line.flags_of("rumour") if f["action"] == "raise"]
    assert len({f["flag_id"] for f in raised}) == 2


@settings(max_examples=40)
@given(event_lists(max_size=60), st.integers(0, 6), st.floats(-1, 1), st.floats(0.2, 2), st.floats(0, 2))
def test_reasons_of_any_flag_add_up_to_the_log_odds_of_its_risk(
    events: list[Event], most: int, a: float, b: float, bias: float
) -> None:
    line = Pipeline(ScoringConfig(flag_ripe_ms=0, flag_min_participants=1, reasons=most))
    values = {"risk_cal_a": a, "risk_cal_b": b, "risk_bias": bias, "flag_z": -20.0}
    line.feed_both(Block("params", "p/0", 1, {}, {"version": 1, "values": values}))
    for event in events:
        told = len(line.flags)
        line.events([event])
        for flag in line.flags[told:]:
            assert adds_up(flag), flag
            assert len(flag["reasons"]) <= most + 2
            assert flag["risk"] == line.scores[flag["subject"]["id"]]["risk"]
    assert {f["subject"]["id"] for f in line.flags} == {e.claim for e in events}


def test_who_is_wrong_is_what_is_to_be_read_where_the_record_speaks_for_false(told: Story) -> None:
    raised = told.flags_of("bank fails")[0]
    history = next(r for r in raised["reasons"] if r["code"] == "history")
    assert history["weight"] > 0
    assert len(history["evidence_ids"]) == CONFIG.reasons
    assert all("liar" in id_ for id_ in history["evidence_ids"])
