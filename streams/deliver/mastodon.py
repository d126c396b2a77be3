"""Mastodon: a report on the claim's first post, resolved when the flag is taken back.

A report has no id of ours, so a repeat would be one more to the moderators. Its comment ends with the flag's mark; with
the scope `admin:read:reports` we ask for it before anything is sent a second time, and `admin:write:reports` resolves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from streams.deliver.flag_text import claim_of, comment, mark
from streams.deliver.target import Flag, Request, Step, Target, UnfitError

COMMENT_CHARS = 1_000
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Mastodon(Target):
    """A Mastodon server.

    Attributes:
        rules: ids of the server's rules that are broken; without any the category is `other`.
        forward: whether the report also goes to the author's server.
        link: address of the query service; "" for no link.
    """

    NAME: ClassVar = "mastodon"
    UNASKED: ClassVar = {"statuses": [{"id": "(asked when it is sent)", "account": {"id": "(asked when it is sent)"}}]}
    rules: tuple[str, ...] = ()
    forward: bool = False
    link: str = ""

    def look_up(self, flag: Flag, step: Step, remote_id: str) -> Request | None:
        """The server's own id of the post, which only it knows; not needed for a report that is there."""
        if step == Step.UPDATE or remote_id:
            return None
        claim = claim_of(flag)
        for told in (str(claim.get("url") or ""), str(claim.get("event_id") or "")):
            if urlsplit(told).scheme in ("http", "https"):
                return Request("GET", f"/api/v2/search?type=statuses&resolve=true&limit=1&q={quote(told, safe='')}")
        return None

    def requests(self, flag: Flag, step: Step, seen: Any, remote_id: str) -> Sequence[Request]:
        """A report at the raise, its resolution at the retraction; a report cannot be changed in between."""
        if step == Step.RAISE:
            return [Request("POST", "/api/v1/reports", self.report(flag, *subject(flag, seen)), counts_twice=True)]
        if step == Step.TAKE_BACK and remote_id:
            return [Request("POST", f"/api/v1/admin/reports/{quote(remote_id, safe='')}/resolve")]
        return []

    def report(self, flag: Flag, account: str, status: str) -> dict[str, Any]:
        """The report on a post of an account, by the server's ids."""
        category = {"category": "violation", "rule_ids": list(self.rules)} if self.rules else {"category": "other"}
        return {
            "account_id": account,
            "status_ids": [status],
            "comment": comment(flag, COMMENT_CHARS, self.link),
            "forward": self.forward,
            **category,
        }

    def remote_id(self, body: Any) -> str:
        """The report's id."""
        return str(body["id"]) if isinstance(body, dict) and body.get("id") else ""

    def search(self, flag: Flag, seen: Any) -> Request | None:
        """The open reports on the account, for which the token must allow."""
        account, _ = subject(flag, seen)
        return Request("GET", f"/api/v1/admin/reports?target_account_id={quote(account, safe='')}&limit={_PAGE}")

    def found(self, flag: Flag, body: Any) -> str:
        """The report whose comment ends with the flag's mark."""
        for report in body if isinstance(body, list) else ():
            if isinstance(report, dict) and str(report.get("comment", "")).endswith(mark(flag)):
                return str(report["id"])
        return ""


def subject(flag: Flag, seen: Any) -> tuple[str, str]:
    """Account and post by the server's ids. Raises UnfitError where neither it nor the flag knows them."""
    claim = claim_of(flag)
    if seen is None and claim.get("author_id") and claim.get("event_id"):
        return str(claim["author_id"]), str(claim["event_id"])
    try:
        status = seen["statuses"][0]
        return str(status["account"]["id"]), str(status["id"])
    except (KeyError, IndexError, TypeError):
        raise UnfitError("the server does not find the claim's first post by its address") from None
