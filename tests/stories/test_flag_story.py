"""A golden story on a real broker and a real worker: known liars are flagged, an operator steps in, a verdict falls."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import jsonschema_rs
import orjson
import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from streams.api.published import Reader
from streams.cli import flags as cli_flags
from streams.cli.main import app
from streams.contract import schemas, topics
from streams.contract.settings import Settings, client_kwargs
from streams.kafka.log_reader import LogReader
from streams.ops.idle import wait_idle
from streams.ops.verify import verify
from tests.api.test_service import Api

DAY_MS = 86_400_000
LIARS, LIES = 12, 8
BY = ("--by", "ann", "--note", "trying it out")


class Platform:
    """A platform whose events and rulings reach Credence, and what Credence says of them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._producer = KafkaProducer(**client_kwargs(settings), acks="all")
        self.now_ms = time.time_ns() // 1_000_000 - 30 * DAY_MS

    def tell(self, claim: str, again: str = "", kind: str = "post") -> None:
        """Twelve accounts post or share a claim within an hour."""
        for i in range(LIARS):
            self.now_ms += 300_000
            event = {"v": 1, "id": f"{claim}-{i}{again}", "kind": kind, "source_id": f"liar-{i}", "claim_id": claim}
            self._send(topics.EVENTS, {**event, "occurred_at_ms": self.now_ms})

    def begin(self, claim: str, text: str) -> dict[str, Any]:
        """The post with which a claim began two hours ago, which comes only now; what a flag tells of it."""
        at_ms, url = self.now_ms - 7_200_000, f"https://social.example/{claim}"
        post = {"v": 1, "id": f"{claim}-root", "kind": "post", "source_id": "eve", "claim_id": claim, "text": text}
        self._send(topics.EVENTS, {**post, "url": url, "occurred_at_ms": at_ms})
        return {"event_id": post["id"], "author_id": "eve", "posted_at_ms": at_ms, "text": text, "url": url}

    def rule(self, claim: str, verdict: str, version: int = 1) -> None:
        """A desk rules on a claim, a day after it was last told."""
        self.now_ms += DAY_MS
        ruling = {"v": 1, "id": f"{claim}/{version}", "claim_id": claim, "version": version, "verdict": verdict}
        self._send(topics.RULINGS, {**ruling, "rater_id": "desk", "kind": "fact-check", "ruled_at_ms": self.now_ms})

    def _send(self, topic: topics.Topic, record: dict[str, Any]) -> None:
        self._producer.send(topic.name(self.settings), orjson.dumps(record), partition=0)

    def settle(self) -> None:
        """Wait until everything published has had all its effects."""
        self._producer.flush()
        asyncio.run(wait_idle(self.settings))

    def flags(self, claim: str, topic: topics.Topic = topics.FLAGS, updates: bool = False) -> list[dict[str, Any]]:
        """What a topic of flags says of a claim, in order, without or with what only brings a flag up to date."""

        async def read() -> list[dict[str, Any]]:
            async with Reader(self.settings, [topic]) as reader:
                records = [e.record() async for entries in reader.to_end() for e in entries]
            return [r for r in records if r and r["subject"]["id"] == claim and (updates or r["action"] != "update")]

        return asyncio.run(read())


def as_the_logs_say(settings: Settings, flag: dict[str, Any]) -> None:
    """The log record that a flag names is there and moved it when it says; its figures are the published ones."""

    async def read() -> tuple[list[Any], list[Any]]:
        topic, partition, offset = flag["trace_id"].rsplit("/", 2)
        async with LogReader(client_kwargs(settings)) as logs:
            moved = [r async for r in logs.read(topic, int(partition), int(offset), int(offset) + 1)]
            scores = topics.CLAIM_SCORES.name(settings)
            _, end = (await logs.bounds(scores, settings.partitions))[int(partition)]
            published = [r async for r in logs.read(scores, int(partition), 0, end)]
        return moved, [orjson.loads(r.value) for r in published if r.key == flag["subject"]["id"].encode()]

    (moved,), published = asyncio.run(read())
    assert flag["trace_id"].startswith(topics.BY_CLAIM.name(settings))
    assert moved.timestamp == flag["detected_at_ms"] < flag.get("expires_at_ms", 2**60)
    at_once = next(p for p in published if p["version"] >= flag["claim_version"])
    if at_once["version"] == flag["claim_version"]:  # else a newer one of the same batch was published in its place
        named = (flag["risk"], flag["score"], flag["event_time_ms"])
        assert (at_once["risk"], at_once["score"], at_once["last_event_ms"]) == named


def switch(*arguments: str) -> None:
    done = CliRunner().invoke(cli_flags.app, list(arguments))
    assert done.exit_code == 0, done.output
    assert "no worker" not in done.stderr


