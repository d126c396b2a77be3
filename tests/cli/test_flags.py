"""`credence flags`: tail over a real broker, and what the operator's controls ask for."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner, Result

from streams.cli import flags as cli_flags
from streams.contract import topics
from streams.contract.settings import Settings
from streams.kafka import provision
from tests.scores import T0_MS, flag, publish

BY = ("--by", "mia", "--note", "a storm of reports")
app = typer.Typer()
app.add_typer(cli_flags.app, name="flags")


@pytest.fixture
def installation(broker: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation named by the environment, with two revisions of a flag, the first of them written twice."""
    monkeypatch.setenv("CREDENCE_BROKER", broker)
    monkeypatch.setenv("CREDENCE_NAMESPACE", settings.namespace)
    provision.create(broker, settings, [topics.FLAGS, topics.SHADOW_FLAGS])
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


RAISED = {
    "risk": 0.93, "risk_low": 0.81, "risk_high": 0.97, "score": 0.5, "score_low": 0.1, "score_high": 0.9,
    "enough_evidence": False, "supports": 31, "denials": 4, "queries": 2,
    "claim": {
        "event_id": "e0", "author_id": "ana", "posted_at_ms": T0_MS - 7_200_000, "text": "The [bridge] is shut",
        "url": "https://a.example/1", "lang": "en",
    },
    "spread": {
        "participants": 40, "events": 52, "first_event_ms": T0_MS - 7_200_000, "per_hour": 12.4,
        "expected_per_hour": 9.0, "expected_24h": 80.2, "usual_participants": 20.0,
    },
    "would_fall": "The flag is taken back when its risk, now 93%, falls below 63%.",
    "appeal": "Whoever posted it may ask for another look. The flag itself restricts nobody.",
    "community": "harbour",
    "reasons": [
        {"code": "history", "text": "they spread lies", "weight": 2.0, "evidence_ids": ["e1", "e2"]},
        {"code": "start", "text": "where every claim starts", "weight": 1.0, "evidence_ids": []},
        {"code": "slow", "text": "many joined it early", "weight": -0.5, "evidence_ids": ["e9"]},
        {"code": "others", "text": "3 weaker reasons together", "weight": 0.1, "evidence_ids": []},
    ],
}  # fmt: skip
TOLD = [
    "says     “The [bridge] is shut”",
    "at       https://a.example/1",
    "posted   by ana, on 2025-11-24 14:00 UTC, in en, post e0, said mostly in harbour",
    "spread   40 people in 52 posts and reactions over 2 hours (a story here usually has 20 people after its first"
    " hour); lately 12 an hour, and about 80 more are expected within a day",
    "sides    31 say it is so, 4 say it is not, 2 ask for proof",
    "risk     93% likely to be false (between 81% and 97%), by all signs together; stories of this size are flagged"
    " from 74%",
    "record   too few people with a record took a side to tell by them alone",
    "because  they spread lies",
    "although many joined it early",
    "look at  the posts and replies e1, e2",
    "until    The flag is taken back when its risk, now 93%, falls below 63%.",
    "appeal   Whoever posted it may ask for another look",
    "answer   whether it is so: credence rule tale true|false|mixed --by YOU --note WHY",
    "or       whether this flag was worth your time: credence decide r/tale/2 confirmed|dismissed|duplicate --by YOU",
]


def test_a_flag_tells_all_that_a_moderator_needs_and_show_tells_what_became_of_it(installation: Settings) -> None:
    raised = flag("r/tale/2", "tale", **RAISED)
    gone = flag("r/tale/2", "tale", **RAISED | {"revision": 2, "action": "retract", "retracted_because": "settled"})
    publish(installation, [raised, gone])
    lines = [line.strip() for line in run("tail", "--no-follow").stdout.splitlines()]
    at = next(i for i, line in enumerate(lines) if "r/tale/2" in line)
    assert lines[at].endswith("please look · priority 70 of 100 (high)  r/tale/2")
    assert lines[at + 1 : at + 15] == TOLD
    assert lines[at + 15].endswith("taken back: a verdict has come  r/tale/2")
    assert lines[at + 16] == "about    The [bridge] is shut"
    for name in ("r/tale/2", "tale"):
        shown = [line.strip() for line in run("show", name).stdout.splitlines()]
        assert shown[0] == "This flag was taken back: a verdict has come. When it stood, it said:"
        assert shown[2:16] == TOLD
        assert shown[16] == "history, in event time"
        assert [line.partition(" UTC  ")[2] for line in shown[17:]] == [
            "please look · priority 70 of 100 (high), 93% likely to be false",
            "taken back: a verdict has come, 93% likely to be false",
        ]
    assert json.loads(run("show", "tale", "--json").stdout)["revision"] == 2
    assert run("show", "nothing").exit_code == 1


def test_what_reaches_no_queue_is_shown_when_it_is_asked_for(installation: Settings) -> None:
    held = flag("risk-cascade/tale/3", "tale", action="hold", rule_id="risk-cascade/1")
    publish(installation, [(topics.SHADOW_FLAGS, "tale", json.dumps(held).encode())])
    assert "held back by its budget" in run("tail", "--no-follow", "--shadow").stdout
    assert "held back" not in run("tail", "--no-follow").stdout


@pytest.mark.usefixtures("installation")
def test_a_switch_without_topics_is_an_error_that_names_the_command() -> None:
    refused = run("pause", *BY)
    assert refused.exit_code == 1
    assert "credence topics create" in " ".join(refused.stderr.split())


@pytest.mark.usefixtures("installation")
def test_stop_asks_before_it_retracts_everything() -> None:
    refused = CliRunner().invoke(app, ["flags", "stop", *BY], input="n\n")
    assert refused.exit_code == 1
    assert "Retract every flag" in refused.output


@pytest.mark.usefixtures("installation")
@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (("pause", "--rule", "mood", *BY), "there is no rule mood"),
        (("budget", *BY), "say --an-hour, --standing, or both"),
        (("budget", "--an-hour", "1", *BY), "less than one for each of the"),
        (("pause", "--note", "x"), "--by"),
        (("stop", "--yes", "--by", "mia"), "--note"),
    ],
)
def test_a_control_that_makes_no_sense_is_refused_with_a_sentence(command: tuple[str, ...], refusal: str) -> None:
    refused = run(*command)
    assert refused.exit_code != 0
    assert refusal in " ".join(refused.stderr.split())
