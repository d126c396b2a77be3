"""`credence worker` and `communities` as on-call meets them: errors in a sentence, logs that can be read."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli.main import app
from streams.cli.worker import REPEAT_S, Seldom
from streams.contract.settings import Settings

COMMANDS = ("worker", "communities")


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_kafka_the_error_says_how_to_get_one(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENCE_HOME", str(tmp_path))
    monkeypatch.delenv("CREDENCE_BROKER", raising=False)
    refused = CliRunner().invoke(app, [command])
    assert refused.exit_code == 1
    assert refused.stderr.startswith("error: no Kafka to talk to: run `credence broker start`")


def test_a_kafka_that_does_not_answer_is_named_without_a_stack_trace() -> None:
    refused = CliRunner().invoke(app, ["worker", "--broker", "127.0.0.1:1"])
    assert refused.exit_code == 1
    assert "cannot reach Kafka at 127.0.0.1:1" in refused.stderr
    assert refused.exception is None or isinstance(refused.exception, SystemExit)


def test_verify_without_topics_names_the_command_that_makes_them(broker: str, settings: Settings) -> None:
    refused = CliRunner().invoke(app, ["verify", "--broker", broker], env={"CREDENCE_NAMESPACE": settings.namespace})
    assert refused.exit_code == 1
    assert "run `credence topics create`" in refused.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_log_level_that_is_none_is_refused(command: str) -> None:
    assert CliRunner().invoke(app, [command, "--log-level", "loud"]).exit_code == 2


def said(logger: str, line: int, at_s: float, level: int = logging.ERROR) -> logging.LogRecord:
    record = logging.LogRecord(logger, level, "client.py", line, "no connection", None, None)
    record.created = at_s
    return record


def test_what_a_library_repeats_is_heard_once_in_a_while_and_what_we_say_always() -> None:
    seldom = Seldom(REPEAT_S)
    assert [seldom.filter(said("aiokafka.client", 7, second)) for second in (0, 1, 29, 31, 32)] == [
        True, False, False, True, False,
    ]  # fmt: skip
    assert seldom.filter(said("aiokafka.client", 8, 1.0))
    assert all(seldom.filter(said("streams.worker.app", 7, float(second))) for second in range(3))
