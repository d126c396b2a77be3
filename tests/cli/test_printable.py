"""Nothing that a stranger sent can act on the terminal of the person who looks at it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.cli.printable import printable


@given(st.one_of(st.binary(), st.text()))
def test_whatever_goes_in_only_printable_characters_come_out(content: bytes | str) -> None:
    assert printable(content).isprintable()


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"plain", "plain"),
        ("żółw 漢 🙂", "żółw 漢 🙂"),
        ("żółw".encode(), "żółw"),
        (b"\x1b[2J\x00\r\n\x7f", r"\x1b[2J\x00\r\n\x7f"),
        (b"\xff\xc3", r"\xff\xc3"),
        ("a\u202eb\u200b\u2028", r"a\u202eb\u200b\u2028"),
        ("\ud800", r"\ud800"),
        (b"", ""),
        (None, None),
    ],
)
def test_examples(content: bytes | str | None, shown: str | None) -> None:
    assert printable(content) == shown
