"""Small servers that stand for moderation tools: each checks the fields that its documentation lists, and counts.

What a server does with a request can be told beforehand: refuse it, say that it is busy, hang, or act on it and then
drop the connection.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from streams.deliver.webhook import signature

SECRET = "s3cret"
REPEATED = {"error": "DuplicateExternalId"}
DROP, HANG = "drop", "hang"
"""Act on the request, then close the connection, or never answer."""


class Server:
    """A server that counts what it takes. `plan` says what becomes of the next requests; each of it is used once.

    Attributes:
        plan: a status to answer with instead of acting; or DROP, or HANG. With a Retry-After it is a pair.
        faults: what was wrong with requests that no server should get.
        tries: requests so far, also those refused.
        struck: called when a request has been acted on and before it is answered.
    """

    def __init__(self, *plan: Any) -> None:
        self.plan = deque(plan)
        self.faults: list[str] = []
        self.tries = 0
        self.struck: Callable[[], Awaitable[None]] | None = None
        self.url = ""

    def act(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        """What the server does with a request: status and answer."""
        raise NotImplementedError

    def reads(self, request: web.Request) -> bool:
        """Whether a request only asks; the plan is about the others."""
        return request.method == "GET"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Follow the plan, or act."""
        raw = await request.read()
        plan = None if self.reads(request) or not self.plan else self.plan.popleft()
        self.tries += 1
        status, *after = plan if isinstance(plan, tuple) else (plan,)
        if isinstance(status, int):
            return web.Response(status=status, headers={"Retry-After": after[0]} if after else {}, text="as planned")
        code, body = self.act(request, orjson.loads(raw) if raw else None, raw)
        if code >= 400 and body != REPEATED:
            self.faults.append(f"{request.method} {request.path}: {code} {body}")
        if self.struck is not None and not self.reads(request):
            await self.struck()
        if plan == HANG:
            await asyncio.sleep(3600)
        if plan == DROP and request.transport is not None:
            request.transport.abort()
        return web.json_response(body, status=code)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Server]:
        """Listen on any port while the block runs."""
        app = web.Application(client_max_size=1 << 22)
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()


def lacking(body: Any, *fields: str) -> list[str]:
    """Those of these fields that a JSON object has not."""
    return [field for field in fields if not isinstance(body, dict) or body.get(field) in (None, "")]


