"""The query service as an OpenAPI 3.1 document, written from its routes and from the schemas of the records."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from streams import schemas
from streams.events import CLAIM_SCORE, COMMUNITY, FLAG, SOURCE_SCORE

IDS_MAX = 1_000
_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_RECORDS = {"Claim": CLAIM_SCORE, "Source": SOURCE_SCORE, "Community": COMMUNITY}
_WORDS = {
    "enough_evidence": {"type": "boolean", "description": "Whether people should be shown the figure at all."},
    "assessment": {"type": "string", "description": "The record in a few words; never a figure on little evidence."},
}


def document(routes: Iterable[tuple[str, str, str, str]]) -> dict[str, Any]:
    """The document, JSON-able.

    Args:
        routes: method, path, name and sentence of each.
    """
    paths: dict[str, Any] = {}
    for method, path, name, sentence in routes:
        paths.setdefault(path, {})[method.lower()] = _operation(path, name, sentence)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Credence", "version": "1", "description": "Trust scores of claims and sources, and flags."},
        "paths": paths,
        "components": {"schemas": _components()},
    }


def _operation(path: str, name: str, sentence: str) -> dict[str, Any]:
    kind, schema = _answers().get(name, ("application/json", {"type": "object"}))
    found: dict[str, Any] = {
        "operationId": name,
        "summary": sentence,
        "parameters": [_parameter(each, "path", _TEXT) for each in re.findall(r"{(\w+)}", path)],
        "responses": {
            "200": {"description": sentence, "content": {kind: {"schema": schema}}},
            "default": {
                "description": "What was asked for is not to be had, and why.",
                "content": {"application/problem+json": {"schema": _ref("Problem")}},
            },
        },
    }
    if name == "flags":
        found["parameters"] = [
            _parameter("min_priority", "query", {"type": "integer", "minimum": 0, "maximum": 100, "default": 0}),
            _parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": IDS_MAX, "default": 100}),
            _parameter("cursor", "query", {"type": "string", "description": "next_cursor of the last page"}),
        ]
    if name.endswith("-batch"):
        ids = _object({"ids": {"type": "array", "items": _TEXT, "maxItems": IDS_MAX}})
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": ids}}}
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
    problem = {"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT, "instance": _TEXT}
    found = {name: {"allOf": [_plain(record), _object(_WORDS)]} for name, record in _RECORDS.items()}
    return found | {
        "Flag": _plain(FLAG),
        "Explanation": _object({"claim_id": _TEXT, "score": sum_, "risk": sum_}),
        "Problem": _object(problem),
    }


def _plain(record: Any) -> dict[str, Any]:
    return {key: value for key, value in schemas.schema_of(record).items() if not key.startswith("$")}


def _parameter(name: str, where: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": schema}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