def shown(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.stdout


def downstream(settings: Settings, raised: dict[str, Any], why: dict[str, Any]) -> None:
    """Another service asks about the flagged claim over HTTP; what it gets is what the published schemas say."""
    api = Api(settings, CREDENCE_API_STALENESS_MS="60s")
    try:
        api.becomes("/readyz", lambda status, _: status == 200)
        flags = api.becomes("/v1/flags", lambda _, body: bool(body.get("flags")))["flags"]
        newest = next(flag for flag in flags if flag["flag_id"] == raised["flag_id"])
        claim = api.get(newest["subject"]["uri"])[1]
        assert claim["flagged"]
        source = api.get("/v1/sources/liar-0")[1]
        assert source["wrong"] == LIES
        for schema, record in (("flag.v2", raised), ("source-score.v1", source)):
            jsonschema_rs.validate(json.loads((schemas.FOLDER / f"{schema}.schema.json").read_text()), record)
        status, told, kind = api.get(newest["subject"]["uri"] + "/explanation")
        assert (status, kind.split(";")[0]) == (200, "application/json")
        document = api.get("/openapi.json")[1]
        for name, answer in (("Claim", claim), ("Source", source), ("Flag", newest), ("Explanation", told)):
            jsonschema_rs.validate(document["components"]["schemas"][name], answer)
        later = ("version", "as_of_ms", "score")  # a tick may have published the same figures once more
        assert {k: v for k, v in told.items() if k not in later} == {k: v for k, v in why.items() if k not in later}
        # Where there is little evidence a service gets no figure, and still the reasons.
        assert told["score"] == why["score"] | ({} if claim["enough_evidence"] else {"value": None})
        assert api.get("/v1/claims/nobody/explanation")[0] == 404
    finally:
        assert api.end() == 0


def test_liars_are_flagged_before_the_verdict_and_an_operator_has_the_last_word(platform: Platform) -> None:
    for n in range(LIES):
        platform.tell(f"lie-{n}")
        platform.rule(f"lie-{n}", "false")
        platform.settle()

    platform.tell("fresh")
    platform.settle()
    (raised,) = platform.flags("fresh")
    assert raised["action"] == "raise"
    as_the_logs_say(platform.settings, raised)
    assert "history" in {reason["code"] for reason in raised["reasons"]}
    assert all(reason["evidence_ids"] for reason in raised["reasons"] if reason["code"] == "history")

    why = json.loads(shown("explain", "fresh", "--json").splitlines()[0])["explanation"]
    told = {reason["code"]: reason for reason in why["risk"]["reasons"]}
    assert all(r["text"] == told[r["code"]]["text"] for r in raised["reasons"] if r["code"] != "others")
    for figure in (why["score"], why["risk"]):
        assert sum(r["weight"] for r in figure["reasons"]) == pytest.approx(figure["log_odds"], abs=1e-6)
    start = told["start"]["weight"]
    assert start + sum(e["weight"] for e in why["risk"]["experts"]) == pytest.approx(why["risk"]["log_odds"], abs=1e-6)
    table = shown("explain", "fresh")
    for words in ("what makes it look false", "together", "fresh-", "by the weights that verdicts taught"):
        assert words in table

    downstream(platform.settings, raised, why)

    switch("stop", "--yes", *BY)
    platform.settle()
    retracted = platform.flags("fresh")[-1]
    assert (retracted["action"], retracted["flag_id"]) == ("retract", raised["flag_id"])
    assert retracted["retracted_because"] == "killed"
    as_the_logs_say(platform.settings, retracted)
    platform.tell("quiet")
    platform.settle()
    assert platform.flags("quiet") == []

    switch("resume", *BY)
    platform.tell("heard", kind="reshare")
    platform.settle()
    assert [flag["action"] for flag in platform.flags("heard")] == ["raise"]
    assert platform.flags("heard")[0]["claim"] == {}  # what they share has not come yet
    root = platform.begin("heard", "The harbour is closed")
    platform.settle()
    renewed = platform.flags("heard", updates=True)[-1]
    assert (renewed["action"], renewed["claim"]) == ("update", root)
    assert "“The harbour is closed”" in shown("flags", "show", "heard")

    platform.rule("heard", "true")
    platform.settle()
    assert [flag["action"] for flag in platform.flags("heard")] == ["raise", "retract"]

    controls(platform)

    report = asyncio.run(verify(platform.settings))
    assert report.passed, report


def controls(platform: Platform) -> None:
    """A pause, a budget and a rule in shadow, as an operator sees them; a dry run of what was."""
    switch("pause", *BY)
    platform.tell("unheard")
    platform.settle()
    assert platform.flags("unheard") == []
    switch("resume", *BY)
    switch("precision", "0.5", "--rule", "risk-trial", "--by", "mia", "--note", "would it see more?")
    switch("precision", "0.5", *BY)  # the true claim that was flagged has made the rule careful
    switch("budget", "--an-hour", "0", *BY)
    platform.tell("late")
    platform.settle()
    assert platform.flags("late") == []
    quiet = platform.flags("late", topics.SHADOW_FLAGS)
    assert {(flag["rule_id"], flag["action"]) for flag in quiet} == {
        ("risk-cascade/1", "hold"),
        ("risk-trial/1", "raise"),
    }

    live, trial = (json.loads(line) for line in shown("flags", "status", "--json").splitlines())
    assert (live["state"], live["held_back"], live["an_hour"]) == ("running", 1, 0)
    assert {subject: done["by"] for subject, done in live["controls"].items()} == {
        "switch": "ann", "precision": "ann", "budget": "ann"
    }  # fmt: skip
    assert trial["stands"] >= 1
    assert trial["controls"]["precision"]["note"] == "would it see more?"
    table = shown("flags", "status")
    for words in ("held back: late", "would it see more?", "in shadow"):
        assert words in table

    switch("budget", "--an-hour", "4000", *BY)
    platform.tell("late", again="x")
    platform.settle()
    (raised,) = platform.flags("late")
    assert (raised["action"], raised["revision"]) == ("raise", 2)

    dry = json.loads(shown("flags", "dry-run", "--precision", "0.5", "--days", "300", "--json"))
    told = [*(f"lie-{n}" for n in range(LIES)), "fresh", "quiet", "heard", "unheard", "late"]
    assert dry["now"]["flags"] == sum(bool(platform.flags(claim)) for claim in told)  # what was really raised
    assert platform.flags("unheard") or "unheard" in dry["come"]  # the pause kept it away
    assert (dry["go"], dry["then"]["settled"] >= 1) == ([], True)
