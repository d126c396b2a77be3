"""What a target is: which requests it is sent about a flag, and how its answers read. Nothing here sends anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any, ClassVar

Flag = Mapping[str, Any]
"""A flag record (`streams.contract.flag_record`) as JSON gives it."""


class Step(StrEnum):
    """What a flag record asks for at a target."""

    RAISE = "raise"
    UPDATE = "update"
    TAKE_BACK = "take-back"


class Outcome(StrEnum):
    """How an answer reads."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    LATER = "later"
    DENIED = "denied"
    """The target does not let us in, or is elsewhere: no flag is at fault, and all of them wait."""
    UNKNOWN = "unknown"
    """No answer was read. The target may have acted on the request."""


class UnfitError(Exception):
    """The flag cannot be put in the target's words. The message says what is missing."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a target.

    Attributes:
        method: of HTTP; PUBLISH for a record on a topic.
        path: appended to the target's address; of a record: its topic.
        body: JSON value; None for none.
        key: of a record.
        counts_twice: whether a repeat would be one more to the target.
    """

    method: str
    path: str
    body: Any = None
    key: str = ""
    counts_twice: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it reads.

    Attributes:
        detail: the target's words, for a person.
        remote_id: what the target calls what it has taken.
        retry_after_s: how long the target wants to be left alone.
        away: whether the target is away or busy, so that it says nothing about the flag.
        gone: whether the target says that there is no such thing.
        body: what was answered.
    """

    outcome: Outcome
    detail: str = ""
    remote_id: str = ""
    retry_after_s: float | None = None
    away: bool = False
    gone: bool = False
    body: Any = None


class Target:
    """What all targets have in common; each overrides what is particular to it.

    Attributes:
        NAME: as in `credence deliver NAME`.
        EVERY_REVISION: whether each record of a flag is sent; else of a backlog the newest alone.
        UNASKED: stands for the answer to `look_up` where nothing is asked, as in a dry run.
    """

    NAME: ClassVar[str]
    EVERY_REVISION: ClassVar[bool] = False
    UNASKED: ClassVar[Any] = None

    def look_up(self, flag: Flag, step: Step, remote_id: str) -> Request | None:
        """What must be asked before the step can be put in the target's words; None: nothing.

        Raises UnfitError as `requests` does.
        """
        return None

    def requests(self, flag: Flag, step: Step, seen: Any, remote_id: str) -> Sequence[Request]:
        """What the target is sent about a flag, in order.

        Args:
            flag: the flag record.
            step: what it asks for.
            seen: the answer to `look_up`.
            remote_id: what the target calls the flag, if it told.

        Raises UnfitError where the flag lacks what the target needs.
        """
        raise NotImplementedError

    def headers(self, request: Request, body: bytes, secret: str, now_s: float) -> Mapping[str, str]:
        """Header fields of a request: who we are, and proof of it.

        Args:
            request: what is sent.
            body: its bytes.
            secret: key, token or password of the settings; "" for none.
            now_s: seconds since 1970.
        """
        return {"Authorization": f"Bearer {secret}"} if secret else {}

    def remote_id(self, body: Any) -> str:
        """What the target calls what it has just taken; "" where it does not tell."""
        return ""

    def outcome(self, request: Request, status: int, body: Any) -> Outcome:
        """How an answer reads, by its status and body."""
        return by_status(status)

    def search(self, flag: Flag, seen: Any) -> Request | None:
        """How to ask whether the flag has arrived; None where the target cannot be asked."""
        return None

    def found(self, flag: Flag, body: Any) -> str:
        """What the target calls the flag, from the answer to `search`; "" where it has none."""
        return ""


_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_DENIED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)


def by_status(status: int) -> Outcome:
    """How an answer reads by its HTTP status alone.

    A redirect is DENIED as a wrong key is: the address in the settings is wrong, and no flag can help it.
    """
    if status < 300:
        return Outcome.ACCEPTED
    if status in _LATER or status >= 500:
        return Outcome.LATER
    return Outcome.DENIED if status in _DENIED or status < 400 else Outcome.REFUSED


def reference(flag: Flag) -> str:
    """Names a flag record once and for all; targets that know it drop repeats."""
    return f"{flag['flag_id']}:{flag['revision']}"
