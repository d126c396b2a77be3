"""Who ruled on a claim stands wherever its verdict does: in its record, in its explanation, and after a recovery."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.contract.codes import FALSE, MIXED, NO_VERDICT, TRUE
from streams.contract.words import RATINGS_MAX
from tests.scoring.builders import Event, Pipeline, Ruling, difference, rebuilt

T0 = 1_600_000_000_000
WORDS = {NO_VERDICT: "withdrawn", TRUE: "true", FALSE: "false", MIXED: "mixed"}


def ruled(*rulings: Ruling) -> Pipeline:
    """A claim that was ruled on, each ruling in a record of its own."""
    pipeline = Pipeline()
    pipeline.events([Event("ana", "c", "e1")])
    for ruling in rulings:
        pipeline.rule(ruling)
    return pipeline


def test_the_record_and_the_explanation_name_who_ruled_when_why_and_where() -> None:
    pipeline = ruled(Ruling("c", FALSE, T0, "desk", 3, "https://example.org/1", "The bridge is open."))
    expected = {
        "rater_id": "desk", "version": 3, "verdict": "false", "kind": "fact-check", "ruled_at_ms": T0,
        "ruling_id": "c-desk-3", "url": "https://example.org/1", "note": "The bridge is open.",
    }  # fmt: skip
    for told in (pipeline.scores["c"], pipeline.claims.explain("c")):
        assert told["rulings"] == [expected]
        assert told["raters_disagree"] is False


def test_a_claim_that_nobody_ruled_on_has_no_list() -> None:
    assert "rulings" not in ruled().scores["c"]
    assert ruled().claims.explain("c")["rulings"] == []


def test_raters_who_disagree_are_told_and_one_who_withdraws_disagrees_with_nobody() -> None:
    two = [Ruling("c", FALSE, T0, "desk"), Ruling("c", TRUE, T0 - 5, "board", note="Seen with my own eyes.")]
    record = ruled(*two).scores["c"]
    assert (record["verdict"], record["raters_disagree"]) == ("mixed", True)
    assert [(r["rater_id"], r["verdict"], r.get("note")) for r in record["rulings"]] == [
        ("board", "true", "Seen with my own eyes."), ("desk", "false", None),
    ]  # fmt: skip
    record = ruled(*two, Ruling("c", NO_VERDICT, T0 + 9, "desk", 2)).scores["c"]
    assert (record["verdict"], record["raters_disagree"]) == ("true", False)
    assert [(r["rater_id"], r["verdict"]) for r in record["rulings"]] == [("desk", "withdrawn"), ("board", "true")]


def test_of_many_raters_the_newest_are_named_and_all_are_asked_whether_they_disagree() -> None:
    crowd = [Ruling("c", FALSE, T0, f"r{n}") for n in range(RATINGS_MAX + 3)]
    record = ruled(Ruling("c", TRUE, T0, "first"), *crowd).scores["c"]
    assert [r["rater_id"] for r in record["rulings"]] == [f"r{n}" for n in range(RATINGS_MAX + 2, 2, -1)]
    assert record["raters_disagree"] is True


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4), st.integers(0, 3)), max_size=14))
def test_the_list_is_what_counts_of_each_rater_and_survives_a_recovery(rows: list[tuple[str, int, int]]) -> None:
    pipeline = ruled(
        *(Ruling("c", verdict, T0, rater, version, note=f"{rater}{version}") for rater, version, verdict in rows)
    )
    told = pipeline.claims.explain("c")
    expected: dict[str, tuple[int, int]] = {}
    order: list[str] = []
    for rater, version, verdict in rows:
        if version > expected.get(rater, (0, 0))[0]:
            expected[rater] = version, verdict
            order = [each for each in order if each != rater] + [rater]
    shown: list[Any] = [(r["rater_id"], r["version"], r["verdict"], r["note"]) for r in told["rulings"]]
    assert shown == [(r, expected[r][0], WORDS[expected[r][1]], f"{r}{expected[r][0]}") for r in reversed(order)]
    assert told["raters_disagree"] == (len({v for _, v in expected.values()} - {NO_VERDICT}) > 1)
    again = rebuilt(pipeline.claims)
    assert difference(pipeline.claims, again) == 0.0
    assert again.explain("c")["rulings"] == told["rulings"]
