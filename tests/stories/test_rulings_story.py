"""What becomes of rulings that cannot count, on a real broker and with a real worker: told, counted, in the letters."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from load_tests.bench.children import running
from streams.cli.main import app
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.kafka import provision
from streams.ops import dead_letters as deadletters
from streams.ops.idle import wait_idle
from streams.ops.verify import verify

NOW_MS = time.time_ns() // 1_000_000 - 3_600_000


def ruling(id: str, claim: str, version: int, verdict: str, later_ms: int = 0) -> dict[str, Any]:
    said = {"v": 1, "id": id, "claim_id": claim, "version": version, "verdict": verdict, "rater_id": "desk"}
    return said | {"ruled_at_ms": NOW_MS + later_ms, "kind": "fact-check", "url": "https://example.org/finding"}


def told(claim: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["rulings", claim, "--json"])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_every_ruling_is_told_with_its_fate_and_a_conflict_has_a_letter(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENCE_BROKER", settings.broker)
    monkeypatch.setenv("CREDENCE_NAMESPACE", settings.namespace)
    monkeypatch.setenv("COLUMNS", "240")
    provision.create(settings.broker, settings)
    producer = KafkaProducer(**client_kwargs(settings), acks="all")
    event = {"v": 1, "id": "e1", "kind": "post", "source_id": "ana", "claim_id": "known", "occurred_at_ms": NOW_MS}
    producer.send(topics.EVENTS.name(settings), orjson.dumps(event), partition=0)
    first = ruling("r1", "known", 1, "true")
    for said in (
        first,
        ruling("r2", "known", 1, "false", 1_000),
        first,
        ruling("r3", "known", 4, "false", 2_000),
        ruling("r4", "known", 3, "mixed", 1_500),
        ruling("r5", "unheard-of", 1, "false"),
    ):
        producer.send(topics.RULINGS.name(settings), orjson.dumps(said), partition=0)
    producer.flush()
    producer.close()
    with running(settings, "streams.cli", "worker", log=tmp_path / "worker.log"):
        asyncio.run(wait_idle(settings))
        fates = [(r["id"], r["version"], r["verdict"], r["fate"]) for r in told("known")]
        assert fates == [
            ("r1", 1, "true", "superseded"), ("r2", 1, "false", "refused"), ("r4", 3, "mixed", "late"),
            ("r3", 4, "false", "counts"),
        ]  # fmt: skip
        assert [(r["fate"], r["url"]) for r in told("unheard-of")] == [("held", "https://example.org/finding")]
    (letter,) = deadletters.summary(settings).letters
    assert (letter.code, letter.topic, letter.offset) == ("id_conflict", topics.RULINGS.name(settings), 1)
    shown = CliRunner().invoke(app, ["rulings", "known"]).stdout
    assert "A higher version of the same rater replaced it." in shown
    nothing = CliRunner().invoke(app, ["rulings", "nobody"])
    assert nothing.exit_code == 1
    report = asyncio.run(verify(settings))
    assert report.passed, report
    provision.delete(settings.broker, settings)
