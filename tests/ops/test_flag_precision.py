"""How often flags are right: what judges them, and what does not."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.ops.flag_precision import JudgedFlag, precision, told, week_of

WEEK_MS = 7 * 86_400_000
FLAGS = st.builds(
    JudgedFlag,
    st.sampled_from(["a/1", "b/2"]),
    st.sampled_from([None, "north", "south"]),
    st.integers(0, 3).map(lambda n: 1_600_000_000_000 + n * WEEK_MS),
    st.sampled_from([None, "true", "false", "mixed"]),
    st.sampled_from([None, "confirmed", "dismissed", "duplicate"]),
)


def test_a_false_claim_and_a_confirmation_are_right_a_true_claim_and_a_dismissal_wrong_and_nothing_else_judges() -> (
    None
):
    at = 1_600_000_000_000
    found = told(
        [
            JudgedFlag("a/1", "north", at, "false", "dismissed"),
            JudgedFlag("a/1", None, at, "true", "confirmed"),
            JudgedFlag("b/1", "north", at + WEEK_MS, "mixed", "duplicate"),
            JudgedFlag("b/1", "north", at + WEEK_MS, None, None),
        ]
    )
    assert (found["flags"], found["by_verdicts"]["precision"], found["by_decisions"]["precision"]) == (4, 0.5, 0.5)
    assert [(g["rule"], g["flags"], g["by_verdicts"]["right"]) for g in found["by_rule"]] == [
        ("a/1", 2, 1),
        ("b/1", 2, 0),
    ]
    assert [(g["community"], g["flags"]) for g in found["by_community"]] == [("north", 3)]
    assert [g["week"] for g in found["by_week"]] == [week_of(at), week_of(at + WEEK_MS)]
    assert found["by_rule"][1]["by_verdicts"] == {
        "right": 0, "wrong": 0, "precision": None, "low": None, "high": None,
    }  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "low", "high"), [(8, 2, 0.5407, 0.9311), (0, 5, 0.0, 0.3511)])
def test_the_interval_is_wilsons(right: int, wrong: int, low: float, high: float) -> None:
    found = precision(right, wrong)
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-3)


@given(st.lists(FLAGS, max_size=30))
def test_groups_add_up_and_the_figure_lies_in_its_interval(flags: list[JudgedFlag]) -> None:
    found = told(flags)
    assert found["flags"] == len(flags)
    for name in ("by_rule", "by_week"):
        assert sum(group["flags"] for group in found[name]) == len(flags)
        for by in ("by_verdicts", "by_decisions"):
            total = Counter(right=found[by]["right"], wrong=found[by]["wrong"])
            groups = [Counter(right=g[by]["right"], wrong=g[by]["wrong"]) for g in found[name]]
            assert sum(groups, Counter()) == +total
            for group in found[name]:
                judged = group[by]
                if judged["precision"] is not None:
                    assert judged["low"] - 1e-6 <= judged["precision"] <= judged["high"] + 1e-6
