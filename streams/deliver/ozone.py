"""Ozone, the labelling service of the AT protocol: events on the claim's first post, through `emitEvent`.

Each event carries the flag record's reference as `externalId`: a repeat of it is answered DuplicateExternalId. A public
label is an event of its own that an operator must ask for: a flag is for a person to look at, a label is for everybody.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from streams.contract.words import Severity
from streams.deliver.flag_text import claim_of, comment, withdrawal
from streams.deliver.target import Flag, Outcome, Request, Step, Target, UnfitError, by_status, reference

EVENTS = ("report", "tag", "priority", "label")
"""What can be sent, in the order in which it is."""
COMMENT_CHARS = 2_000
EMIT = "/xrpc/tools.ozone.moderation.emitEvent"
RECORD = "/xrpc/tools.ozone.moderation.getRecord"
_TYPE = "tools.ozone.moderation.defs#modEvent"
_MISLEADING = "com.atproto.moderation.defs#reasonMisleading"
_REPEATED = "DuplicateExternalId"
_LOG_IN_AGAIN = ("ExpiredToken", "InvalidToken", "AuthMissing")
_HOUR_MS = 3_600_000
_ADDRESS = re.compile(r"at://[^/\s#?]+/[\w.-]+/[\w.:~-]+")


@dataclass(frozen=True, slots=True)
class Ozone(Target):
    """A labelling service.

    Attributes:
        did: of the labeller's account; it is named as who made the events.
        events: which of EVENTS are sent.
        proxy: whom a personal data server passes requests on to, such as `did:plc:…#atproto_labeler`; "" for nobody.
        user: name for a password; "" where the secret is a token.
        link: address of the query service; "" for no link.
    """

    NAME: ClassVar = "ozone"
    UNASKED: ClassVar = {"cid": "(asked when it is sent)"}
    did: str
    events: tuple[str, ...] = EVENTS[:3]
    proxy: str = ""
    user: str = ""
    link: str = ""

    def look_up(self, flag: Flag, step: Step, remote_id: str) -> Request | None:
        """The post's record: an event names the version of the post that it is about."""
        return Request("GET", f"{RECORD}?uri={quote(address(flag), safe='')}")

    def requests(self, flag: Flag, step: Step, seen: Any, remote_id: str) -> Sequence[Request]:
        """One request for each event."""
        cid = seen.get("cid") if isinstance(seen, dict) else None
        if not cid:
            raise UnfitError("the labelling service knows no record of the claim's first post")
        subject = {"$type": "com.atproto.repo.strongRef", "uri": address(flag), "cid": str(cid)}
        return [
            Request("POST", EMIT, self._emitted(flag, event, subject))
            for name in EVENTS
            if name in self.events and (event := self.event(flag, step, name)) is not None
        ]

    def event(self, flag: Flag, step: Step, name: str) -> dict[str, Any] | None:
        """One of EVENTS at this step; None where the step has none."""
        told, over = flag["label"], step == Step.TAKE_BACK
        if name == "report":
            if step != Step.RAISE:
                return None
            return _event("Report", comment=comment(flag, COMMENT_CHARS, self.link), reportType=_MISLEADING)
        if name == "tag":
            own = [f"credence:{told}", f"credence:severity-{flag['severity']}"]
            steps = [f"credence:severity-{severity}" for severity in Severity]
            if over:
                return _event("Tag", add=[], remove=[own[0], *steps], comment=withdrawal(flag, COMMENT_CHARS))
            return _event("Tag", add=own, remove=[tag for tag in steps if tag not in own])
        if name == "priority":
            why = withdrawal(flag, COMMENT_CHARS) if over else f"risk {flag['risk']:.2f}, {flag['severity']}"
            return _event("PriorityScore", score=0 if over else flag["priority"], comment=why)
        if over:
            return _event("Label", createLabelVals=[], negateLabelVals=[told])
        # It ends by itself where nobody renews it.
        return _event("Label", createLabelVals=[told], negateLabelVals=[], **_duration(flag))

    def _emitted(self, flag: Flag, event: dict[str, Any], subject: dict[str, str]) -> dict[str, Any]:
        about = ("flag_id", "revision", "rule_id", "risk", "score_version")
        return {
            "event": event,
            "subject": subject,
            "createdBy": self.did,
            "modTool": {"name": "credence", "meta": {name: flag[name] for name in about}},
            "externalId": reference(flag),
        }

    def headers(self, request: Request, body: bytes, secret: str, now_s: float) -> Mapping[str, str]:
        """A token, or a name and password; and whom to pass it on to."""
        told = {"atproto-proxy": self.proxy} if self.proxy else {}
        if not secret:
            return told
        if self.user:
            pair = base64.b64encode(f"{self.user}:{secret}".encode()).decode()
            return told | {"Authorization": f"Basic {pair}"}
        return told | {"Authorization": f"Bearer {secret}"}

    def outcome(self, request: Request, status: int, body: Any) -> Outcome:
        """A repeat has been taken before; an old token is no fault of the flag."""
        error = body.get("error") if isinstance(body, dict) else None
        if error == _REPEATED:
            return Outcome.ACCEPTED
        return Outcome.DENIED if error in _LOG_IN_AGAIN else by_status(status)


def address(flag: Flag) -> str:
    """The at:// address of the claim's first post. Raises UnfitError where the flag has none."""
    claim = claim_of(flag)
    for told in (claim.get("event_id"), claim.get("url"), flag["subject"]["id"]):
        if (found := _ADDRESS.match(str(told or ""))) is not None:
            return found[0]
    raise UnfitError("the claim's first post has no at:// address, in its id or its url")


def _event(name: str, **fields: Any) -> dict[str, Any]:
    return {"$type": _TYPE + name, **fields}


def _duration(flag: Flag) -> dict[str, int]:
    if (expires := flag.get("expires_at_ms")) is None:
        return {}
    return {"durationInHours": max(1, math.ceil((expires - flag["detected_at_ms"]) / _HOUR_MS))}
