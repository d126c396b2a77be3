"""The query service as an OpenAPI 3.1 document, written from its routes and from the schemas of the records."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from streams.api.asked import BATCH_MAX, PAGE_MAX
from streams.api.problems import MEANINGS
from streams.api.store import CURSOR_PATTERN
from streams.contract import schemas
from streams.contract.records import ClaimScore, Community, Flag, SourceScore

_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
EXAMPLES = {"claims": "bridge-closed", "sources": "bo", "communities": "harbour-board"}
_RECORDS = {"Claim": ClaimScore, "Source": SourceScore, "Community": Community}
_WORDS = {
    "enough_evidence": {"type": "boolean", "description": "Whether people should be shown the figure at all."},
    "assessment": {"type": "string", "description": "The record in a few words; never a figure on little evidence."},
}


# What may be wrong with any request, and with those of a route of this name beside.
_ALWAYS = (400, 405, 414, 417, 431, 500)
_GUARDED = (401, 403, 429)
_NAMED = (404, 503)
_BATCH = (408, 413, 415, 501, 503)
_REFUSALS = {
    "claims": _NAMED,
    "explanations": _NAMED,
    "sources": _NAMED,
    "communities": _NAMED,
    "claims-batch": _BATCH,
    "sources-batch": _BATCH,
    "healthz": (503,),
    "readyz": (503,),
}
_HEADERS = {
    "401": "WWW-Authenticate",
    "405": "Allow",
    "415": "Accept-Encoding",
    "429": "Retry-After",
    "503": "Retry-After",
}


def document(routes: Iterable[tuple[str, str, str, str, str | None]]) -> dict[str, Any]:
    """The document, JSON-able.

    Args:
        routes: method, path, name, sentence and scope of each.
    """
    paths: dict[str, Any] = {}
    for method, path, name, sentence, scope in routes:
        ids = [_id(each, path) for each in re.findall(r"{(\w+)}", path)]
        said = _operation(name, sentence, ids) | _security(scope)
        said["responses"] |= _refused(_GUARDED) if scope else {}
        paths.setdefault(path, {})[method.lower()] = said
        if method == "GET":
            paths[path]["head"] = _bodiless(said, "The headers of the GET answer alone.")
        paths[path].setdefault("options", _options(name, ids))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Credence", "version": "1", "description": "Trust scores of claims and sources, and flags."},
        "paths": paths,
        "components": {
            "schemas": _components(),
            "responses": {status: _refusal(status) for status in map(str, MEANINGS)},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A line of the service's file of tokens."}
            },
        },
    }


def _operation(name: str, sentence: str, ids: list[dict[str, Any]]) -> dict[str, Any]:
    kind, schema = _answers().get(name, ("application/json", {"type": "object"}))
    found: dict[str, Any] = {
        "operationId": name,
        "summary": sentence,
        "parameters": ids,
        "responses": {"200": {"description": sentence, "content": {kind: {"schema": schema}}}} | _refusals(name),
    }
    if name == "flags":
        found["parameters"] = [
            _parameter("min_priority", "The least priority that is wanted.", _whole(0, 100, 0)),
            _parameter("limit", "Flags on a page.", _whole(1, PAGE_MAX, 100)),
            _parameter("cursor", "`next_cursor` of the last page.", {"type": "string", "pattern": CURSOR_PATTERN}),
        ]
    if name.endswith("-batch"):
        wanted = _list(_TEXT) | {"maxItems": BATCH_MAX, "description": "What is asked for; each is answered once."}
        example = {"ids": [EXAMPLES[name.removesuffix("-batch")], "unheard-of"]}
        found["requestBody"] = {
            "description": "The ids, plain or with `Content-Encoding: gzip`; 2 MiB at most, also unpacked.",
            "required": True,
            "content": {"application/json": {"schema": _object({"ids": wanted}), "example": example}},
        }
    return found


def _security(scope: str | None) -> dict[str, Any]:
    """Who may ask. Reading takes a token only where tokens are set up; a scope is told as a role."""
    if scope is None:
        return {"security": []}
    return {"security": [*([{}] if scope == "read" else []), {"token": [scope]}]}


def _bodiless(operation: dict[str, Any], sentence: str) -> dict[str, Any]:
    """The operation as HEAD answers it: the same, without content."""
    refused = [each for each in operation["responses"] if each != "200"]
    bodiless = {"200": {"description": sentence}} | {each: {"description": MEANINGS[int(each)]} for each in refused}
    return operation | {"operationId": f"{operation['operationId']}-head", "summary": sentence, "responses": bodiless}


def _options(name: str, ids: list[dict[str, Any]]) -> dict[str, Any]:
    sentence = "The methods of this path, in `Allow`."
    allowed: dict[str, Any] = {
        "description": sentence,
        "headers": {"Allow": {"schema": _TEXT, "description": "The methods."}},
    }
    return {
        "operationId": f"{name}-options",
        "summary": sentence,
        "parameters": ids,
        "responses": {"204": allowed, **_refusals(name, own=False)},
    }


def _refusals(name: str, own: bool = True) -> dict[str, Any]:
    return _refused({*_ALWAYS, *(_REFUSALS.get(name, ()) if own else ())})


def _refused(statuses: Iterable[int]) -> dict[str, Any]:
    return {status: _ref(status, "responses") for status in map(str, sorted(statuses))}


def _refusal(status: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "description": MEANINGS[int(status)],
        "content": {"application/problem+json": {"schema": _ref("Problem")}},
    }
    if header := _HEADERS.get(status):
        found["headers"] = {header: {"schema": _TEXT, "description": MEANINGS[int(status)]}}
    return found


def _answers() -> dict[str, tuple[str, dict[str, Any]]]:
    """Media type and schema of each route's answer, by its name."""
    unknown = {"unknown": {"type": "array", "items": _TEXT}}
    json = {
        "claims": _ref("Claim"),
        "sources": _ref("Source"),
        "communities": _ref("Community"),
        "explanations": _ref("Explanation"),
        "claims-batch": _object({"claims": _list(_ref("Claim"))} | unknown),
        "sources-batch": _object({"sources": _list(_ref("Source"))} | unknown),
        "flags": _object({"flags": _list(_ref("Flag")), "next_cursor": {"type": ["string", "null"]}}),
        "healthz": _object({"status": _TEXT}),
        "readyz": _object({"status": _TEXT, "behind_s": _NUMBER}),
    }
    return {name: ("application/json", schema) for name, schema in json.items()} | {"metrics": ("text/plain", _TEXT)}


