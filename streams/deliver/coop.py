"""ROOST Coop: a claim is an item that rules can route, and a raised flag is a report on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from streams.deliver.flag_text import claim_of, comment, withdrawal
from streams.deliver.target import Flag, Request, Step, Target

REASON_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class Coop(Target):
    """An organisation's Coop.

    Attributes:
        item_type: id of the item type for claims.
        reporter_type, reporter: item type and id of the service user who reports for us.
        policy: id of the policy that reports name; "" for none.
        post_type: id of the item type of posts, so that the item links to the claim's first post; "" for no link.
        link: address of the query service; "" for no link.
    """

    NAME: ClassVar = "coop"
    item_type: str
    reporter_type: str = ""
    reporter: str = ""
    policy: str = ""
    post_type: str = ""
    link: str = ""

    def requests(self, flag: Flag, step: Step, seen: Any, remote_id: str) -> Sequence[Request]:
        """The claim as an item, always; and where a flag is raised, a report on it.

        Coop knows an item by its id and takes a newer state of it. A report has no id, so a repeat would count.
        """
        item = self.item(flag)
        sent = [Request("POST", "/api/v1/items/async/", {"items": [item]})]
        if step == Step.RAISE and self.reporter:
            sent.append(Request("POST", "/api/v1/report", self.report(flag, item), counts_twice=True))
        return sent

    def headers(self, request: Request, body: bytes, secret: str, now_s: float) -> Mapping[str, str]:
        """The organisation's API key."""
        return {"X-API-KEY": secret} if secret else {}

    def item(self, flag: Flag) -> dict[str, Any]:
        """The claim as it stands with this flag."""
        claim, spread = claim_of(flag), flag.get("spread") or {}
        standing = flag["action"] != "retract"
        data = {
            "flagId": flag["flag_id"],
            "revision": flag["revision"],
            "state": "standing" if standing else "withdrawn",
            "summary": comment(flag, REASON_CHARS, self.link) if standing else withdrawal(flag, REASON_CHARS),
            "label": flag["label"],
            "severity": flag["severity"],
            "priority": flag["priority"],
            "risk": flag["risk"],
            "score": flag["score"],
            "reasons": [str(reason.get("text") or reason["code"]) for reason in flag.get("reasons") or ()],
            "flaggedAt": _date(flag["detected_at_ms"]),
            "text": claim.get("text"),
            "url": claim.get("url"),
            "language": claim.get("lang"),
            "authorId": claim.get("author_id"),
            "postedAt": _date(claim.get("posted_at_ms")),
            "participants": spread.get("participants"),
            "perHour": spread.get("per_hour"),
            "supports": flag.get("supports"),
            "denials": flag.get("denials"),
            "wouldFall": flag.get("would_fall"),
            "appeal": flag.get("appeal"),
        }
        if self.post_type and claim.get("event_id"):
            data["post"] = {"id": claim["event_id"], "typeId": self.post_type}
        told = {name: value for name, value in data.items() if value is not None}
        return {"id": flag["subject"]["id"], "typeId": self.item_type, "data": told}

    def report(self, flag: Flag, item: Mapping[str, Any]) -> dict[str, Any]:
        """A report on the claim's item, by the service user."""
        reason = {"reason": comment(flag, REASON_CHARS, self.link), "csam": False}
        return {
            "reporter": {"kind": "user", "typeId": self.reporter_type, "id": self.reporter},
            "reportedAt": _date(flag["detected_at_ms"]),
            "reportedItem": dict(item),
            "reportedForReason": reason | ({"policyId": self.policy} if self.policy else {}),
            "reportedItemThread": [],
            "additionalItems": [],
        }


def _date(ms: int | None) -> str | None:
    """A time as ISO 8601 in UTC."""
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
