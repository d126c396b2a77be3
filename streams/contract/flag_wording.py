"""A flag for a person who sees nothing else: what is said, by whom, how it spreads, how sure we are, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from streams.contract.wording import why_flagged, why_retracted

EVENTS_SHOWN = 5
_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000


def lines(flag: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(Label, text) of a flag, in the order in which a person asks. What an older record does not say is left out."""
    claim, spread = flag.get("claim") or {}, flag.get("spread") or {}
    yield "says", f"“{claim['text']}”" if claim.get("text") else "(the words of its first post are not known)"
    if claim.get("url"):
        yield "at", str(claim["url"])
    if posted := _posted(claim, flag.get("community")):
        yield "posted", posted
    if spread:
        yield "spread", _spread(flag, spread)
    if "supports" in flag:
        yield "sides", _sides(flag)
    yield "risk", _risk(flag)
    if "score_low" in flag:
        yield "record", _score(flag)
    false, true, events = why_flagged(flag)
    for label, reasons in (("because", false), ("although", true)):
        if reasons:
            yield label, "; ".join(reasons)
    if events:
        yield "look at", f"the posts and replies {', '.join(events[:EVENTS_SHOWN])}"
    if flag.get("would_fall"):
        yield "until", str(flag["would_fall"])
    if flag.get("appeal"):
        yield "appeal", str(flag["appeal"]).partition(". ")[0].removesuffix(".")
    yield "answer", f"whether it is so: credence rule {flag['subject']['id']} true|false|mixed --by YOU --note WHY"
    decide = f"credence decide {flag['flag_id']} confirmed|dismissed|duplicate --by YOU"
    yield "or", f"whether this flag was worth your time: {decide}"


def title(flag: Mapping[str, Any]) -> str:
    """What the record asks for, in a line."""
    if flag["action"] == "retract":
        return f"taken back: {why_retracted(flag)}"
    asks = {"raise": "please look", "update": "still stands", "hold": "held back by its budget"}[flag["action"]]
    return f"{asks} · priority {flag['priority']} of 100 ({flag['severity']})"


def named(flag: Mapping[str, Any]) -> str:
    """What the flag is about, in its own words if they are known, else its id."""
    text = " ".join(str((flag.get("claim") or {}).get("text") or "").split())
    return text or str(flag["subject"]["id"])


def duration(ms: int) -> str:
    """A span of time in the unit in which people would tell it.

    >>> duration(90_000), duration(5 * 3_600_000), duration(200 * 3_600_000)
    ('2 minutes', '5 hours', '8 days')
    """
    for unit, name in ((_DAY_MS, "day"), (_HOUR_MS, "hour"), (_MINUTE_MS, "minute")):
        if ms >= 2 * unit or unit == _MINUTE_MS:
            count = max(1, round(ms / unit))
            return f"{count} {name}{'s' if count > 1 else ''}"
    raise AssertionError


def _posted(claim: Mapping[str, Any], community: str | None) -> str:
    found = []
    if claim.get("author_id"):
        found.append(f"by {claim['author_id']}")
    if claim.get("posted_at_ms") is not None:
        found.append(f"on {datetime.fromtimestamp(claim['posted_at_ms'] / 1000, UTC):%Y-%m-%d %H:%M} UTC")
    if claim.get("lang"):
        found.append(f"in {claim['lang']}")
    if claim.get("event_id"):
        found.append(f"post {claim['event_id']}")
    if community:
        found.append(f"said mostly in {community}")
    return ", ".join(found)


def _spread(flag: Mapping[str, Any], spread: Mapping[str, Any]) -> str:
    people, events = spread["participants"], spread["events"]
    age = duration(flag["event_time_ms"] - spread["first_event_ms"])
    told = f"{people:,} people in {events:,} posts and reactions over {age}"
    if usual := spread.get("usual_participants"):
        told += f" (a story here usually has {usual:,.0f} people after its first hour)"
    told += f"; lately {spread['per_hour']:,.0f} an hour"
    if (expected := spread.get("expected_24h")) is not None:
        told += f", and about {expected:,.0f} more are expected within a day"
    return told


def _sides(flag: Mapping[str, Any]) -> str:
    return f"{flag['supports']:,} say it is so, {flag['denials']:,} say it is not, {flag['queries']:,} ask for proof"


def _risk(flag: Mapping[str, Any]) -> str:
    interval = _interval(flag, "risk")
    from_ = f"stories of this size are flagged from {flag['threshold']:.0%}"
    return f"{flag['risk']:.0%} likely to be false{interval}, by all signs together; {from_}"


def _score(flag: Mapping[str, Any]) -> str:
    if not flag.get("enough_evidence", True):
        return "too few people with a record took a side to tell by them alone"
    return f"{flag['score']:.0%} likely to be true{_interval(flag, 'score')}, by nothing but the sides that people take"


def _interval(flag: Mapping[str, Any], name: str) -> str:
    low, high = flag.get(f"{name}_low"), flag.get(f"{name}_high")
    return "" if low is None or high is None else f" (between {low:.0%} and {high:.0%})"
