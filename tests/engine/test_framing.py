"""Framing keeps every byte string, whatever its length."""

from hypothesis import given
from hypothesis import strategies as st

from streams.engine.framing import pack, unpack


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_unpack_returns_what_was_packed(parts: list[bytes]) -> None:
    assert unpack(pack(parts)) == parts
