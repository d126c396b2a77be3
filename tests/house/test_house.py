"""The rules of the house: who may import whom, how long a file and a function may be, and that names are told apart."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.house.rooms import HOUSES, ROOT, arrows, drawn, files, floors, imports, room

FILES = files(*HOUSES)
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50

# Lower floors first. A room imports from floors below its own, and from no other room of its floor.
FLOORS: list[set[str]] = [
    {"contract"},
    {"tables"},
    {"kafka", "scoring", "client"},
    {"engine", "broker"},
    {"agents"},
    {"worker", "datasets", "watching"},
    {"evaluate"},
    {"ops"},
    {"deliver"},
    {"api"},
    {"demo", "pages"},
    {"cli"},
    {"load_tests"},
]
# Below, and still unknown.
STRANGERS = {
    ("engine", "scoring"): "the engine knows nothing of trust",
    ("engine", "datasets"): "the engine knows nothing of trust",
}

each_file = pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))


def floor(name: str) -> int:
    """Of a room, by the list above."""
    return next(i for i, names in enumerate(FLOORS) if name.split("/")[0] in names)


def test_every_room_has_a_floor() -> None:
    assert {room(path).split("/")[0] for path in FILES} - {"streams", "__init__.py"} == set().union(*FLOORS)


@each_file
def test_imports_point_downwards(path: Path) -> None:
    own = room(path).split("/")[0]
    for each in imports(path):
        other = room(each.of).split("/")[0]
        if other == own or other == "__init__.py":
            continue
        where = f"{path.relative_to(ROOT)}:{each.line} imports {each.of.relative_to(ROOT)}"
        assert floor(other) < floor(own), f"{where}: {other} is not below {own}"
        assert (own, other) not in STRANGERS, f"{where}: {STRANGERS[own, other]}"


def test_no_rooms_import_each_other_in_a_circle() -> None:
    floors({room(path) for path in FILES}, arrows(FILES))


def test_an_import_is_seen_wherever_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.house.rooms.ROOT", tmp_path)
    for name in ("streams/engine/stage.py", "load_tests/chaos.py", "streams/cli/main.py", "streams/cli/topics.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    by = tmp_path / "streams/cli/main.py"
    for line in (
        "import load_tests.chaos",
        "from load_tests import chaos",
        "from load_tests.chaos import Chaos",
        "def late():\n    from load_tests.chaos import Chaos",
        "import importlib\nimportlib.import_module('load_tests.chaos')",
    ):
        by.write_text(line)
        assert [each.of.name for each in imports(by)] == ["chaos.py"], line
    by.write_text("from . import topics\nfrom ..engine import stage")
    assert [each.of.name for each in imports(by)] == ["topics.py", "stage.py"]


def test_a_circle_is_seen() -> None:
    with pytest.raises(ValueError, match="circle: a, b"):
        floors({"a", "b", "c"}, {("a", "b"), ("b", "a"), ("a", "c")})


def test_the_house_can_be_drawn() -> None:
    assert "scoring/claims" in drawn()


def test_no_two_files_bear_one_name() -> None:
    # A command's file is named as the command, and so may be what the command sets to work.
    rooms = [path for path in FILES if path.parent.name not in ("cli", "commands")]
    names = Counter(path.stem for path in rooms if not path.stem.startswith("__"))
    assert [name for name, count in names.items() if count > 1] == []


@each_file
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= FILE_LINES_MAX
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            # A command's signature holds its help, and so does a docstring: what counts is what is done.
            first = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0]
            assert node.end_lineno - first.lineno < FUNCTION_LINES_MAX, node.name


def test_nothing_is_called_utils() -> None:
    assert not [f for f in FILES if "util" in f.stem or "helper" in f.stem]


@each_file
def test_public_functions_and_classes_say_what_they_are_for(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree) or not tree.body, "the module has no docstring"
    defined = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    documented = {node.name for node in defined if ast.get_docstring(node)}  # of overloads, one
    assert not [node.name for node in defined if node.name[0] != "_" and node.name not in documented]
