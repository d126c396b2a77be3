"""Statements of reasons: the database's fields and limits, no personal data, one for each flag that was confirmed."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner

from streams.cli.main import app
from streams.contract.settings import Settings, SettingsError, client_kwargs
from streams.contract.topics import DECISIONS, partition_of
from streams.deliver.dsa import Restriction, batches, confirmed, puid, statement
from streams.kafka import provision
from streams.kafka.clients import started
from tests.deliver.flag_log import flag, publish

RESTRICTION = Restriction("labelled", "Rule 4: misinformation", "The post states as fact what is not so.")


def decision(id_: str, claim: str, found: str = "confirmed", at: int = 0) -> dict[str, Any]:
    return {
        "v": 1, "id": id_, "flag_id": f"risk-cascade/{claim}/1", "revision": 1, "claim_id": claim, "decision": found,
        "decided_by": "mo@platform.example", "decided_at_ms": time.time_ns() // 1_000_000 + at,
    }  # fmt: skip


def refused(body: dict[str, Any]) -> list[str]:
    """What the transparency database would say of a statement."""
    said = {
        "decision_visibility": r"DECISION_VISIBILITY_CONTENT_(REMOVED|DISABLED|DEMOTED|LABELLED)",
        "decision_ground": r"DECISION_GROUND_(ILLEGAL|INCOMPATIBLE)_CONTENT",
        "incompatible_content_ground": r".{1,500}",
        "incompatible_content_explanation": r".{1,2000}",
        "content_type": r"CONTENT_TYPE_[A-Z_]+",
        "category": r"STATEMENT_CATEGORY_[A-Z_]+",
        "category_specification": r"KEYWORD_[A-Z_]+",
        "content_date": r"\d{4}-\d\d-\d\d",
        "application_date": r"\d{4}-\d\d-\d\d",
        "decision_facts": r".{1,5000}",
        "source_type": r"SOURCE_(ARTICLE_16|TRUSTED_FLAGGER|VOLUNTARY|TYPE_OTHER_NOTIFICATION)",
        "automated_detection": r"Yes|No",
        "automated_decision": r"AUTOMATED_DECISION_(FULLY|PARTIALLY|NOT_AUTOMATED)",
        "puid": r"[A-Za-z0-9_-]{1,500}",
    }
    lists = {"decision_visibility", "content_type", "category_specification"}
    wrong = [name for name in said if isinstance(body.get(name), list) != (name in lists)]
    for name, pattern in said.items():
        values = body[name] if name in lists else [body[name]]
        wrong += [name for value in values if not re.fullmatch(pattern, value, re.DOTALL)]
    return wrong + list(body.keys() - said.keys())


def test_a_statement_has_the_fields_of_the_database_and_names_nobody() -> None:
    raised = flag("bridge", supports=12, denials=3, spread={"participants": 40, "first_event_ms": 1_700_000_000_000})
    made = statement(decision("d1", "bridge"), raised, RESTRICTION)
    assert refused(made) == []
    assert made["content_date"] == "2023-11-14"
    assert made["automated_decision"] == "AUTOMATED_DECISION_NOT_AUTOMATED"
    text = orjson.dumps(made).decode()
    for personal in ("ines", "mo@", "They say", "e1"):
        assert personal not in text
    assert "40 accounts" in made["decision_facts"]
    assert "its people spread lies" in made["decision_facts"]


def test_only_the_newest_decision_of_a_flag_counts_and_only_where_it_confirms() -> None:
    told = [decision("d1", "a"), decision("d2", "b", "dismissed"), decision("d3", "a", "dismissed", at=1),
            decision("d4", "b", at=1), decision("d5", "c", "duplicate")]  # fmt: skip
    assert [each["id"] for each in confirmed(told)] == ["d4"]
    assert puid(told[0]) == puid(decision("d1", "elsewhere")) != puid(told[1])


def test_bodies_hold_a_hundred_statements() -> None:
    assert [len(body["statements"]) for body in batches([{"puid": str(n)} for n in range(205)])] == [100, 100, 5]


@pytest.mark.parametrize("wrong", [("hidden", "r", "e"), ("removed", "", "e"), ("removed", "r", "e" * 2_001)])
def test_what_the_database_would_refuse_is_refused_here(wrong: tuple[str, str, str]) -> None:
    with pytest.raises(SettingsError):
        Restriction(*wrong)


async def test_a_compliance_person_prints_statements(prompt: Settings) -> None:
    provision.create(prompt.broker, prompt, [DECISIONS])
    await publish(prompt, flag("bridge"), flag("ferry"))
    async with started(AIOKafkaProducer, client_kwargs(prompt), acks="all") as producer:
        for each in (decision("d1", "bridge"), decision("d2", "ferry", "dismissed"), decision("d3", "unknown")):
            at = partition_of(each["claim_id"], prompt.partitions)
            await producer.send_and_wait(DECISIONS.name(prompt), orjson.dumps(each), partition=at)
    arguments = ["--visibility", "labelled", "--rule", "Rule 4", "--explanation", "Not so.", "--since", "1h"]
    environ = {"CREDENCE_BROKER": prompt.broker, "CREDENCE_NAMESPACE": prompt.namespace}
    run = CliRunner()
    done = await asyncio.to_thread(run.invoke, app, ["decisions", "dsa", *arguments], env=environ)
    assert done.exit_code == 0, done.output
    (body,) = [orjson.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [each["puid"] for each in body["statements"]] == [puid(decision("d1", "bridge"))]
    assert "1 decisions are about flags that the log no longer has" in done.output
    listed = await asyncio.to_thread(run.invoke, app, ["decisions", "list", "--json"], env=environ)
    assert len(listed.stdout.splitlines()) == 3, listed.output
