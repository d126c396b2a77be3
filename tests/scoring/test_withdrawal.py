"""A withdrawn ruling leaves everything as it was before the ruling, learned parameters held."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.scoring.config import ScoringConfig
from streams.tables.blocks import Block
from tests.scoring.builders import (
    CLAIMS,
    DAY_MS,
    SOURCES,
    Event,
    Pipeline,
    Ruling,
    event_lists,
    feed,
    histories,
    ruling_lists,
)  # fmt: skip
from tests.scoring.test_settlement import T0

HOUR_MS = 3_600_000
COUNTS = ("right", "wrong", "joined_false", "joined_true", "gain", "loss", "claims", "events", "ruled_ms")
SUMS = (
    "right_supports", "wrong_supports", "right_denials", "wrong_denials", "right_reshares", "wrong_reshares",
    "joined_false_30", "joined_true_30",
)  # fmt: skip
STAMP = ("support", "denial", "cluster", "record", "band", "history", "history_30")
# Without hysteresis a flag is a function of what is known now; with it, of what was known before, too.
PLAIN = ScoringConfig(flag_ripe_ms=0, flag_min_participants=1, flag_hysteresis=0.0)


def claims_view(line: Pipeline) -> dict[str, Any]:
    """Scores of the claims, flags, and the stamps that they hold."""
    ids = [str(c) for c, row in line.claims.data.claims.items() if line.claims.data.claims["events"][row]]
    view: dict[str, Any] = {}
    if ids:
        now = line.claims.read(ids)
        for name in ("score", "risk", "low", "high", "evidence", "verdict", "flagged", "supports", "denies"):
            view[name] = dict(zip(ids, now[name].astype(float).tolist(), strict=True))
        view["signals"] = {f"{c}/{i}": v for c, row in zip(ids, now["signals"], strict=True) for i, v in enumerate(row)}
    data = line.claims.data
    for _, row in data.parts.items():
        key = f"{data.claims.key(int(data.parts['claim'][row]))}/{data.names.key(int(data.parts['source'][row]))}"
        view[key] = {name: float(data.parts[name][row]) for name in STAMP}
    return view


def sources_view(line: Pipeline) -> dict[str, Any]:
    """Records of the sources, and the credibility published of them."""
    table = line.sources.sources
    rows = {str(s): row for s, row in table.items()}
    records = line.sources.records(np.fromiter(rows.values(), np.int64, len(rows)))
    return {
        s: {f: float(table[f][row]) for f in (*COUNTS, *SUMS)}
        | {f: records[s][f] for f in ("credibility", "low", "high", "insight", "right", "wrong")}
        for s, row in rows.items()
    }


def assert_same(now: dict[str, Any], before: dict[str, Any]) -> None:
    assert now.keys() == before.keys()
    for key, values in before.items():
        assert now[key] == pytest.approx(values, abs=1e-9, rel=1e-9), key


@settings(max_examples=150)
@given(
    histories(),
    st.randoms(use_true_random=False),
    st.lists(st.tuples(st.sampled_from([*CLAIMS, "new"]), st.integers(1, 3), st.integers(-99, 99)), min_size=1),
)
def test_rulings_withdrawn_restore_the_state_whatever_came_before(
    earlier: list[Any], random: Any, withdrawn: list[tuple[str, int, int]]
) -> None:
    line = Pipeline(PLAIN)
    line.params(version=0, risk_bias=1.0)
    for item in earlier:
        feed(line, item)
    before = (claims_view(line), sources_view(line))
    raters = [f"later{i}" for i in range(len(withdrawn))]
    for rater, (claim, verdict, day) in zip(raters, withdrawn, strict=True):
        line.rule(Ruling(claim, verdict, T0 + day * DAY_MS, rater))
    undone = list(zip(raters, withdrawn, strict=True))
    random.shuffle(undone)
    for rater, (claim, _, day) in undone:
        line.rule(Ruling(claim, 0, T0 + day * DAY_MS, rater, version=2))
    after = (claims_view(line), sources_view(line))
    heard = any(isinstance(item, Block) and item.kind == "params" for item in earlier)
    if heard and "flagged" in before[0]:
        # A flag hears of new parameters when its claim is touched next, be it by a ruling.
        del before[0]["flagged"], after[0]["flagged"]
    assert_same(after[0], before[0])
    assert_same(after[1], before[1])


@settings(max_examples=150)
@given(event_lists(), ruling_lists(), st.randoms(use_true_random=False), st.sampled_from([1, 2]), st.integers(-9, 60))
def test_a_ruling_withdrawn_leaves_scores_as_if_it_had_never_been_whatever_came_between(
    events: list[Event], others: list[Ruling], random: Any, verdict: int, hour: int
) -> None:
    with_it, without = Pipeline(PLAIN), Pipeline(PLAIN)
    wrong = [Ruling(CLAIMS[0], v, T0 + hour * HOUR_MS, "wrong", version) for version, v in ((1, verdict), (2, 0))]
    items: list[Any] = [*([e] for e in events), *others]
    random.shuffle(items)
    for i in sorted(random.sample(range(len(items) + 1), 1)):
        items.insert(i, wrong[0])
    for item in [*items, wrong[1]]:
        feed(with_it, item)
        if item not in wrong:
            feed(without, item)
    assert_same(claims_view(with_it), claims_view(without))
    insight = ("gain", "loss", "insight")  # against the scores of then, which the wrong ruling had moved
    views = [
        {s: {k: v for k, v in fields.items() if k not in insight} for s, fields in sources_view(line).items()}
        for line in (with_it, without)
    ]
    assert_same(*views)


def test_a_flag_that_stood_when_a_ruling_came_stands_again_when_it_is_withdrawn() -> None:
    line = Pipeline(ScoringConfig(flag_ripe_ms=0, flag_min_participants=1))
    line.params(version=1, risk_bias=2.0)
    line.events([Event("a", "c", "1")])
    now = float(line.claims.read(["c"])["risk_z"][0])
    line.params(version=2, flag_z=now + 0.2)  # it would not be raised now, but is no reason to retract either
    line.events([Event("b", "c", "2", kind=1)])
    line.rule(Ruling("c", 1, T0))
    assert line.flags[-1]["action"] == "retract"
    line.rule(Ruling("c", 0, T0, version=2))
    assert [f["action"] for f in line.flags if f["action"] != "update"] == ["raise", "retract", "raise"]
    assert line.claims.read(["c"])["flagged"][0]


def test_a_ruling_years_after_the_others_can_be_withdrawn_from_records_that_had_all_but_faded() -> None:
    line = Pipeline()
    line.events([Event(s, c, f"{s}{c}") for s in SOURCES for c in CLAIMS])
    line.rule(Ruling(CLAIMS[0], 2, T0))
    before = (claims_view(line), sources_view(line))
    line.rule(Ruling(CLAIMS[1], 1, T0 + 9 * 365 * DAY_MS))
    line.rule(Ruling(CLAIMS[1], 0, T0 + 9 * 365 * DAY_MS, version=2))
    assert_same(claims_view(line), before[0])
    assert_same(sources_view(line), before[1])
