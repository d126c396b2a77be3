"""`credence claims`, `sources` and `explain` over scores on a real broker."""

from __future__ import annotations

import json
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from streams.cli import read as cli_read
from streams.contract import topics
from streams.contract.settings import Settings
from streams.kafka import provision
from tests.scores import claim, community, flag, publish, source

app = typer.Typer()
app.command()(cli_read.claims)
app.command()(cli_read.sources)
app.command()(cli_read.health)
app.command()(cli_read.explain)

REASONS = [{"code": "denial", "weight": -1.2, "evidence_ids": ["bo", "cy"]}, {"code": "support", "weight": 0.4}]


@pytest.fixture
def filled(broker: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation with a few scores, named by the environment."""
    monkeypatch.setenv("CREDENCE_BROKER", broker)
    monkeypatch.setenv("CREDENCE_NAMESPACE", settings.namespace)
    monkeypatch.setenv("COLUMNS", "200")
    provision.create(broker, settings, [topics.CLAIM_SCORES, topics.SOURCE_SCORES, topics.COMMUNITIES, topics.FLAGS])
    publish(
        settings,
        [
            claim("old-news", risk=0.1),
            claim("old-news", version=2, risk=0.2),
            claim("rumour", risk=0.9, risk_low=0.8, risk_high=0.95, flagged=True, reasons=REASONS),
            claim("whisper", score=0.5, low=0.05, high=0.95, risk=0.5),
            source("alice", events=99),
            source("bob", events=1, right=0, wrong=0),
            community("harbour"),
            community("town", members=900, echo_index=0.0, enough_evidence=False, accuracy=None),
            flag("f1", "rumour", community="harbour"),
            flag("f1", "rumour", revision=2, action="update", priority=80),
            (topics.CLAIM_SCORES, "\x00claim", b"{}"),
        ],
    )
    return settings


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.usefixtures("filled")
def test_open_claims_are_listed_riskiest_first_with_the_newest_of_each() -> None:
    found = lines(run("claims", "--json"))
    assert [(each["claim_id"], each["version"]) for each in found] == [("rumour", 1), ("whisper", 1), ("old-news", 2)]
    assert claim("x").keys() - {"v"} <= found[0].keys()
    assert [each["claim_id"] for each in lines(run("claims", "--json", "--limit", "1"))] == ["rumour"]
    assert [each["claim_id"] for each in lines(run("claims", "--json", "--flagged"))] == ["rumour"]
    assert [each["claim_id"] for each in lines(run("claims", "--json", "--community", "harbour"))] == ["rumour"]
    assert lines(run("claims", "--json", "--community", "town")) == []


@pytest.mark.usefixtures("filled")
def test_tables_for_people_say_not_enough_evidence_instead_of_one_half() -> None:
    shown = run("claims").stdout
    assert "0.20 (0.10–0.30)" in shown
    assert "0.90 (0.80–0.95)" in shown
    whisper = next(line for line in shown.splitlines() if "whisper" in line)
    assert "not enough evidence" in whisper
    assert "0.50 (" not in whisper
    bob = next(line for line in run("sources").stdout.splitlines() if "bob" in line)
    assert "not enough evidence" in bob


@pytest.mark.usefixtures("filled")
def test_a_narrow_terminal_shows_intervals_uncut_and_not_when_a_claim_was_last_heard_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "last event" in run("claims").stdout
    monkeypatch.setenv("COLUMNS", "80")
    shown = run("claims").stdout
    for words in ("(0.10–0.30)", "(0.80–0.95)", "corroborated"):
        assert words in shown
    assert "last" not in shown


@pytest.mark.usefixtures("filled")
def test_sources_are_listed_busiest_first() -> None:
    assert [each["source_id"] for each in lines(run("sources", "--json"))] == ["alice", "bob"]


@pytest.mark.usefixtures("filled")
def test_explain_shows_reasons_and_flags_of_a_claim_and_the_record_of_a_source() -> None:
    (told,) = lines(run("explain", "rumour", "--json"))
    assert (told["subject"], told["reasons"], told["flags"][0]["revision"]) == ("claim", REASONS, 2)
    shown = run("explain", "rumour").stdout
    for part in ("poorly corroborated", "denial", "-1.20", "bo, cy", "flag likely-false stands: priority 80"):
        assert part in shown
    assert "0.90 (0.80–0.95)" in shown
    assert "mostly right so far" in run("explain", "alice").stdout


@pytest.mark.usefixtures("filled")
def test_explain_of_nothing_known_fails_and_says_where_to_look() -> None:
    unknown = run("explain", "nobody")
    assert unknown.exit_code == 1
    assert "credence claims" in unknown.stderr


def test_missing_topics_are_an_error_that_names_the_command(
    broker: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENCE_NAMESPACE", settings.namespace)
    failed = run("claims", "--broker", broker)
    assert failed.exit_code == 1
    assert "credence topics create" in " ".join(failed.stderr.split())


@pytest.mark.usefixtures("filled")
def test_communities_are_listed_largest_first() -> None:
    assert [each["community_id"] for each in lines(run("health", "--json"))] == ["town", "harbour"]


@pytest.mark.usefixtures("filled")
def test_ids_are_never_cut_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    shown = run("claims").stdout
    folded = "".join(line.split(" ")[0] for line in shown.splitlines())
    assert all(name in folded for name in ("rumour", "whisper", "old-news"))
    assert "…" not in shown


def test_where_nothing_is_known_yet_one_line_says_what_to_look_at(
    broker: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENCE_NAMESPACE", settings.namespace)
    provision.create(broker, settings, [topics.CLAIM_SCORES, topics.SOURCE_SCORES, topics.COMMUNITIES])
    for command in ("claims", "sources", "health"):
        told = run(command, "--broker", broker)
        assert (told.exit_code, told.stdout) == (0, "")
        assert "credence worker" in told.stderr
