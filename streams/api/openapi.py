"""The query service as an OpenAPI 3.1 document, written from its routes and from the schemas of the records.

``python -m streams.api.openapi`` writes it to docs/openapi.json; a test fails when it is not as the routes are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson

from streams.api.forms import KEY_HEADER, KEY_PATTERN
from streams.api.openapi_schemas import EXAMPLES, answers, bodies, components, ref
from streams.api.problems import MEANINGS
from streams.api.route import Route

PATH = Path(__file__).parents[2] / "docs" / "openapi.json"
_TEXT = {"type": "string"}
# What may be wrong with any request, with those that need a scope beside, and with those of a route of this name.
_ALWAYS = (400, 405, 414, 417, 431, 500)
_GUARDED = (401, 403, 429, 503)
_BATCH = (408, 413, 415, 501)
_NAMED = {"healthz": (503,), "readyz": (503,), "coop-callbacks": (401, 404, 503)}
_HEADERS = {
    "401": "WWW-Authenticate",
    "405": "Allow",
    "415": "Accept-Encoding",
    "429": "Retry-After",
    "503": "Retry-After",
}
_SENT = {
    "ETag": "Weak tag of the answer; sent back as `If-None-Match` it gets 304 while nothing has changed.",
    "Cache-Control": "A second old at most, thirty while it is asked for anew (RFC 5861).",
    "Credence-Lag-Ms": "How old the answer is: for how long input or scores may have waited, ms.",
    "RateLimit": "What is left to this caller, and when all is there again (draft-ietf-httpapi-ratelimit-headers-10).",
    "RateLimit-Policy": "How many requests in how many seconds.",
}
_ALSO = {"rulings": ("201", "202"), "decisions": ("201",)}
_DONE = {
    "201": "It is written, and counts.",
    "202": "It is written, and no worker has taken it in yet: it counts once one has.",
}
_IDEMPOTENCY = {
    "name": KEY_HEADER,
    "in": "header",
    "required": False,
    "description": "Tells a repetition of this request from another one: the same key does nothing twice.",
    "schema": {"type": "string", "pattern": KEY_PATTERN},
    "example": "3f0e5c1a",
}
_NOT_MODIFIED = {"description": "What `If-None-Match` names is still the answer."}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The document, JSON-able."""
    paths: dict[str, Any] = {}
    for route in routes:
        ids = [_id(each, route.path) for each in re.findall(r"{(\w+)}", route.path)]
        said = _operation(route, ids)
        here = paths.setdefault(route.path, {})
        here[route.method.lower()] = said
        if route.method == "GET":
            here["head"] = _bodiless(said, "The headers of the GET answer alone.")
    for path, here in paths.items():
        here["options"] = _options([route for route in routes if route.path == path], here)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Credence",
            "version": "1",
            "summary": "Trust scores of claims and sources, and flags.",
            "description": "Scores are intervals. On little evidence the figure is null and the words say so. Whatever "
            "is not to be had is problem+json (RFC 9457).",
            "license": {"name": "See the repository", "identifier": "LicenseRef-Credence"},
        },
        "servers": [
            {"url": "/", "description": "The service that this document came from."},
            {"url": "http://localhost:8080", "description": "`credence api` as it is."},
        ],
        "paths": paths,
        "components": {
            "schemas": components(),
            "responses": {status: _refusal(status) for status in map(str, MEANINGS)},
            "headers": {name: {"description": doc, "schema": _TEXT} for name, doc in _SENT.items()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token of `credence api token`."}
            },
        },
    }


