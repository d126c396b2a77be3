"""Bodies of requests and answers for the OpenAPI document: their schemas, and examples from the golden records."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from streams.api.asked import BATCH_MAX
from streams.api.forms import DecisionAsked, RulingAsked
from streams.contract import schemas
from streams.contract.record_fields import Record
from streams.contract.records import ClaimScore, Community, Decision, Flag, SourceScore
from streams.contract.wording import headline
from streams.contract.words import FlagAction, Verdict
from streams.ops.saying import Became

_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_WHOLE = {"type": "integer"}
_JSON = "application/json"
EXAMPLES = {
    "claims": "bridge-closed",
    "sources": "bo",
    "communities": "harbour-board",
    "flags": "spreading-falsehood/1:bridge-closed:1",
}
_RECORDS: dict[str, tuple[str, type[Record]]] = {
    "Claim": ("claim", ClaimScore),
    "Source": ("source", SourceScore),
    "Community": ("community", Community),
}
_WORDS = {
    "enough_evidence": {"type": "boolean", "description": "Whether people should be shown the figure at all."},
    "assessment": {"type": "string", "description": "The record in a few words; never a figure on little evidence."},
}


_FORMS: dict[str, tuple[type[Record], dict[str, Any]]] = {
    "rulings": (
        RulingAsked,
        {"claim_id": EXAMPLES["claims"], "verdict": "false", "rater_id": "fact-desk", "note": "The bridge is open."},
    ),
    "decisions": (
        DecisionAsked,
        {"flag_id": EXAMPLES["flags"], "decision": "confirmed", "decided_by": "ana", "via": "queue"},
    ),
}


def components() -> dict[str, Any]:
    """Schemas that others refer to."""
    reason = {"code": _TEXT, "text": _TEXT, "weight": _NUMBER, "evidence_ids": _list(_TEXT)}
    sum_ = {"log_odds": _NUMBER, "reasons": _list(_object(reason))}
    problem = {
        "type": _TEXT | {"description": "Always about:blank: the status says the kind."},
        "title": _TEXT | {"description": "The status in words."},
        "status": _WHOLE | {"description": "The status."},
        "detail": _TEXT | {"description": "What is wrong, for a person."},
    }
    path = {"instance": _TEXT | {"description": "The path that was asked for, where a request was understood."}}
    found = {name: _worded(subject, record) for name, (subject, record) in _RECORDS.items()}
    return found | {
        "Flag": _null_without_evidence(_plain(Flag), "score"),
        "Explanation": _object(
            {
                "claim_id": _TEXT,
                "claim": {"type": "object", "description": "The root, as flags have it, as far as it is known."},
                "score": _object({"value": _or_null(_NUMBER), **sum_}),
                "risk": _object({"value": _NUMBER, **sum_, "experts": _experts()}),
                "voices": _voices(),
            }
        ),
        "History": _history(),
        "Ruled": _ruled(),
        "Precision": _precision(),
        "Problem": _object(problem) | {"properties": problem | path},
    }


def _experts() -> dict[str, Any]:
    expert = {
        "code": _TEXT | {"enum": ["prior", "learned", "untaught", "given"]},
        "text": _TEXT,
        "share": _or_null(_SHARE) | {"description": "How far these weights are used; null for an operator's."},
        "weight": _NUMBER | {"description": "What they add to the log-odds, start and rulings left out."},
        "parts": _list(_object({"code": _TEXT, "weight": _NUMBER})) | {"description": "The same by idea."},
    }
    return _list(_object(expert)) | {"description": "By whose weights; an idea's parts add up to its reason."}


def _voices() -> dict[str, Any]:
    voice = {
        "source_id": _TEXT,
        "stance": _TEXT | {"description": "Empty for none."},
        "at_ms": _WHOLE | {"description": "When it was said, ms since 1970."},
        "reshare": {"type": "boolean"},
        "community": _TEXT | {"description": "As the event named it; empty for none."},
        "net": _WHOLE | {"description": "Number, within the claim, of those who count as one with it; 0: for itself."},
        "bound_by": _TEXT | {"enum": ["accounts", "words", ""], "description": "What makes them one."},
        "nats": _NUMBER | {"description": "What it adds to the corroboration, before calibration."},
    }
    return _list(_object(voice)) | {"description": "Who said what, in order of time; of many, those who move it most."}


def _ruled() -> dict[str, Any]:
    figures = {
        "version": _WHOLE,
        "score": _or_null(_SHARE) | {"description": "Null where there is not enough evidence."},
        "low": _SHARE,
        "high": _SHARE,
        "enough_evidence": {"type": "boolean"},
        "risk": _SHARE,
        "risk_low": _or_null(_SHARE),
        "risk_high": _or_null(_SHARE),
        "verdict": {"type": ["string", "null"]},
        "flagged": {"type": "boolean"},
    }
    flag = {"type": ["string", "null"], "description": "What became of the flag: none, stands, raised or taken back."}
    return _object(
        {
            "claim_id": _TEXT,
            "rater_id": _TEXT,
            "verdict": _TEXT,
            "kind": _TEXT,
            "ruling_id": _TEXT,
            "version": _WHOLE,
            "became": _TEXT | {"enum": list(map(str, Became)), "description": "What became of the ruling."},
            "before": _object(figures),
            "after": _or_null(_object(figures)) | {"description": "Null while it is pending."},
            "flag": flag,
            "rulings": _list({"type": "object"}) | {"description": "As in the claim's record."},
            "raters_disagree": {"type": "boolean"},
        }
    )


def _precision() -> dict[str, Any]:
    share = _or_null(_SHARE)
    judged = _object({"right": _WHOLE, "wrong": _WHOLE, "precision": share, "low": share, "high": share})
    counts = {"flags": _WHOLE, "by_verdicts": judged, "by_decisions": judged}
    groups = {f"by_{name}": _list(_object({name: _TEXT, **counts})) for name in ("rule", "community", "week")}
    return _object({**counts, **groups})


def _history() -> dict[str, Any]:
    point = {
        "as_of_ms": _WHOLE | {"description": "Event time up to which the figures held, ms since 1970."},
        "version": _WHOLE,
        "score": _or_null(_SHARE),
        "low": _SHARE,
        "high": _SHARE,
        "risk": _SHARE,
        "risk_low": _or_null(_SHARE),
        "risk_high": _or_null(_SHARE),
        "enough_evidence": {"type": "boolean"},
        "flagged": {"type": "boolean"},
        "verdict": {"type": ["string", "null"], "enum": [*map(str, Verdict), None]},
    }
    flag = {
        "flag_id": _TEXT,
        "revision": _WHOLE,
        "action": _TEXT | {"enum": list(map(str, FlagAction))},
        "priority": _WHOLE,
        "risk": _SHARE,
        "detected_at_ms": _WHOLE | {"description": "Broker's time when the flag moved, ms since 1970."},
    }
    points = _list(_object(point)) | {
        "description": "Published scores that this service has seen, 256 at most: of more, every second old one goes."
    }
    return _object({"claim_id": _TEXT, "points": points, "flags": _list(_object(flag))})


def _worded(subject: str, record: type[Record]) -> dict[str, Any]:
    return {"allOf": [_null_without_evidence(_plain(record), headline(subject)), _object(_WORDS)]}


def _null_without_evidence(schema: dict[str, Any], figure: str) -> dict[str, Any]:
    said = schema["properties"][figure]
    null = _or_null(said) | {"description": f"{said['description']} Null where there is not enough evidence."}
    return schema | {"properties": schema["properties"] | {figure: null}}


def answers(name: str) -> tuple[str, dict[str, Any], Any]:
    """Media type, schema and example (None for none) of what a route of this name answers."""
    known = _answers()
    if name in known:
        schema, example = known[name]
        return _JSON, schema, example
    return {
        "metrics": ("text/plain", _TEXT, None),
        "changes": ("text/event-stream", _TEXT, None),
    }.get(name, (_JSON, {"type": "object"}, None))


@cache
def _answers() -> dict[str, tuple[dict[str, Any], Any]]:
    claim, source, community, flag = (_example(each) for each in (ClaimScore, SourceScore, Community, Flag))
    claim |= {"claim_id": EXAMPLES["claims"], "enough_evidence": True, "assessment": "poorly corroborated"}
    source |= {"source_id": EXAMPLES["sources"], "enough_evidence": True, "assessment": "mostly right so far"}
    community |= {"community_id": EXAMPLES["communities"], "assessment": "errs one by one"}
    revisions = {"revisions": _list(ref("Flag"))}
    cursor = {"next_cursor": {"type": ["string", "null"], "description": "Of the next page; null on the last."}}
    unknown = {"unknown": _list(_TEXT)}

    def listed(field: str, schema: str, example: Any) -> tuple[dict[str, Any], Any]:
        return _object({field: _list(ref(schema))} | cursor), {field: [example], "next_cursor": None}

    def batch(field: str, schema: str, example: Any) -> tuple[dict[str, Any], Any]:
        return _object({field: _list(ref(schema))} | unknown), {field: [example], "unknown": ["unheard-of"]}

    ready = {"status": _TEXT, "behind_s": _NUMBER, "lag_ms": {"type": ["integer", "null"]}}
    return {
        "claims": (ref("Claim"), claim),
        "sources": (ref("Source"), source),
        "communities": (ref("Community"), community),
        "flag": ({"allOf": [ref("Flag"), _object(revisions)]}, flag | {"revisions": [flag]}),
        "explanations": (ref("Explanation"), None),
        "history": (ref("History"), None),
        "rulings": (ref("Ruled"), None),
        "decisions": (_plain(Decision), _example(Decision)),
        "precision": (ref("Precision"), None),
        "claims-batch": batch("claims", "Claim", claim),
        "sources-batch": batch("sources", "Source", source),
        "claims-list": listed("claims", "Claim", claim),
        "sources-list": listed("sources", "Source", source),
        "communities-list": listed("communities", "Community", community),
        "flags": listed("flags", "Flag", flag),
        "coop-callbacks": (_object({"became": _TEXT}), None),
        "healthz": (_object({"status": _TEXT}), {"status": "ok"}),
        "readyz": (_object(ready), {"status": "ready", "behind_s": 0.4, "lag_ms": 412}),
    }


def bodies(name: str) -> dict[str, Any]:
    """The request body of a route of this name; empty for none."""
    if name == "coop-callbacks":
        item = _object({"id": _TEXT, "typeId": _TEXT})
        said = {"type": "object", "required": ["item"], "properties": {"item": item, "action": _object({"id": _TEXT})}}
        sentence = "As Coop sends it: a moderator's action on an item, or a decided appeal. The header signs its bytes."
        return {"description": sentence, "required": True, "content": {_JSON: {"schema": said}}}
    if (form := _FORMS.get(name)) is not None:
        asked, example = form
        schema = _plain(asked) | {"additionalProperties": False}
        return {"required": True, "content": {_JSON: {"schema": schema, "example": example}}}
    if not name.endswith("-batch"):
        return {}
    wanted = _list(_TEXT) | {"maxItems": BATCH_MAX, "description": "What is asked for; each is answered once."}
    example = {"ids": [EXAMPLES[name.removesuffix("-batch")], "unheard-of"]}
    return {
        "description": "The ids, plain or with `Content-Encoding: gzip`; 2 MiB at most, also unpacked.",
        "required": True,
        "content": {_JSON: {"schema": _object({"ids": wanted}), "example": example}},
    }


def _example(record: type[Record]) -> dict[str, Any]:
    """The first golden record."""
    golden = json.loads((schemas.FOLDER / "golden" / f"{record.NAME}.v{record.VERSION}.json").read_text("utf-8"))
    return dict(golden["valid"][0]["record"])


def _plain(record: type[Record]) -> dict[str, Any]:
    return {key: value for key, value in schemas.schema_of(record).items() if not key.startswith("$")}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return schema | {"type": [schema["type"], "null"]}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def ref(name: str, kind: str = "schemas") -> dict[str, Any]:
    """A reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}
