"""Bytes and text from strangers as text that a terminal can only print."""

from __future__ import annotations

from typing import overload


@overload
def printable(content: bytes | str) -> str: ...
@overload
def printable(content: None) -> None: ...
def printable(content: bytes | str | None) -> str | None:
    r"""The content, with all escaped that is no printable character. None stays None.

    Control characters, escape sequences, line ends, marks that turn the direction of writing, invisible and unassigned
    characters and bytes that are no UTF-8 become \n, \x1b, \u202e and the like. A backslash is left as it is: this is
    for eyes, not for reading back.

    >>> print(printable(b"caf\xc3\xa9 \x1b[2J\xff"))
    café \x1b[2J\xff
    """
    if content is None:
        return None
    text = content.decode("utf-8", "backslashreplace") if isinstance(content, bytes) else content
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