class CoopServer(Server):
    """Items by id, and reports, of which each counts."""

    def __init__(self, *plan: Any) -> None:
        super().__init__(*plan)
        self.items: dict[str, Any] = {}
        self.reports: list[Any] = []

    def act(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        if request.headers.get("X-API-KEY") != SECRET:
            return 401, {"errors": ["no such key"]}
        if request.path == "/api/v1/items/async/":
            for item in body["items"]:
                if missing := lacking(item, "id", "typeId", "data"):
                    return 400, {"errors": missing}
                self.items[item["id"]] = item["data"]
            return 202, {}
        if request.path != "/api/v1/report":
            return 404, {}
        reason = body.get("reportedForReason")
        missing = lacking(body, "reporter", "reportedAt", "reportedItem", "reportedForReason")
        missing += lacking(body["reporter"], "kind", "typeId", "id") + lacking(body["reportedItem"], "id", "typeId")
        missing += lacking(reason, "reason")
        if missing or body["reporter"]["kind"] != "user" or not isinstance(reason.get("csam"), bool):
            return 400, {"errors": missing}
        self.reports.append(body)
        return 201, {}


class OzoneServer(Server):
    """Events on records; one of the same type, subject and external id is not taken twice."""

    CID = "bafyreibjifzpqj6o6wcq3hejh7y4z4z2vmiklkvykc57tw3pcbx3kxifpm"

    def __init__(self, *plan: Any) -> None:
        super().__init__(*plan)
        self.events: dict[tuple[str, str, str], Any] = {}
        self.repeats = 0
        self.labels: dict[str, set[str]] = {}

    def act(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        pair = base64.b64encode(f"admin:{SECRET}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {pair}":
            return 401, {"error": "AuthMissing"}
        if request.path == "/xrpc/tools.ozone.moderation.getRecord":
            return 200, {"uri": request.query["uri"], "cid": self.CID}
        if request.path != "/xrpc/tools.ozone.moderation.emitEvent":
            return 501, {"error": "MethodNotImplemented"}
        event, subject = body.get("event", {}), body.get("subject", {})
        wanted = {
            "modEventReport": ("reportType",),
            "modEventTag": (),
            "modEventPriorityScore": (),
            "modEventLabel": (),
        }
        kind = str(event.get("$type", "")).removeprefix("tools.ozone.moderation.defs#")
        missing = lacking(body, "event", "subject", "createdBy") + lacking(subject, "$type", "uri", "cid")
        if missing or kind not in wanted or lacking(event, *wanted[kind]) or subject["cid"] != self.CID:
            return 400, {"error": "InvalidRequest", "message": f"{kind} {missing}"}
        if kind == "modEventPriorityScore" and not 0 <= event["score"] <= 100:
            return 400, {"error": "InvalidRequest", "message": "score"}
        key = (kind, body["externalId"], subject["uri"])
        if key in self.events:
            self.repeats += 1
            return 400, REPEATED
        self.events[key] = body
        if kind == "modEventLabel":
            there = self.labels.setdefault(subject["uri"], set())
            there |= set(event["createLabelVals"])
            there -= set(event["negateLabelVals"])
        return 200, {"id": len(self.events)}


class MastodonServer(Server):
    """Reports, of which each counts; an administrator's token may list and resolve them, unless `plain`."""

    def __init__(self, *plan: Any, plain: bool = False) -> None:
        super().__init__(*plan)
        self.plain = plain
        self.reports: dict[str, Any] = {}
        self.resolved: set[str] = set()

    def act(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        if request.headers.get("Authorization") != f"Bearer {SECRET}":
            return 401, {"error": "The access token is invalid"}
        if request.path == "/api/v2/search":
            number = request.query["q"].rsplit("/", 1)[1]
            return 200, {"accounts": [], "hashtags": [], "statuses": [{"id": number, "account": {"id": "7"}}]}
        if request.path == "/api/v1/reports":
            known = {"account_id", "status_ids", "comment", "forward", "category", "rule_ids"}
            if lacking(body, "account_id") or len(body.get("comment", "")) > 1000 or body.keys() - known:
                return 422, {"error": "Validation failed"}
            if body["category"] not in ("spam", "legal", "violation", "other"):
                return 422, {"error": "Validation failed: category"}
            id_ = str(len(self.reports) + 1)
            self.reports[id_] = body
            return 200, {"id": id_, "action_taken": False}
        if self.plain:
            return 403, {"error": "This action is outside the authorized scopes"}
        if request.path == "/api/v1/admin/reports":
            open_ = [(id_, body) for id_, body in self.reports.items() if id_ not in self.resolved]
            wanted = request.query["target_account_id"]
            return 200, [{"id": i, "comment": b["comment"]} for i, b in open_ if b["account_id"] == wanted]
        id_ = request.path.removeprefix("/api/v1/admin/reports/").removesuffix("/resolve")
        if id_ not in self.reports:
            return 404, {"error": "Record not found"}
        self.resolved.add(id_)
        return 200, {"id": id_, "action_taken": True}


class Inbox(Server):
    """An inbox of the fediverse: takes signed activities, each id once."""

    def __init__(self, key: rsa.RSAPublicKey, *plan: Any) -> None:
        super().__init__(*plan)
        self._key = key
        self.standing: dict[str, Any] = {}
        self.taken: set[str] = set()

    def act(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        told = dict(part.split("=", 1) for part in request.headers["Signature"].split(","))
        told = {name: value.strip('"') for name, value in told.items()}
        lines = {"(request-target)": f"post {request.path}"}
        signed = [f"{name}: {lines.get(name) or request.headers[name]}" for name in told["headers"].split()]
        made = base64.b64decode(told["signature"])
        self._key.verify(made, "\n".join(signed).encode(), padding.PKCS1v15(), hashes.SHA256())
        digest = base64.b64encode(hashlib.sha256(raw).digest()).decode()
        if request.headers["Digest"] != f"SHA-256={digest}" or "digest" not in told["headers"]:
            return 401, {}
        if lacking(body, "@context", "id", "type", "actor", "object") or body["type"] not in ("Flag", "Undo"):
            return 400, {}
        if body["id"] not in self.taken:
            self.taken.add(body["id"])
            if body["type"] == "Flag":
                self.standing[body["id"]] = body
            else:
                del self.standing[body["object"]["id"]]
        return 202, {}


class Hook(Server):
    """A service that takes signed records, each id once."""

    def __init__(self, *plan: Any) -> None:
        super().__init__(*plan)
        self.taken: dict[str, Any] = {}
        self.order: list[tuple[str, int]] = []

    def act(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        id_, at = request.headers["Webhook-Id"], request.headers["Webhook-Timestamp"]
        if request.headers["Webhook-Signature"] != "v1," + signature(SECRET, id_, at, raw):
            return 401, {}
        if lacking(body, "id", "type", "flag") or body["id"] != id_:
            return 400, {}
        if id_ not in self.taken:
            self.taken[id_] = body
            self.order.append((body["flag"]["flag_id"], body["flag"]["revision"]))
        return 200, {}
