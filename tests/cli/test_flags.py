"""`credence flags`: tail over a real broker, and the operator's switches as the pure core obeys them."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner, Result

from streams.cli import flags as cli_flags
from streams.contract import topics
from streams.contract.settings import Settings
from streams.kafka import provision
from tests.scores import flag, publish
from tests.scoring.builders import DAY_MS, Event, Pipeline, Ruling

app = typer.Typer()
app.add_typer(cli_flags.app, name="flags")


@pytest.fixture
def installation(broker: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation named by the environment, with two revisions of a flag, the first of them written twice."""
    monkeypatch.setenv("CREDENCE_BROKER", broker)
    monkeypatch.setenv("CREDENCE_NAMESPACE", settings.namespace)
    provision.create(broker, settings, [topics.FLAGS])
    again = flag("f1", "rumour")
    publish(settings, [again, again, flag("f1", "rumour", revision=2, action="update", priority=80)])
    return settings


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["flags", *arguments])


@pytest.mark.usefixtures("installation")
def test_tail_shows_each_revision_once() -> None:
    found = [json.loads(line) for line in run("tail", "--all", "--no-follow", "--json").stdout.splitlines()]
    assert [(each["flag_id"], each["revision"]) for each in found] == [("f1", 1), ("f1", 2)]
    newest = run("tail", "--last", "1", "--no-follow", "--json").stdout
    assert [json.loads(line) for line in newest.splitlines()] == found[1:]
    assert "rumour" in run("tail", "--no-follow").stdout


def test_a_flag_is_told_with_what_speaks_for_and_against_it_each_once_and_with_what_to_read(
    installation: Settings,
) -> None:
    reasons = [
        {"code": "history", "text": "they spread lies", "weight": 2.0, "evidence_ids": ["e1", "e2"]},
        {"code": "start", "text": "where every claim starts", "weight": 1.0, "evidence_ids": []},
        {"code": "slow", "text": "many joined it early", "weight": -0.5, "evidence_ids": ["e9"]},
        {"code": "others", "text": "3 weaker reasons together", "weight": 0.1, "evidence_ids": []},
    ]
    raised = flag("f2", "tale", risk=0.93, reasons=reasons)
    publish(installation, [raised, flag("f2", "tale", revision=2, action="retract", retracted_because="settled")])
    lines = [line.strip() for line in run("tail", "--no-follow").stdout.splitlines()]
    at = next(i for i, line in enumerate(lines) if "tale" in line)
    assert lines[at].endswith("raise    tale  high priority (70), risk 0.93, flagged from 0.74")
    told = ["because they spread lies", "although many joined it early", "read    e1, e2"]
    assert lines[at + 1 : at + 4] == told
    assert lines[at + 4].endswith("retract  tale  a verdict has come")


@pytest.mark.usefixtures("installation")
def test_a_switch_without_topics_is_an_error_that_names_the_command() -> None:
    refused = run("pause")
    assert refused.exit_code == 1
    assert "credence topics create" in " ".join(refused.stderr.split())


@pytest.mark.usefixtures("installation")
def test_kill_asks_before_it_retracts_everything() -> None:
    refused = CliRunner().invoke(app, ["flags", "kill"], input="n\n")
    assert refused.exit_code == 1
    assert "Retract every flag" in refused.output


def liars(claims: int = 8) -> Pipeline:
    """Twelve accounts who told that many claims, each ruled false a day later."""
    pipeline = Pipeline()
    for n in range(claims):
        at = 1_600_000_000_000 + n * 2 * DAY_MS
        pipeline.events([Event(f"liar-{i}", f"old-{n}", f"old-{n}-{i}", at + i * 60_000) for i in range(12)])
        pipeline.rule(Ruling(f"old-{n}", 2, at + DAY_MS))
    return pipeline


def tell(pipeline: Pipeline, claim: str) -> list[str]:
    """The liars tell a claim; what became of its flag."""
    before = len(pipeline.flags)
    at = 1_600_000_000_000 + 40 * DAY_MS
    for i in range(12):
        pipeline.events([Event(f"liar-{i}", claim, f"{claim}-{i}", at + i * 1000)])
    return [f["action"] for f in pipeline.flags[before:] if f["subject"]["id"] == claim and f["action"] != "update"]


def test_killing_retracts_at_once_and_nothing_is_raised_until_flags_resume() -> None:
    pipeline = liars()
    assert tell(pipeline, "new") == ["raise"]
    pipeline.params(1, **cli_flags.SWITCHES["kill"][0])
    assert (pipeline.flags[-1]["action"], pipeline.flags[-1]["retracted_because"]) == ("retract", "killed")
    assert tell(pipeline, "newer") == []
    pipeline.params(2, **cli_flags.SWITCHES["resume"][0])
    assert tell(pipeline, "newest") == ["raise"]


def test_a_pause_raises_nothing_and_lets_what_stands_be() -> None:
    pipeline = liars()
    assert tell(pipeline, "new") == ["raise"]
    before = len(pipeline.flags)
    pipeline.params(1, **cli_flags.SWITCHES["pause"][0])
    assert tell(pipeline, "newer") == []
    assert len(pipeline.flags) == before
