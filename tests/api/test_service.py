"""`credence api` as a downstream service meets it: its own process, a real broker, plain HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from streams.api.route import methods
from streams.api.routes import ROUTES
from streams.broker import embedded as brokers
from streams.contract import topics
from streams.contract.settings import Settings
from streams.kafka import provision
from tests.api.serving import Api
from tests.scores import claim, community, flag, publish, source

OUTPUTS = (topics.CLAIM_SCORES, topics.SOURCE_SCORES, topics.COMMUNITIES, topics.FLAGS, topics.DECISIONS)
ODD = "a/b c?%ż#"


@pytest.fixture(scope="module")
def installation(broker: str) -> Settings:
    """An installation with a few scores."""
    settings = Settings(broker=broker, namespace=f"api{uuid.uuid4().hex[:8]}.")
    provision.create(broker, settings, OUTPUTS)
    publish(
        settings,
        [
            claim("a"),
            claim("thin", score=0.5, low=0.05, high=0.95),
            claim(ODD),
            source("s"),
            community("harbour"),
            source("new", right=0, wrong=0),
            *(flag(f"f{n}", "a", priority=n * 10) for n in range(10)),
            flag("gone", "a", revision=2, action="retract", priority=99),
            (topics.CLAIM_SCORES, "\x00claim", b'{"claim_id": "\\u0000claim", "risk": 1}'),
            (topics.CLAIM_SCORES, "junk", b"no json"),
        ],
    )
    return settings


@pytest.fixture(scope="module")
def api(installation: Settings) -> Iterator[Api]:
    """A service over that installation, ready."""
    running = Api(installation)
    running.becomes("/readyz", lambda status, _: status == 200)
    yield running
    assert running.end() == 0


def test_scores_are_answered_with_their_words(api: Api) -> None:
    status, body, kind = api.get("/v1/claims/a")
    assert (status, kind.split(";")[0]) == (200, "application/json")
    assert body == claim("a") | {"assessment": "poorly corroborated", "enough_evidence": True}
    assert api.get("/v1/sources/s")[1]["assessment"] == "mostly right so far"


def test_a_community_is_answered_with_its_vital_signs(api: Api) -> None:
    assert api.get("/v1/communities/harbour")[1] == community("harbour") | {"assessment": "errs one by one"}
    assert api.get("/v1/communities/nowhere")[0] == 404


def test_new_scores_and_deletions_follow_at_once(api: Api, installation: Settings) -> None:
    publish(installation, [claim("moving"), source("leaving")])
    api.becomes("/v1/sources/leaving", lambda status, _: status == 200)
    publish(installation, [claim("moving", version=2, score=0.9, low=0.8), (topics.SOURCE_SCORES, "leaving", None)])
    moved = api.becomes("/v1/claims/moving", lambda _, b: b.get("version") == 2)
    assert moved["assessment"] == "well corroborated"
    api.becomes("/v1/sources/leaving", lambda status, _: status == 404)
    publish(installation, [(topics.CLAIM_SCORES, "moving", None)])
    api.becomes("/v1/claims/moving", lambda status, _: status == 404)


def test_little_evidence_reads_as_such_and_never_as_one_half(api: Api) -> None:
    for path in ("/v1/claims/thin", "/v1/sources/new"):
        body = api.get(path)[1]
        assert (body["assessment"], body["enough_evidence"]) == ("not enough evidence", False)


def test_ids_with_any_characters_are_found_by_their_percent_encoding(api: Api) -> None:
    assert api.get("/v1/claims/" + urllib.parse.quote(ODD, safe=""))[1]["claim_id"] == ODD


@pytest.mark.parametrize(
    "path",
    [
        "/v1/claims/none",
        "/v1/sources/a",
        "/v1/claims/%00claim",
        "/v1/claims/junk",
        "/nowhere",
        "/v1/claims/%ff",
        "/v1/claims/nowhere/explanation",
    ],
)
def test_what_is_unknown_is_404_as_a_problem(api: Api, path: str) -> None:
    status, body, kind = api.get(path)
    assert (status, kind.split(";")[0]) == (404, "application/problem+json")
    assert (body["status"], body["title"]) == (404, "Not Found")
    assert body["detail"]


def post(api: Api, path: str, body: bytes) -> tuple[int, Any, str]:
    request = urllib.request.Request(api.url + path, method="POST", data=body)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read()), answer.headers["Content-Type"]
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), error.headers["Content-Type"]


def test_many_are_answered_at_once_in_the_order_asked_and_the_unknown_are_named(api: Api) -> None:
    status, body, _ = post(api, "/v1/claims:batchGet", json.dumps({"ids": ["thin", "nobody", "a", "thin"]}).encode())
    assert status == 200
    assert [each["claim_id"] for each in body["claims"]] == ["thin", "a"]
    assert body["claims"][1] == api.get("/v1/claims/a")[1]
    assert body["unknown"] == ["nobody"]
    sources = post(api, "/v1/sources:batchGet", b'{"ids": ["nobody", "s"]}')[1]
    assert sources["sources"][0]["assessment"] == "mostly right so far"
    assert post(api, "/v1/sources:batchGet", b'{"ids": []}')[1] == {"sources": [], "unknown": []}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"no json", 400, "ids"),
        (b'["a"]', 400, "ids"),
        (b'{"ids": "a"}', 400, "ids"),
        (b'{"ids": [1]}', 400, "ids"),
        (json.dumps({"ids": ["a"] * 1_001}).encode(), 400, "1,000 ids at most"),
        (b" " * (2 * 1024 * 1024 + 1), 413, "bytes at most"),
    ],
    ids=["no json", "a list", "no list", "numbers", "too many", "too large"],
)
def test_a_batch_that_makes_no_sense_is_refused_as_a_problem(api: Api, body: bytes, status: int, said: str) -> None:
    refused, problem, kind = post(api, "/v1/claims:batchGet", body)
    assert (refused, problem["status"], kind.split(";")[0]) == (status, status, "application/problem+json")
    assert said in problem["detail"]


def test_open_flags_come_in_pages_by_priority(api: Api) -> None:
    first = api.get("/v1/flags?min_priority=20&limit=5")[1]
    second = api.get(f"/v1/flags?min_priority=20&limit=5&cursor={first['next_cursor']}")[1]
    assert [each["priority"] for each in first["flags"] + second["flags"]] == [90, 80, 70, 60, 50, 40, 30, 20]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("query", ["min_priority=x", "min_priority=101", "limit=0", "limit=1001", "cursor=x"])
def test_a_question_that_makes_no_sense_is_400_as_a_problem(api: Api, query: str) -> None:
    status, body, kind = api.get("/v1/flags?" + query)
    assert (status, body["status"], kind.split(";")[0]) == (400, 400, "application/problem+json")


def test_the_openapi_document_has_every_route_and_answers_are_as_it_says(api: Api) -> None:
    document = api.get("/openapi.json")[1]
    declared = {(m.upper(), p) for p, of in document["paths"].items() for m in of}
    assert declared == {(m, p) for method, p, *_ in ROUTES for m in methods(method)}
    for path, method, body in (
        ("/v1/claims/a", "get", None),
        ("/v1/sources/s", "get", None),
        ("/v1/communities/harbour", "get", None),
        ("/v1/flags", "get", None),
        ("/healthz", "get", None),
        ("/readyz", "get", None),
        ("/v1/claims:batchGet", "post", b'{"ids": ["a", "nobody"]}'),
        ("/v1/claims/none", "get", None),
    ):
        status, answer, kind = api.get(path) if body is None else post(api, path, body)
        route = re.sub(r"^(/v1/(claims|sources|communities)/)[^/]+$", r"\1{id}", path)
        said = document["paths"][route][method]["responses"][str(status)]
        if "$ref" in said:
            said = document["components"]["responses"][said["$ref"].rpartition("/")[2]]
        schema = said["content"][kind.split(";")[0]]["schema"]
        # Flags of this fixture are shorter than the stages write them; tests/stories holds real ones to their schema.
        if path != "/v1/flags":
            jsonschema_rs.validate(schema | {"components": document["components"]}, answer)


def test_only_reading_is_offered(api: Api) -> None:
    request = urllib.request.Request(api.url + "/v1/claims/a", method="POST", data=b"{}")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code == 405
    assert "GET" in refused.value.headers["Allow"]
    refused.value.close()


def test_health_and_metrics_tell_what_it_holds(api: Api) -> None:
    assert api.get("/healthz")[1] == {"status": "ok"}
    ready = api.get("/readyz")[1]
    assert (ready["claims"], ready["sources"], ready["flags"]) == (3, 2, 11)
    api.get("/v1/claims/none")
    text = api.get("/metrics")[1]
    assert re.search(r'credence_api_requests_total\{route="claims",status="4xx"\} [1-9]', text)
    assert "credence_api_behind_seconds" in text


def test_it_is_not_ready_while_kafka_is_away_and_goes_on_when_it_is_back(namespace: str) -> None:
    with brokers.private() as node:
        settings = Settings(broker=node.bootstrap, namespace=namespace)
        provision.create(node.bootstrap, settings, OUTPUTS)
        publish(settings, [claim("a")])
        api = Api(settings, CREDENCE_API_STALENESS_MS="3s")
        try:
            api.becomes("/readyz", lambda status, _: status == 200)
            node.kill()
            stale = api.becomes("/readyz", lambda status, _: status == 503, within_s=60)
            assert "Kafka is away" in stale["detail"]
            assert api.get("/v1/claims/a")[0] == 200
            node.start()
            publish(settings, [claim("b")])
            api.becomes("/readyz", lambda status, _: status == 200, within_s=60)
            api.becomes("/v1/claims/b", lambda status, _: status == 200)
            api.becomes("/healthz", lambda *_: "ready again" in api.said)
        finally:
            api.end()
    # Told once each, and not at every attempt to reach it.
    assert (api.said.count("Kafka is away"), api.said.count("ready again")) == (1, 1)
    assert len(api.said.splitlines()) < 10


def test_missing_topics_end_it_with_the_command_that_makes_them(broker: str, settings: Settings) -> None:
    environ = {"CREDENCE_BROKER": broker, "CREDENCE_NAMESPACE": settings.namespace}
    code = "from streams.cli.api import api; api()"
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "credence topics create" in " ".join(ended.stderr.split())
