"""The code of the house: who may import whom, how long a file and a function may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FILES = sorted([*(ROOT / "streams").rglob("*.py"), *(ROOT / "load_tests").rglob("*.py")])
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50

# Lower layers first; a module imports from its own layer and from those before it.
LAYERS: list[set[str]] = [
    {"admin", "csvfiles", "words", "settings", "categorical", "compression", "index", "printable"},
    {"times", "labels", "findings"},
    {"columns", "blocks", "metrics", "events", "topics", "identity"},
    {"scoring", "engine", "codec", "broker", "schemas", "reading", "recount", "tally", "dataset", "tail", "console"},
    {"agents", "deadletters", "idle", "evaluate"},
    {"app", "api", "explanation", "replay", "former"},
    {"verify", "reference"},
    {"demo"},
    {"cli"},
]
# Within a layer nothing knows the others, but for these.
SIBLINGS = {
    ("codec", "engine"): False,
    ("scoring", "engine"): False,
    ("engine", "scoring"): False,
    ("engine", "codec"): False,
    ("engine", "events"): False,
    ("scoring", "topics"): False,
    ("scoring", "settings"): False,
}


def part(module: str) -> str:
    """streams.engine.stage → engine; streams.cli_worker → cli."""
    name = module.split(".")[1]
    return "cli" if name.startswith("cli") else name


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "streams":
            yield from (f"streams.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("streams."):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("streams."))


def layer(name: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if name in names)


@pytest.mark.parametrize(
    "path", [f for f in FILES if f.parts[-2] != "load_tests"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_imports_point_one_way(path: Path) -> None:
    relative = path.relative_to(ROOT)
    if relative.parts[0] != "streams" or (relative.name == "__init__.py" and len(relative.parts) == 2):
        return
    own = part("streams." + relative.parts[1].removesuffix(".py"))
    for module in imports(path):
        other = part(module)
        assert layer(other) <= layer(own), f"{relative} imports {module}: {own} lies below {other}"
        assert SIBLINGS.get((own, other), True), f"{relative} imports {module}: {own} knows nothing of {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
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


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_public_functions_and_classes_say_what_they_are_for(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree) or not tree.body, "the module has no docstring"
    defined = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    documented = {node.name for node in defined if ast.get_docstring(node)}  # of overloads, one
    assert not [node.name for node in defined if node.name[0] != "_" and node.name not in documented]