def _operation(route: Route, ids: list[dict[str, Any]]) -> dict[str, Any]:
    kind, schema, example = answers(route.name)
    content = {kind: {"schema": schema} | ({} if example is None else {"example": example})}
    found: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.sentence,
        "parameters": [*ids, *(parameter.described() for parameter in route.parameters)],
        "responses": {"200": {"description": route.sentence, "content": content}, **_refusals(route)},
        **_security(route.scope),
    }
    if route.scope is not None and route.name != "changes":
        left_out = ("ETag",) if route.method == "POST" else ()
        found["responses"]["200"]["headers"] = {name: ref(name, "headers") for name in _SENT if name not in left_out}
        if route.method == "GET":
            found["responses"]["304"] = _NOT_MODIFIED
    for status in _ALSO.get(route.name, ()):
        found["responses"][status] = found["responses"]["200"] | {"description": _DONE[status]}
    if route.scope == "rule":
        for status in {"200", "201", "202"} & found["responses"].keys():
            limits = {name: ref(name, "headers") for name in ("RateLimit", "RateLimit-Policy")}
            found["responses"][status] = found["responses"][status] | {"headers": limits}
        found["parameters"].append(_IDEMPOTENCY)
    if route.name == "decisions":
        del found["responses"]["200"]
    if body := bodies(route.name):
        found["requestBody"] = body
    return found


def _security(scope: str | None) -> dict[str, Any]:
    """Who may ask. Reading takes a token only where tokens are set up; a scope is told as a role."""
    if scope is None:
        return {"security": []}
    return {"security": [*([{}] if scope == "read" else []), {"token": [scope]}]}


def _bodiless(operation: dict[str, Any], sentence: str) -> dict[str, Any]:
    """The operation as HEAD answers it: the same, without content."""
    refused = [each for each in operation["responses"] if each not in ("200", "304")]
    bodiless = {"200": {"description": sentence}} | {each: {"description": MEANINGS[int(each)]} for each in refused}
    bodiless |= {"304": _NOT_MODIFIED} if "304" in operation["responses"] else {}
    return operation | {"operationId": f"{operation['operationId']}-head", "summary": sentence, "responses": bodiless}


def _options(here: Sequence[Route], operations: dict[str, Any]) -> dict[str, Any]:
    sentence = "The methods of this path, in `Allow`."
    allowed: dict[str, Any] = {
        "description": sentence,
        "headers": {"Allow": {"schema": _TEXT, "description": "The methods."}},
    }
    parameters = operations[here[0].method.lower()]["parameters"]
    return {
        "operationId": f"{here[0].name}-options",
        "summary": sentence,
        "parameters": [each for each in parameters if each["in"] == "path"],
        "responses": {"204": allowed, **_refused(_ALWAYS)},
        "security": [],
    }


def _refusals(route: Route) -> dict[str, Any]:
    statuses = {*_ALWAYS, *_NAMED.get(route.name, ())}
    if route.scope is not None:
        statuses |= {*_GUARDED}
    if "{" in route.path:
        statuses.add(404)
    if route.method == "POST":
        statuses |= {*_BATCH}
    if route.name == "changes":
        statuses.add(410)
    if route.scope == "rule":
        statuses |= {404, 409, 422}
    return _refused(statuses)


def _refused(statuses: Iterable[int]) -> dict[str, Any]:
    return {status: ref(status, "responses") for status in map(str, sorted(statuses))}


def _refusal(status: str) -> dict[str, Any]:
    example = {
        "type": "about:blank",
        "title": HTTPStatus(int(status)).phrase,
        "status": int(status),
        "detail": MEANINGS[int(status)],
        "instance": "/v1/claims/bridge-closed",
    }
    found: dict[str, Any] = {
        "description": MEANINGS[int(status)],
        "content": {"application/problem+json": {"schema": ref("Problem"), "example": example}},
    }
    if header := _HEADERS.get(status):
        found["headers"] = {header: {"schema": _TEXT, "description": MEANINGS[int(status)]}}
    return found


def _id(name: str, path: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": _TEXT | {"minLength": 1},
        "description": "The id, percent-encoded.",
        "example": EXAMPLES[path.split("/")[2]],
    }


def written() -> bytes:
    """The document as it must stand in the file."""
    from streams.api.routes import ROUTES

    return orjson.dumps(document(ROUTES), option=orjson.OPT_INDENT_2) + b"\n"


if __name__ == "__main__":
    PATH.write_bytes(written())
