"""Labels of claims: what is understood, what is told, and that two which differ are an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.datasets.csv_files import DatasetError
from streams.datasets.findings import Findings, in_words
from streams.datasets.labels import parse_labels, read_labels

FILE = Path("claims.csv")


@pytest.mark.parametrize(
    ("label", "verdict"),
    [
        ("TRUE", "true"), ("mostly-true", "true"), ("Real ", "true"), ("True rumour", "true"),
        ("fake", "false"), ("Hoax", "false"), ("pants-fire", "false"), ("pants on fire", "false"),
        ("false_rumor", "false"), ("non-rumor", "non-rumor"), ("NonRumour", "nonrumour"), ("half-true", "half-true"),
        ("", ""),
    ],
)  # fmt: skip
def test_common_spellings_are_understood(label: str, verdict: str) -> None:
    found = read_labels(["c"], [label], FILE)
    assert (found.verdicts, found.unknown) == ({"c": verdict}, {})


@pytest.mark.parametrize("label", ["0", "1", "rumour", "Rumor", "satire"])
def test_what_may_mean_either_is_not_guessed_at_but_told(label: str) -> None:
    found = read_labels(["a", "b", "c"], [label, label, "true"], FILE)
    assert found.verdicts == {"a": label.lower(), "b": label.lower(), "c": "true"}
    assert found.unknown == {label: 2}
    (said,) = in_words(Findings(unknown_labels=found.unknown).as_dict())
    assert f"so that their claims have no verdict: {label} (2)" in said
    assert f"--labels '{label}=false'" in said


def test_labels_may_be_told_and_told_anew() -> None:
    meant = parse_labels("1=true, Rumor=false,unverified=false")
    found = read_labels(["a", "b", "c"], ["1", "rumor", "Unverified"], FILE, meant)
    assert (found.verdicts, found.unknown) == ({"a": "true", "b": "false", "c": "false"}, {})


@pytest.mark.parametrize("text", ["fake", "fake=wrong", "=", "1:true"])
def test_what_says_not_what_a_label_means_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write LABEL=true or LABEL=false or LABEL=none"):
        parse_labels(text)


def test_a_told_label_that_no_claim_bears_is_refused_with_those_there_are() -> None:
    with pytest.raises(DatasetError, match=r"no claim is labelled fak; labels are fake \(2\), real \(1\)"):
        read_labels(["a", "b", "c"], ["fake", "fake", "real"], FILE, {"fak": "false"})


@pytest.mark.parametrize(("first", "second"), [("true", "false"), ("1", "0"), ("unverified", "fake")])
def test_two_labels_that_differ_are_an_error_with_row_claim_and_both(first: str, second: str) -> None:
    with pytest.raises(DatasetError, match=rf"claims\.csv, row 4: claim a is labelled {second}, but {first} in row 2"):
        read_labels(["a", "b", "a"], [first, "true", second], FILE)


@pytest.mark.parametrize(("first", "second"), [("true", "True"), ("fake", "false"), ("1", "1")])
def test_two_labels_that_mean_the_same_pass(first: str, second: str) -> None:
    assert len(read_labels(["a", "a"], [first, second], FILE).verdicts) == 1
