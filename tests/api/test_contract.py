"""The OpenAPI document against the service: schemathesis, with all its checks, on a real process and a real broker."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from typing import Any

import pytest

from streams.api import openapi
from streams.api.openapi_schemas import EXAMPLES
from streams.api.route import methods
from streams.api.routes import ROUTES
from streams.contract import schemas
from streams.contract.records import ClaimScore, Community, Flag, Record, SourceScore
from streams.contract.settings import Settings
from streams.kafka import provision
from tests.api.serving import Api
from tests.scores import publish

pytestmark = pytest.mark.timeout(600)

EXAMPLES_EACH = 10
FLAGS = 150  # more than a page


def golden(record: type[Record]) -> dict[str, Any]:
    """A record as the stages write it."""
    found: dict[str, Any] = json.loads(
        (schemas.FOLDER / "golden" / f"{record.NAME}.v{record.VERSION}.json").read_text()
    )
    first: dict[str, Any] = found["valid"][0]["record"]
    return first


@pytest.fixture(scope="module")
def report(broker: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What schemathesis says of a service that holds every id of the document's examples."""
    settings = Settings(broker=broker, namespace=f"contract{uuid.uuid4().hex[:8]}.", partitions=1)
    provision.create(broker, settings)
    flag = golden(Flag)
    publish(
        settings,
        [
            golden(ClaimScore) | {"claim_id": EXAMPLES["claims"]},
            golden(SourceScore) | {"source_id": EXAMPLES["sources"]},
            golden(Community) | {"community_id": EXAMPLES["communities"]},
            *(flag | {"flag_id": f"rule/{n}", "priority": n % 101} for n in range(FLAGS - 1)),
            flag | {"flag_id": EXAMPLES["flags"]},
        ],
    )
    api = Api(settings, CREDENCE_PARTITIONS="1")
    folder = tmp_path_factory.mktemp("schemathesis")
    try:
        api.becomes("/readyz", lambda status, _: status == 200)
        held = api.get("/readyz")[1]
        assert (held["claims"], held["sources"], held["communities"], held["flags"]) == (1, 1, 1, FLAGS)
        # From a file: the command leaves out the path that it reads the document from.
        document = api.get("/openapi.json")[1]
        del document["paths"]["/v1/changes"]  # it never ends: test_changes has it
        # No tokens are set up, which is 403 here and not the 401 that the check insists on. tests/stories has tokens.
        for path in ("/v1/rulings", "/v1/decisions"):
            document["paths"][path]["post"]["security"] = []
        (folder / "openapi.json").write_text(json.dumps(document))
        # Who asks for answers of this very moment gets 503, as the document says.
        (folder / "schemathesis.toml").write_text(
            '[checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx", 503]\n'
        )
        options = ("--checks", "all", "--seed", "12", "--max-examples", str(EXAMPLES_EACH), "--no-color")
        patient = ("--request-timeout", "120")  # a first explanation reads the scoring core's machine code
        written = ("--report", "json", "--report-json-path", "report.json")
        command = [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "run",
            "openapi.json",
            "--url",
            api.url,
            *options,
            *patient,
            *written,
        ]
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=500, check=False)
    finally:
        api.end()
    assert (folder / "report.json").exists(), ran.stdout + ran.stderr
    assert "Traceback" not in api.said
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found | {"said": ran.stdout}


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
    assert report["test_cases"]["generated"] > 500
    assert report["test_cases"]["without_checks"] == report["test_cases"]["errored"] == 0


def test_what_is_asked_for_is_also_found(report: dict[str, Any]) -> None:
    # Nobody explains here, which takes the stages' state, and nobody signs as Coop does: tests/stories has both.
    elsewhere = ("explanation", "callbacks")
    missing = report["warnings"]["missing_test_data"]
    never_found = {each for each in missing if not any(word in each for word in elsewhere)}
    assert not never_found
