"""The hash of normalised text: equal for copies, different for different words, absent for short texts."""

from __future__ import annotations

import doctest

import pytest

from streams.agents.intake import copied_text as text
from streams.agents.intake.copied_text import copy_hash, normalised
from streams.cli import printable

TEXT = "The mayor was seen leaving the town hall at midnight"


@pytest.mark.parametrize(
    "copy",
    [
        TEXT.upper(),
        f"  {TEXT}\n",
        TEXT.replace(" ", "  \t\u00a0"),
        f"@ana @bob_2: {TEXT}",
        f"{TEXT} https://t.co/abc?x=1",
        f"www.example.org {TEXT} HTTP://EXAMPLE.ORG/A",
    ],
)
def test_copies_hash_alike(copy: str) -> None:
    assert copy_hash(copy) == copy_hash(TEXT) != 0


def test_other_words_hash_otherwise() -> None:
    assert copy_hash(TEXT + " again") != copy_hash(TEXT)


@pytest.mark.parametrize(
    "short",
    ["", "so true!", "a" * 19, "@somebody " * 9, "https://example.org/a/very/long/address/indeed", " " * 99 + "x"],
)
def test_fewer_than_twenty_characters_have_no_hash(short: str) -> None:
    assert copy_hash(short) == 0


def test_twenty_characters_are_enough() -> None:
    assert copy_hash("a" * 20) != 0


def test_normalising_twice_changes_nothing() -> None:
    once = normalised(f"RT @ana:  {TEXT} …  https://t.co/x")
    assert normalised(once) == once


def test_the_worked_examples_hold() -> None:
    for module in (text, printable):
        done = doctest.testmod(module)
        assert done.attempted > 0
        assert done.failed == 0
