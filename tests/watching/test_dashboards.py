"""The dashboards are as they are declared, ask for what exists, and no panel of a real run is empty."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from streams.contract import metrics
from streams.watching.dashboards import FOLDER, written
from streams.watching.panel import Board, scoped
from streams.watching.panels import BOARDS
from tests.watching.tools import needs_prometheus

each_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)


def committed(board: Board) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{board.uid}.json").read_text())
    return found


@each_board
def test_a_dashboard_is_committed_as_it_is_declared(board: Board) -> None:
    assert (FOLDER / f"{board.uid}.json").read_text() == written(board), "run: python -m streams.watching.dashboards"


@each_board
def test_a_dashboard_has_its_uid_its_variables_and_panels_that_do_not_overlap(board: Board) -> None:
    found = committed(board)
    assert found["uid"] == board.uid
    assert [each["name"] for each in found["templating"]["list"]] == ["datasource", "namespace", "instance"]
    ids = [panel["id"] for panel in found["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in found["panels"]:
        place = panel["gridPos"]
        rows, columns = range(place["y"], place["y"] + place["h"]), range(place["x"], place["x"] + place["w"])
        cells = {(x, y) for y in rows for x in columns}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"


@each_board
def test_every_query_is_asked_of_the_namespace_and_instance_chosen_and_of_series_that_exist(board: Board) -> None:
    known = {metric.name: metric for metric in metrics.ALL}
    for panel in board.panels():
        for expr, legend in panel.queries:
            for name, labels in re.findall(r"\b(credence_\w+|up|process_\w+)\{([^}]*)\}", scoped(expr)):
                assert 'namespace=~"$namespace"' in labels
                metric = known.get(name) or known.get(re.sub(r"_(bucket|sum|count)$", "", name))
                assert metric or not name.startswith("credence_"), name
                for label in re.findall(r"(\w+)[=!]", labels):
                    assert not metric or label in (*metric.labels, "le", "namespace", "instance"), (panel.title, label)
            for label in re.findall(r"\{\{(\w+)\}\}", legend):
                assert label in expr or label == "instance", (panel.title, label)


def test_every_dashboard_is_in_the_manifest() -> None:
    manifest = yaml.safe_load((FOLDER.parent / "kustomization.yaml").read_text())
    listed = {name for each in manifest["configMapGenerator"] for name in each["files"]}
    assert listed == {f"dashboards/{board.uid}.json" for board in BOARDS} | {"rules.yaml"}


def test_no_panel_shows_a_person() -> None:
    for metric in metrics.ALL:
        assert not {"source", "claim", "user", "account", "rater", "id"} & metric.labels.keys()


@pytest.mark.timeout(900)
def test_every_panel_shows_something_of_a_real_run() -> None:
    needs_prometheus()
    command = [sys.executable, "-m", "streams.cli", "demo", "--watch", "--once", "--no-check", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)["watch"]
    assert told["panels"] == sum(len(board.panels()) for board in BOARDS)
    assert told["empty"] == []
