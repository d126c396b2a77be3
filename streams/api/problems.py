"""Answers that are not what was asked for, as problem+json (RFC 9457), whoever finds the fault."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Middleware

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# What each status means here; the OpenAPI document says the same.
MEANINGS = {
    400: "The request makes no sense, or is not HTTP; `detail` says what is wrong with it.",
    401: "A token is needed, or the one sent is unknown, was taken back or has ended; `WWW-Authenticate` says how.",
    403: "The token has no scope for this, or no tokens are set up.",
    404: "Nothing of this name is known.",
    405: "The path has no such method; `Allow` names those that it has.",
    408: "The request did not come to its end in time.",
    409: "It does not count as things stand: nothing to withdraw, or refused by the worker; `detail` says which.",
    410: "What a change feed was to go on from is gone; begin without it.",
    413: "The body is too large, as sent or unpacked.",
    414: "The path and query are too long.",
    415: "The body is packed in a way that is not understood; `Accept-Encoding` names those that are.",
    417: "The request expects something that is not done here.",
    422: "`Idempotency-Key` came before with other content.",
    429: "Too many requests of one caller; `Retry-After` says when to go on.",
    431: "The header fields are too long, or too many.",
    500: "The service failed, and its log says why.",
    501: "The body is transferred in a way that is not understood.",
    503: "Not now: `detail` says why, and `Retry-After` when to ask again.",
}


class Problem(Exception):
    """An answer that is not what was asked for.

    Args:
        status: of HTTP.
        detail: what is wrong, for a person.
        headers: further ones of the answer.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}


def answer(problem: Problem, instance: str | None = None) -> web.Response:
    """The problem as a response; `instance` is the path that was asked for, where there is one."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if instance is not None:
        body["instance"] = instance
    return json_answer(body, problem.status, "application/problem+json", problem.headers)


def json_answer(
    value: Any, status: int = 200, kind: str = "application/json", headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON value as a response, never to be kept by whoever passes it on."""
    return web.Response(
        body=orjson.dumps(value),
        status=status,
        content_type=kind,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def of_http(error: web.HTTPException, request: web.BaseRequest) -> Problem:
    """What aiohttp refused by itself."""
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    if error.status == 417:
        return Problem(417, "of what a request may expect, only 100-continue is done here")
    return Problem(error.status, f"{request.method} {request.rel_url.raw_path} is not served", headers)


def problems(told: Callable[[Problem, web.Request], web.Response]) -> Middleware:
    """Turns what is raised into its answer."""

    @web.middleware
    async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Problem as raised:
            problem = raised
        except ConnectionError:
            raise  # whoever asked is gone
        except web.HTTPException as error:
            problem = of_http(error, request)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            problem = Problem(500, "the request failed; the log of the service says why")
        return told(problem, request)

    return answering