def _components() -> dict[str, Any]:
    reason = {"code": _TEXT, "text": _TEXT, "weight": _NUMBER, "evidence_ids": _list(_TEXT)}
    sum_ = _object({"value": _NUMBER, "log_odds": _NUMBER, "reasons": _list(_object(reason))})
    problem = {
        "type": _TEXT | {"description": "Always about:blank: the status says the kind."},
        "title": _TEXT | {"description": "The status in words."},
        "status": {"type": "integer", "description": "The status."},
        "detail": _TEXT | {"description": "What is wrong, for a person."},
    }
    path = {"instance": _TEXT | {"description": "The path that was asked for, where a request was understood."}}
    found = {name: {"allOf": [_plain(record), _object(_WORDS)]} for name, record in _RECORDS.items()}
    return found | {
        "Flag": _plain(Flag),
        "Explanation": _object({"claim_id": _TEXT, "score": sum_, "risk": sum_}),
        "Problem": _object(problem) | {"properties": problem | path},
    }


def _plain(record: Any) -> dict[str, Any]:
    return {key: value for key, value in schemas.schema_of(record).items() if not key.startswith("$")}


def _id(name: str, path: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": _TEXT | {"minLength": 1},
        "description": "The id, percent-encoded.",
        "example": EXAMPLES[path.split("/")[2]],
    }


def _parameter(name: str, sentence: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": sentence}


def _whole(least: int, most: int, default: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most, "default": default}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _ref(name: str, kind: str = "schemas") -> dict[str, Any]:
    return {"$ref": f"#/components/{kind}/{name}"}
