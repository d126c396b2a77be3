"""The OpenAPI document against the service: schemathesis, with all its checks, on a real process and a real broker.

It bears a token that may read and rule, so that it gets to what rulings and decisions say and refuse; a worker makes
the rulings count. Once more with a token that may only read, it is turned away as the document says.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from load_tests.bench.children import running
from streams.api import access, openapi
from streams.api.access import Scope
from streams.api.openapi_schemas import EXAMPLES
from streams.api.route import methods
from streams.api.routes import ROUTES
from streams.client.sync import Client
from streams.contract import schemas, topics
from streams.contract.records import Community, Flag, Record
from streams.contract.settings import Settings
from streams.kafka import provision
from tests.api.serving import Api
from tests.scores import T0_MS, publish

pytestmark = pytest.mark.timeout(600)

EXAMPLES_EACH = 10
FLAGS = 150  # more than a page
SCOPES = {"all": list(Scope), "read": [Scope.READ], "admin": [Scope.ADMIN]}


def golden(record: type[Record]) -> dict[str, Any]:
    """A record as the stages write it."""
    found: dict[str, Any] = json.loads(
        (schemas.FOLDER / "golden" / f"{record.NAME}.v{record.VERSION}.json").read_text()
    )
    first: dict[str, Any] = found["valid"][0]["record"]
    return first


@dataclass(frozen=True)
class Asker:
    """A service that holds every id of the document's examples, and what schemathesis says of it."""

    url: str
    folder: Path
    tokens: dict[str, str]
    document: dict[str, Any]

    def asked(self, token: str, *only: str, examples: int = EXAMPLES_EACH) -> dict[str, Any]:
        """The report of a run that bears a token, over some operations if any are named."""
        # From a file: the command leaves out the path that it reads the document from.
        (self.folder / "openapi.json").write_text(json.dumps(self.document))
        # Who asks for answers of this very moment gets 503, and who gives one key to two requests 422, as it says.
        (self.folder / "schemathesis.toml").write_text(
            '[checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx", 503]\n'
            "[checks.positive_data_acceptance]\n"
            'expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 422, 429, "5xx"]\n'
        )
        options = ("--checks", "all", "--seed", "12", "--max-examples", str(examples), "--no-color")
        patient = ("--request-timeout", "120")  # a first explanation reads the scoring core's machine code
        written = ("--report", "json", "--report-json-path", "report.json")
        bearing = ("--header", f"Authorization: Bearer {self.tokens[token]}")
        chosen = [part for name in only for part in ("--include-operation-id", name)]
        command = [sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", "--url", self.url]
        ran = subprocess.run(
            [*command, *options, *patient, *written, *bearing, *chosen],
            cwd=self.folder, capture_output=True, text=True, timeout=500, check=False,
        )  # fmt: skip
        assert (self.folder / "report.json").exists(), ran.stdout + ran.stderr
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return found | {"said": ran.stdout}


@pytest.fixture(scope="module")
def asker(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    """A service beside a worker, with tokens."""
    settings = Settings(broker=broker, namespace=f"contract{uuid.uuid4().hex[:8]}.", partitions=1)
    provision.create(broker, settings)
    folder = tmp_path_factory.mktemp("schemathesis")
    made = {name: access.made(name, scopes) for name, scopes in SCOPES.items()}
    (folder / "tokens").write_text("\n".join(line for _, line in made.values()))
    about = {"claim_id": EXAMPLES["claims"], "source_id": EXAMPLES["sources"], "occurred_at_ms": T0_MS}
    event = {"v": 1, "id": "e1", "kind": "post", **about}
    flag = golden(Flag)
    publish(
        settings,
        [
            (topics.EVENTS, about["source_id"], orjson.dumps(event)),
            golden(Community) | {"community_id": EXAMPLES["communities"]},
            *(flag | {"flag_id": f"rule/{n}", "priority": n % 101} for n in range(FLAGS - 1)),
            flag | {"flag_id": EXAMPLES["flags"]},
        ],
    )
    api = Api(
        settings, CREDENCE_PARTITIONS="1", CREDENCE_API_TOKENS_FILE=str(folder / "tokens"),
        CREDENCE_API_RATE_PER_MINUTE="1000000",
    )  # fmt: skip
    try:
        with running(settings, "streams.cli", "worker", log=folder / "worker.log"):
            held = {"claims": 1, "sources": 1, "communities": 1, "flags": FLAGS}
            api.becomes("/readyz", lambda status, body: status == 200 and held.items() <= body.items(), within_s=60)
            document = api.get("/openapi.json")[1]
            del document["paths"]["/v1/changes"]  # it never ends: test_changes has it
            # With many raters on one claim each ruling is looked for in the state, which takes seconds.
            body = document["paths"]["/v1/rulings"]["post"]["requestBody"]["content"]["application/json"]
            for part in (body["schema"]["properties"], body["example"]):
                del part["rater_id"]
            yield Asker(api.url, folder, {name: token for name, (token, _) in made.items()}, document)
    finally:
        api.end()
    assert "Traceback" not in api.said


@pytest.fixture(scope="module")
def report(asker: Asker) -> dict[str, Any]:
    """What is said where everything may be asked."""
    return asker.asked("all")


def test_the_document_that_is_committed_is_the_one_that_the_routes_make() -> None:
    assert openapi.PATH.read_bytes() == openapi.written(), "run `python -m streams.api.openapi`"


def test_nothing_that_the_document_allows_or_forbids_finds_a_fault(report: dict[str, Any]) -> None:
    assert report["complete"], report["said"]
    assert report["exit_code"] == 0, report["said"]
    assert (report["failures"], report["errors"]) == ([], []), report["said"]


def test_every_operation_was_asked_many_times(report: dict[str, Any]) -> None:
    declared = sum(len(methods(method)) for method, path, *_ in ROUTES if path != "/v1/changes")
    operations = report["operations"]
    assert (operations["total"], operations["tested"]) == (declared, declared)
    phases = {name for name, phase in report["phases"].items() if phase["status"] == "success"}
    assert phases == {"examples", "coverage", "fuzzing", "stateful"}
    cases = report["test_cases"]
    assert cases["generated"] > 500
    assert cases["errored"] == 0
    # With a token given for all cases it leaves a few of those unchecked that would vary the token's header.
    assert cases["without_checks"] < cases["generated"] / 100


def test_what_is_asked_for_is_also_found(report: dict[str, Any]) -> None:
    # Nobody signs as Coop does: tests/stories has that.
    missing = report["warnings"]["missing_test_data"]
    assert not {each for each in missing if "callbacks" not in each}


def test_rulings_and_decisions_were_written_and_not_only_refused(asker: Asker, report: dict[str, Any]) -> None:
    assert report["complete"]
    with Client(asker.url, asker.tokens["all"]) as client:
        claim = client.claim(EXAMPLES["claims"])
    assert claim is not None
    assert claim.rulings
    assert not report["warnings"]["missing_auth"], report["said"]


@pytest.mark.parametrize("token", ["read", "admin"])
def test_who_may_not_rule_is_turned_away_as_the_document_says(asker: Asker, token: str) -> None:
    found = asker.asked(token, "rulings", "decisions", examples=3)
    assert found["exit_code"] == 0, found["said"]
    assert (found["failures"], found["errors"]) == ([], []), found["said"]
    assert found["operations"]["tested"] == 2
