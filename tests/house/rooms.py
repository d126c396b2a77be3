"""The house as its imports make it: rooms, the floor each stands on, and who imports whom.

``python -m tests.house.rooms`` prints it. A room is a folder of `streams`, or `load_tests`; in `scoring` and `agents`
each folder is one, and each file that lies beside them. A room stands one floor above the highest that it imports.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOUSES = ("streams", "load_tests")
SPLIT = ("streams/scoring", "streams/agents")
"""Folders whose own folders are rooms."""


@dataclass(frozen=True)
class Import:
    """One import: the file that has it, its line, and the file that it names."""

    by: Path
    line: int
    of: Path


def files(*houses: str) -> list[Path]:
    """Every Python file below these folders of the checkout, sorted."""
    return sorted(path for house in houses for path in (ROOT / house).rglob("*.py"))


def imports(path: Path) -> Iterator[Import]:
    """Every import of one of our files, wherever it stands: within functions, of load tests, relative, by name."""
    for node in ast.walk(ast.parse(path.read_text())):
        for module in _named(node, path):
            if found := _file(module):
                yield Import(path, getattr(node, "lineno", 0), found)


def _named(node: ast.AST, path: Path) -> Iterable[str]:
    """Dotted names that a node may import."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            package = path.relative_to(ROOT).parts[: -node.level]
            base = ".".join([*package, *([node.module] if node.module else [])])
        # A name taken from a package may be a module of it.
        deeper = [f"{base}.{alias.name}" for alias in node.names]
        return [name if _file(name) else base for name in deeper]
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
        return [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return []


def _file(module: str) -> Path | None:
    """The file of a module of ours; None for whatever is not."""
    if module.split(".")[0] not in HOUSES:
        return None
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


def room(path: Path) -> str:
    """The room that a file stands in: `engine`, `scoring/claims`, `scoring/numeric`, `load_tests`."""
    parts = path.relative_to(ROOT).parts
    if parts[0] != "streams" or len(parts) == 2:
        return parts[0]
    deep = "/".join(parts[:2]) in SPLIT and parts[2] != "__init__.py"
    return "/".join(parts[1:3] if deep else parts[1:2]).removesuffix(".py")


def arrows(paths: Iterable[Path]) -> dict[tuple[str, str], list[Import]]:
    """(room that imports, room imported) → the imports, between different rooms."""
    found: dict[tuple[str, str], list[Import]] = {}
    for path in paths:
        for each in imports(path):
            if (pair := (room(each.by), room(each.of))) and pair[0] != pair[1]:
                found.setdefault(pair, []).append(each)
    return found


def floors(rooms: Iterable[str], between: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Room → floor, 0 for who imports no other. ValueError names the rooms of a circle."""
    below: Mapping[str, set[str]] = {name: {b for a, b in between if a == name} for name in rooms}
    found: dict[str, int] = {}
    while len(found) < len(below):
        ready = [name for name in below if name not in found and below[name] <= found.keys()]
        if not ready:
            raise ValueError(f"these rooms import each other in a circle: {', '.join(sorted(below.keys() - found))}")
        found |= {name: 1 + max((found[b] for b in below[name]), default=-1) for name in ready}
    return found


def drawn() -> str:
    """The house as text, the highest floor first: each room with its files and lines, and what it imports."""
    paths = files(*HOUSES)
    between = arrows(paths)
    inside: dict[str, list[Path]] = {}
    for path in paths:
        if path.read_text().strip():
            inside.setdefault(room(path), []).append(path)
    standing = floors(inside, between)
    lines = [f"{len(inside)} rooms, {max(standing.values()) + 1} floors, {len(between)} arrows, {len(paths)} files", ""]
    for floor in sorted(set(standing.values()), reverse=True):
        lines.append(f"floor {floor}")
        for name in sorted(n for n, f in standing.items() if f == floor):
            length = sum(len(path.read_text().splitlines()) for path in inside[name])
            uses = ", ".join(f"{b} {len(between[a, b])}" for a, b in sorted(between) if a == name)
            lines.append(f"  {name:22} {len(inside[name]):3} files {length:6,} lines   → {uses or 'nobody'}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(drawn())
