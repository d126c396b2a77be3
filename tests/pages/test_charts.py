"""What charts show, and what is said of how precision moved."""

from __future__ import annotations

from typing import Any

import pytest

from streams.pages import charts
from streams.pages.front_page import trend

VOICE = {
    "source_id": "bo", "stance": "deny", "at_ms": 0, "reshare": False, "community": "", "net": 0, "bound_by": "",
    "nats": -1.0,
}  # fmt: skip


POINT = {"as_of_ms": 0, "low": 0.1, "high": 0.9, "risk": 0.5, "risk_low": None, "risk_high": None}


def voice(**changes: Any) -> dict[str, Any]:
    """What somebody said."""
    return VOICE | changes


def test_each_large_net_has_a_shape_and_small_ones_are_drawn_like_everybody() -> None:
    nets = [voice(net=n, bound_by="accounts" if n % 2 else "words") for n in range(1, 8) for _ in range(10 - n)]
    drawn = charts.voices([voice(), *nets])["data"]
    assert [each["name"] for each in drawn] == ["each for itself", "net 1", "wording 2", "net 3", "wording 4", "net 5"]
    assert len({each["marker"]["symbol"] for each in drawn}) == len(drawn)
    assert sum(len(each["x"]) for each in drawn) == 1 + len(nets)


def test_names_are_no_markup_for_the_library() -> None:
    (drawn,) = charts.voices([voice(source_id="<a href='x'>", community="<b>")])["data"]
    assert "<a" not in drawn["text"][0]
    assert "&lt;a href=" in drawn["text"][0]
    assert "&lt;b&gt;" in drawn["text"][0]


def test_a_history_leaves_out_the_score_where_there_was_too_little_evidence() -> None:
    point = {"score": None, "enough_evidence": False} | POINT
    drawn = charts.history([point, point | {"score": 0.4, "enough_evidence": True}], [])["data"]
    (score,) = [each for each in drawn if each["name" if "name" in each else "mode"].startswith("score: ")]
    assert score["y"] == [None, 0.4]


def test_a_history_draws_the_interval_of_the_risk_where_records_have_one() -> None:
    old = {"score": 0.4, "enough_evidence": True} | POINT
    new = old | {"risk_low": 0.3, "risk_high": 0.7}
    name = "risk, 90 % interval"
    assert name not in [each.get("name") for each in charts.history([old, old], [])["data"]]
    drawn = charts.history([old, new], [])["data"]
    at = [each.get("name") for each in drawn].index(name)
    assert (drawn[at]["y"], drawn[at - 1]["y"], drawn[at]["fill"]) == ([None, 0.3], [None, 0.7], "tonexty")


def weeks(*judged: tuple[int, int]) -> list[dict[str, Any]]:
    """Weeks with so many flags that were right and wrong."""
    return [{"by_verdicts": {"right": right, "wrong": wrong}} for right, wrong in judged]


@pytest.mark.parametrize(
    ("judged", "word"),
    [
        (((90, 10), (4, 16)), "fallen"),
        (((30, 70), (19, 1)), "risen"),
        (((80, 20), (15, 5)), "steady"),
        (((80, 20), (3, 0), (12, 5)), "steady"),
        (((80, 20),), "unknown"),
        (((2, 1), (12, 5)), "unknown"),
        ((), "unknown"),
    ],
)
def test_whether_precision_has_fallen_is_said_where_enough_is_judged(judged: Any, word: str) -> None:
    assert trend(weeks(*judged))["word"] == word
