"""Mends text that is no valid Unicode: U+FFFD stands for what is no character, as in browsers, and the record counts.

Otherwise anybody could hide from scoring by half an emoji. Only a field that names something must be right to the last
byte, since mending could make one name of two; `damaged` finds such a field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from streams.contract.words import Mend

_HALF = b"\\ufffd"
# An escaped pair, an escaped half, or any other escape. Pairs come first, so that their halves are left alone.
_escapes = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


def characters(value: bytes) -> tuple[bytes, set[Mend]]:
    r"""A JSON text in which U+FFFD stands for each byte that is not UTF-8 and each escape of half a character.

    ASCII bytes are never replaced, so strings begin and end where they did.

    >>> characters(b'"\\ud83d \\ud83d\\ude00 \\\\ud83d"')
    (b'"\\ufffd \\ud83d\\ude00 \\\\ud83d"', {<Mend.HALF_CHARACTER: 'half_character'>})
    """
    mends: set[Mend] = set()
    try:
        value.decode()
    except UnicodeDecodeError:
        value = value.decode("utf-8", "replace").encode()
        mends.add(Mend.NOT_UTF8)
    if b"\\ud" not in value.lower():  # most long texts have no such escape, and the search costs most on them
        return value, mends
    whole = _escapes.sub(lambda found: _HALF if found[2] else found[0], value)
    if whole != value:
        mends.add(Mend.HALF_CHARACTER)
    return whole, mends


def damaged(value: bytes, names: Iterable[str]) -> str | None:
    """The first of these members whose own text had to be mended, or None. The value must be readable once mended."""
    # Numbers need no look, and some are too long for Python to read.
    members = json.loads(value.decode("utf-8", "surrogateescape"), parse_int=str, parse_float=str, parse_constant=str)
    return next((name for name in names if not _is_text(members.get(name))), None)


def _is_text(found: object) -> bool:
    """Whether a value needs no mending: it is no string, or one of whole characters."""
    if isinstance(found, str):
        try:
            found.encode()
        except UnicodeEncodeError:
            return False
    return True
