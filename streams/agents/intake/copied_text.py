"""The hash by which copied text is recognised."""

from __future__ import annotations

import re

from xxhash import xxh3_64_intdigest

COPY_CHARS_MIN = 20
"""Shorter texts, such as "so true!", are often equal without a copy."""

_addresses = re.compile(r"(?:https?://|www\.|@)\S+")


def normalised(text: str) -> str:
    """The text in lower case, without web addresses and @mentions, and with single spaces for white space.

    >>> normalised("RT @ana:  Big   NEWS https://t.co/x1")
    'rt big news'
    """
    text = text.lower()
    if "@" in text or "http" in text or "www." in text:
        text = _addresses.sub("", text)
    # Most texts have nothing to fold. Printable ones have no white space but spaces, which is seen three times faster.
    return text.strip(" ") if "  " not in text and text.isprintable() else " ".join(text.split())


def copy_hash(text: str) -> int:
    """64-bit hash of the normalised text; 0 if fewer than COPY_CHARS_MIN characters are left of it."""
    if len(text) < COPY_CHARS_MIN or len(text := normalised(text)) < COPY_CHARS_MIN:
        return 0
    # 0 means "no hash"; a text that hashes to it gets 1.
    return xxh3_64_intdigest(text) or 1
