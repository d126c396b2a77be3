"""credence dead-letters, as a person types it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import orjson
import pytest
from click.testing import Result
from kafka import KafkaProducer
from typer.testing import CliRunner

from streams.agents.intake.careful import Limits
from streams.agents.intake.events import decode_events
from streams.agents.publish.letters import of_reject
from streams.cli.dead_letters import app
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.kafka import provision
from streams.kafka.follower import tail

USED = [topics.EVENTS, topics.RULINGS, topics.DEAD_LETTERS]
ANGRY = b'{"v":1,"id":"\x1b[31m' + b"x" * 5_000
Run = Callable[..., Result]


@pytest.fixture
def refused(settings: Settings) -> Iterator[str]:
    """Name of an events topic with three refused records in partition 0, their letters written."""
    provision.create(settings.broker, settings, USED)
    events = topics.EVENTS.name(settings)
    producer = KafkaProducer(**client_kwargs(settings))
    for value in (ANGRY, b"[]", b"y" * 66_000):
        producer.send(events, value=value, partition=0).get(30)
    for record in tail(settings, events):
        (reject,) = decode_events([record], 0, Limits())[1]
        letter = of_reject(reject, events, 0, "intake")
        producer.send(topics.DEAD_LETTERS.name(settings), value=orjson.dumps(letter)).get(30)
    producer.close()
    yield events
    provision.delete(settings.broker, settings, USED)


@pytest.fixture
def run(settings: Settings) -> Run:
    env = {"CREDENCE_BROKER": settings.broker, "CREDENCE_NAMESPACE": settings.namespace, "COLUMNS": "200"}
    return lambda *words: CliRunner().invoke(app, list(words), env=env)


def test_list_counts_by_code_with_the_meaning_and_shows_the_newest(run: Run, refused: str) -> None:
    result = run("list")
    assert result.exit_code == 0, result.output
    for part in ("not_json", "not_object", "oversize", "The value is JSON, but no object.", f"{refused}/0/2", "66,000"):
        assert part in result.output


def test_list_prints_one_object_a_line_for_programs(run: Run, refused: str) -> None:
    lines = [json.loads(line) for line in run("list", "--json").output.splitlines()]
    assert [(line["origin"], line["code"], line["redrives"]) for line in lines] == [
        (f"{refused}/0/0", "not_json", 0),
        (f"{refused}/0/1", "not_object", 0),
        (f"{refused}/0/2", "oversize", 0),
    ]
    filtered = run("list", "--json", "--code", "oversize", "--since", "1h", "--stage", "intake").output.splitlines()
    assert [json.loads(line)["code"] for line in filtered] == ["oversize"]
    assert len(run("list", "--json", "--limit", "1").output.splitlines()) == 1


def test_an_empty_list_says_so(run: Run, refused: str) -> None:
    assert run("list", "--code", "orphan").output == "no dead letters\n"


def test_show_prints_the_bytes_escaped_and_cut_and_whole_on_demand(run: Run, refused: str) -> None:
    short, full = run("show", f"{refused}/0/0"), run("show", f"{refused}/0/0", "--full")
    assert short.exit_code == 0, short.output
    assert r"\x1b[31mxxx" in short.output
    assert "\x1b" not in short.output
    assert "more characters: --full" in short.output
    assert "x" * 5_000 in full.output
    assert run("show", f"{refused}/0/0", "--raw").stdout_bytes == ANGRY
    shown = json.loads(run("show", f"{refused}/0/2", "--json").output)
    assert (shown["code"], shown["value"], shown["whole"]) == ("oversize", "y" * 66_000, True)


def test_show_of_what_is_not_there_ends_with_status_1_and_says_what_to_do(run: Run, refused: str) -> None:
    for origin in ("nonsense", f"{refused}/0/77"):
        result = run("show", origin)
        assert result.exit_code == 1
        assert "error:" in result.output


def test_redrive_dry_then_real_then_again(run: Run, refused: str, settings: Settings) -> None:
    assert run("redrive", "--all", "--dry-run").output.startswith("2 would be redriven\n1 left alone: cut")
    assert len(list(tail(settings, refused))) == 3
    assert run("redrive", "--code", "not_object").output == "1 redriven\n"
    assert "redriven before (--again sends them)" in run("redrive", "--code", "not_object").output
    result = json.loads(run("redrive", f"{refused}/0/1", "--again", "--json").output)
    assert result == {"sent": [f"{refused}/0/1"], "skipped": {}, "dry_run": False}
    assert len(list(tail(settings, refused))) == 5
    assert "2×" in run("list").output


def test_redrive_wants_to_be_told_what(run: Run) -> None:
    result = run("redrive")
    assert result.exit_code == 2
    assert "--all" in result.output


def test_a_broken_duration_is_a_usage_error(run: Run) -> None:
    assert run("list", "--since", "soon").exit_code == 2


@pytest.mark.parametrize("command", ["list", "show", "redrive"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Example: credence dead-letters" in result.output
