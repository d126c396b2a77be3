"""The recipes of CONTRIBUTING.md hold: what follows by itself does follow, shown with toys."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Annotated

import orjson
import pytest
import typer
from typer.testing import CliRunner

from streams.api.reference import markdown
from streams.cli import main
from streams.contract import metrics, schemas
from streams.contract.record_fields import Count, doc
from streams.contract.records import ClaimScore
from streams.contract.words import SAFE_INTEGER_MAX
from tests.house.rooms import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
RECIPES = ("A signal of the risk", "A stage", "A command", "A metric", "A field of a record")


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_has_five_steps(recipe: str) -> None:
    section = PAGE.split(f"## {recipe}\n")[1].split("\n## ")[0]
    assert re.findall(r"^(\d)\. ", section, re.M) == list("12345")


@pytest.fixture
def toys() -> Iterator[metrics.Metric]:
    """A metric that is defined for the length of a test."""
    metric = metrics.define("counter", "credence_toys_total", "Toys that were counted.", material=("wood", "tin"))
    yield metric
    metrics.ALL.remove(metric)
    metrics.REGISTRY.unregister(metric.collector)


def test_a_metric_is_one_line_and_its_row_of_the_reference_follows(toys: metrics.Metric) -> None:
    toys.at("wood").inc()
    toys.at("glass").inc()
    counted = metrics.REGISTRY.get_sample_value
    assert counted("credence_toys_total", {"material": "wood"}) == 1
    assert counted("credence_toys_total", {"material": "other"}) == 1
    assert re.search(r"\| `credence_toys_total` \| counter \|.*Toys that were counted\.", markdown())


def test_a_command_is_a_file_and_a_line_and_its_help_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    def toy(count: int = typer.Option(1, help="How many.")) -> None:
        """Print toys.

        Example: credence toy --count 2
        """
        print("toy " * count)

    module = ModuleType("streams.cli.toy")
    monkeypatch.setattr(module, "toy", toy, raising=False)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(main.COMMANDS, "toy", ("toy", "Print toys."))
    run = CliRunner()
    assert run.invoke(main.app, ["toy", "--count", "2"]).output == "toy toy \n"
    assert "Print toys." in run.invoke(main.app, ["--help"], env={"COLUMNS": "200"}).output
    assert "How many." in run.invoke(main.app, ["toy", "--help"], env={"COLUMNS": "200"}).output


def test_a_field_is_one_line_and_its_schema_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    class Toys(ClaimScore, kw_only=True):
        """A claim's score that also counts toys."""

        toys: Annotated[Count, doc("How many toys.")] | None = None

    monkeypatch.setattr(schemas, "RECORDS", (Toys,))
    (written,) = schemas.files().values()
    schema = orjson.loads(written)
    assert schema["properties"]["toys"] == {
        "type": ["integer", "null"], "description": "How many toys.", "minimum": 0, "maximum": SAFE_INTEGER_MAX,
    }  # fmt: skip
    assert "toys" not in schema["required"]
