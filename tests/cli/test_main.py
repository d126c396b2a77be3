"""The root of the command line: quick help, commands found where COMMANDS says, and each with an example."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest
from typer.testing import CliRunner

from streams.cli.main import COMMANDS, app, brought, load, sentence
from streams.evaluate.attacks import ATTACKS

PRESENT = [*COMMANDS, *brought()]


def test_help_imports_no_command() -> None:
    probe = (
        "import sys; from typer.testing import CliRunner; from streams.cli.main import app;"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0;"
        "print([m for m in sys.modules if m in ('streams.cli.worker', 'streams.cli.read', 'faust', 'numpy')])"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_help_names_every_command_with_its_sentence() -> None:
    told = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    for name in PRESENT:
        assert name in told
        assert sentence(name) in told


@pytest.mark.parametrize("name", PRESENT)
def test_every_command_loads_and_has_help(name: str) -> None:
    assert load(name).name == name
    assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0


def test_the_help_of_evaluate_names_every_attack() -> None:
    (option,) = [each for each in load("evaluate").params if each.name == "attack"]
    assert isinstance(option, click.Option)
    assert set(re.findall(r"[a-z]+", option.help or "")) - {"or"} == set(ATTACKS)


def test_the_load_tests_bring_their_commands_and_the_product_imports_none_of_them() -> None:
    assert brought().keys() == {"alarms", "bench", "chaos"}


def test_an_unknown_command_is_refused() -> None:
    assert CliRunner().invoke(app, ["nonsense"]).exit_code == 2
