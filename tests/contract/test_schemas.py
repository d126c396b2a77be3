"""The published schemas say what the definition says, and the golden records of every version still hold."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema_rs
import pytest

from streams.agents.intake.careful import Limits
from streams.agents.intake.events import decode_events
from streams.agents.intake.rulings import decode_rulings
from streams.contract import schemas
from streams.contract.records import RECORDS

GOLDEN = sorted((schemas.FOLDER / "golden").glob("*.json"))
CASES = [
    pytest.param(
        f"{golden['record']}.v{golden['version']}",
        golden["append_ms"],
        case,
        case in golden["valid"],
        id=f"{golden['record']}.v{golden['version']}: {case['why']}",
    )
    for golden in (json.loads(path.read_text()) for path in GOLDEN)
    for case in golden["valid"] + golden["invalid"]
]


def validator(name: str) -> Any:
    return jsonschema_rs.validator_for(json.loads((schemas.FOLDER / f"{name}.schema.json").read_text()))


def test_the_schema_files_are_what_the_definition_gives() -> None:
    assert schemas.stale() == [], "run: python -m streams.contract.schemas"


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.NAME)
def test_every_schema_is_a_valid_schema(record: Any) -> None:
    jsonschema_rs.meta.validate(schemas.schema_of(record))


def test_every_record_has_golden_records_valid_and_invalid() -> None:
    held = {path.name: json.loads(path.read_text()) for path in GOLDEN}
    of_today = {f"{record.NAME}.v{record.VERSION}.json" for record in RECORDS}
    assert set(held) == of_today | {name.replace(".schema", "") for name in schemas.FROZEN}
    assert all(golden["valid"] and golden["invalid"] for golden in held.values())


@pytest.mark.parametrize(("name", "append_ms", "case", "valid"), CASES)
def test_golden_records_of_every_version_agree_with_its_schema(
    name: str, append_ms: int, case: dict[str, Any], valid: bool
) -> None:
    assert validator(name).is_valid(case["record"]) is valid


@pytest.mark.parametrize(
    ("name", "append_ms", "case", "valid"), [c for c in CASES if c.values[0] in ("event.v1", "ruling.v1")]
)
def test_golden_input_is_decoded_or_refused_with_its_code(
    name: str, append_ms: int, case: dict[str, Any], valid: bool
) -> None:
    decode = decode_events if name == "event.v1" else decode_rulings
    value = json.dumps(case["record"]).encode()
    record = SimpleNamespace(topic="t", partition=0, offset=0, timestamp=append_ms, key=None, value=value, headers=())
    _, rejects = decode([record], 0, Limits())
    assert [str(reject.code) for reject in rejects] == ([case["code"]] if "code" in case else [])


def test_the_command_finds_and_mends_what_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gone.v1.schema.json").write_text("{}")
    assert schemas.main(["--check"], tmp_path) == 1
    assert schemas.main([], tmp_path) == 0
    assert "schemas/event.v1.schema.json" in capsys.readouterr().out
    assert schemas.main(["--check"], tmp_path) == 0
    assert not (tmp_path / "gone.v1.schema.json").exists()
    assert schemas.main(["--nonsense"], tmp_path) == 2
