"""Every alert has a runbook, and every command in it exists with these options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest

from streams.api.routes import ROUTES
from streams.cli.main import load
from streams.watching.alerts import ALERTS

FOLDER = Path(__file__).parents[2] / "docs" / "runbooks"
NAMES = sorted({alert.name for alert in ALERTS})


def section(name: str, heading: str) -> str:
    text = (FOLDER / f"{name}.md").read_text()
    found = re.search(rf"^## {heading}\n\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def commands(text: str) -> list[str]:
    return [line for block in re.findall(r"```\n(.*?)```", text, re.DOTALL) for line in block.splitlines() if line]


def parse(command: click.Command, words: list[str]) -> None:
    """Parse a command line as the command would, and run nothing."""
    if "--help" in words:
        words = [word for word in words if word != "--help"]
        assert not words or isinstance(command, click.Group), words
        while isinstance(command, click.Group) and words:
            _, found, words = command.resolve_command(click.Context(command), words)
            assert found is not None
            command = found
        return
    if isinstance(command, click.Group) and not (command.invoke_without_command and words[0].startswith("-")):
        _, found, rest = command.resolve_command(click.Context(command), words)
        assert found is not None
        return parse(found, rest)
    command.make_context(command.name, words)


def test_there_is_a_runbook_for_each_alert_and_no_other() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.md")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_says_what_it_means_and_its_commands_exist(name: str) -> None:
    for heading in ("Meaning", "Impact"):
        assert len(section(name, heading)) > 30
    for heading in ("Diagnosis", "Mitigation"):
        found = commands(section(name, heading))
        assert found, heading
        for line in found:
            program, first, *words = shlex.split(line)
            if program == "curl":
                assert urlsplit(first).path in {route.path for route in ROUTES}, line
            else:
                assert program == "credence", line
                parse(load(first), words)


def test_a_command_that_does_not_exist_is_found() -> None:
    with pytest.raises(click.UsageError):
        parse(load("flags"), ["explode"])
    with pytest.raises(click.UsageError):
        parse(load("claims"), ["--explode"])
