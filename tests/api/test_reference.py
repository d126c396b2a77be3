"""The reference page follows from the declarations."""

from __future__ import annotations

from streams.api import reference


def test_the_page_is_as_the_declarations_are() -> None:
    assert reference.PATH.read_text(encoding="utf-8") == reference.markdown(), "run `python -m streams.api.reference`"
