"""The root of the command line: quick help, commands found where COMMANDS says, and each with an example."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from streams.cli.main import COMMANDS, app, load

PRESENT = [name for name, (module, _) in COMMANDS.items() if importlib.util.find_spec(f"streams.{module}")]


def test_help_imports_no_command() -> None:
    probe = (
        "import sys; from typer.testing import CliRunner; from streams.cli import app;"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0;"
        "print([m for m in sys.modules if m.startswith('streams.cli_') or m in ('faust', 'numpy')])"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_help_names_every_command_with_its_sentence() -> None:
    told = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    for name in PRESENT:
        assert name in told
        assert COMMANDS[name][1] in told


@pytest.mark.parametrize("name", PRESENT)
def test_every_command_loads_and_has_help(name: str) -> None:
    assert load(name).name == name
    assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0


def test_an_unknown_command_is_refused() -> None:
    assert CliRunner().invoke(app, ["nonsense"]).exit_code == 2
