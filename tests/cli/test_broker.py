"""`credence broker` and `credence topics` as a person or a script uses them, on a real broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli import broker as cli_broker
from streams.cli import topics as cli_topics
from streams.contract import topics
from streams.contract.settings import Settings

run = CliRunner().invoke


def test_start_status_and_stop_work_from_separate_commands(tmp_path: Path) -> None:
    where = ["--data-dir", str(tmp_path / "node")]
    started = run(cli_broker.app, ["start", *where, "--heap-mb", "256", "--json"])
    assert started.exit_code == 0, started.output
    try:
        bootstrap = json.loads(started.stdout)["bootstrap"]
        assert run(cli_broker.app, ["status", *where, "--bootstrap"]).stdout.strip() == bootstrap
        shown = run(cli_broker.app, ["status", *where]).stdout
        assert f"running   {bootstrap}" in shown
        assert str(tmp_path / "node" / "kafka.log") in shown
    finally:
        stopped = run(cli_broker.app, ["stop", *where])
    assert (stopped.exit_code, stopped.stdout.strip()) == (0, "stopped")
    assert run(cli_broker.app, ["stop", *where]).stdout.strip() == "was not running"
    assert run(cli_broker.app, ["status", *where]).exit_code == 3


def test_a_broker_that_cannot_start_exits_with_1_and_says_why(tmp_path: Path) -> None:
    failed = run(cli_broker.app, ["start", "--data-dir", str(tmp_path), "--heap-mb", "99999999"])
    assert failed.exit_code == 1
    assert "--heap-mb 256" in " ".join(failed.stderr.split())


def test_topics_are_created_and_listed(broker: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENCE_NAMESPACE", settings.namespace)
    monkeypatch.setenv("CREDENCE_BROKER", broker)
    before = [json.loads(line) for line in run(cli_topics.app, ["list", "--json"]).stdout.splitlines()]
    assert {row["partitions"] for row in before} == {0}
    created = run(cli_topics.app, ["create", "--partitions", "2"])
    assert created.exit_code == 0, created.output
    after = [json.loads(line) for line in run(cli_topics.app, ["list", "--json"]).stdout.splitlines()]
    assert [row["name"] for row in after] == [topic.name(settings) for topic in topics.ALL]
    assert {row["partitions"] for row in after} == {2}
    refused = run(cli_topics.app, ["create", "--partitions", "3"])
    assert refused.exit_code == 1
    said = " ".join(refused.stderr.split())
    assert "are there with 2 partitions, not 3" in said
    assert "`credence topics reset --partitions 3`" in said
    monkeypatch.setenv("CREDENCE_PARTITIONS", "3")
    assert run(cli_topics.app, ["create"]).exit_code == 1
    monkeypatch.delenv("CREDENCE_PARTITIONS")
    assert run(cli_topics.app, ["create"]).exit_code == 0
    assert "for ever" in run(cli_topics.app, ["list"]).stdout.replace("\n", " ")


def test_every_command_has_an_example() -> None:
    for app in (cli_broker.app, cli_topics.app):
        for command in app.registered_commands:
            assert (command.epilog or "").startswith("Example: credence ")
