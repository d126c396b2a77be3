"""A flag in plain words, for tools that show a moderator one field of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streams.contract.wording import why_flagged, why_retracted
from streams.deliver.target import Flag

QUOTED_CHARS = 280
REASONS_SHOWN = 3
EVENTS_SHOWN = 3


def claim_of(flag: Flag) -> dict[str, Any]:
    """What the flag tells of the claim's first post; empty where it tells nothing."""
    return flag.get("claim") or {}


def cut(text: str, most: int) -> str:
    """The text in at most so many characters."""
    return text if len(text) <= most else text[: max(0, most - 1)].rstrip() + "…"


def mark(flag: Flag) -> str:
    """The line by which a flag is found again among what a target holds."""
    return f"Credence flag {flag['flag_id']}"


def comment(flag: Flag, most: int, link: str = "") -> str:
    """The flag as lines of text: what is claimed, how sure we are, why, what would end it, and its mark.

    Args:
        flag: the flag record.
        most: characters that the target takes; a line for which there is no room is left out.
        link: address of the query service, put before the subject's path; "" for no link.
    """
    end = mark(flag)
    if link and flag["subject"].get("uri"):
        end = f"{link.rstrip('/')}{flag['subject']['uri']}\n{end}"
    if len(end) > most:
        return cut(mark(flag), most)
    lines: list[str] = []
    room = most - len(end)
    for line in _lines(flag):
        if len(line) < room:
            lines.append(line)
            room -= len(line) + 1
    return "\n".join([*lines, end])


def withdrawal(flag: Flag, most: int) -> str:
    """Why a flag was taken back, with its mark."""
    end = mark(flag)
    why = f"Nobody needs to look any more: {why_retracted(flag) or 'the flag was taken back'}."
    return cut(f"{cut(why, max(1, most - len(end) - 1))}\n{end}", most)


def _lines(flag: Flag) -> Iterator[str]:
    claim = claim_of(flag)
    yield f"“{cut(str(claim['text']), QUOTED_CHARS)}”" if claim.get("text") else f"Claim {flag['subject']['id']}"
    if claim.get("url"):
        yield str(claim["url"])
    low, high = flag.get("risk_low"), flag.get("risk_high")
    interval = f" (between {low:.0%} and {high:.0%})" if low is not None and high is not None else ""
    yield f"{flag['risk']:.0%} likely to be false{interval}. Priority: {flag['priority']} of 100."
    false, true, events = why_flagged(flag)
    if false:
        yield f"Because {'; '.join(false[:REASONS_SHOWN])}."
    if true:
        yield f"Although {'; '.join(true[:REASONS_SHOWN])}."
    yield from _spread(flag)
    if events:
        yield f"Look at the posts and replies {', '.join(events[:EVENTS_SHOWN])}."
    for name in ("would_fall", "appeal"):
        if flag.get(name):
            yield str(flag[name])


def _spread(flag: Flag) -> Iterator[str]:
    spread = flag.get("spread") or {}
    if "participants" in spread:
        told = f"{spread['participants']:,} people in {spread.get('events', 0):,} posts and reactions"
        if spread.get("per_hour") is not None:
            told += f", {spread['per_hour']:.1f} an hour"
        if spread.get("expected_per_hour") is not None:
            told += f" (expected: {spread['expected_per_hour']:.1f})"
        yield told + "."
    if flag.get("supports") is not None:
        yield f"{flag['supports']:,} say it is so, {flag.get('denials') or 0:,} say it is not."
