"""The pages of docs/decisions: what each says of itself, and the index made of them.

``python -m tests.house.decisions`` writes the index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
INDEX = FOLDER / "README.md"
SECTIONS = ("Context", "Decision", "Consequences")
_HEAD = re.compile(
    r"# (?P<number>\d{4}): (?P<title>.+)\n\n"
    r"Status: (?P<status>accepted|superseded), (?P<date>\d{4}-\d\d-\d\d)(?:  )?\n"
    r"(?:Supersedes: (?P<supersedes>.+)\n)?(?:Superseded by: (?P<superseded_by>.+)\n)?\n## Context\n"
)
_LINK = re.compile(r"\[(\d{4})\]\((\d{4}-[a-z0-9-]+\.md)\)")


@dataclass(frozen=True)
class Decision:
    """One page.

    Attributes:
        supersedes, superseded_by: names of other pages' files.
    """

    path: Path
    number: int
    title: str
    status: str
    made: date
    supersedes: tuple[str, ...]
    superseded_by: tuple[str, ...]


def read(path: Path) -> Decision:
    """The page's head; ValueError where it has another form."""
    text = path.read_text("utf-8")
    head = _HEAD.match(text)
    if head is None:
        raise ValueError(f"{path.name} does not begin as a decision does")
    if tuple(re.findall(r"^## (.+)$", text, re.M)) != SECTIONS:
        raise ValueError(f"{path.name} has other sections than {', '.join(SECTIONS)}")
    links = {part: _linked(path, head[part] or "") for part in ("supersedes", "superseded_by")}
    made = date.fromisoformat(head["date"])
    return Decision(path, int(head["number"]), head["title"], head["status"], made, **links)


def _linked(path: Path, text: str) -> tuple[str, ...]:
    found = _LINK.findall(text)
    if any(not name.startswith(number) for number, name in found):
        raise ValueError(f"{path.name}: a link names another number than its page")
    return tuple(name for _, name in found)


def decisions() -> list[Decision]:
    """All pages, by number."""
    return [read(path) for path in sorted(FOLDER.glob("*.md")) if path != INDEX]


def index(pages: Iterable[Decision]) -> str:
    """The index page."""
    lines = [
        "# Decisions",
        "",
        "What was decided, why, and how we know; oldest first. What was tried and not taken is in",
        "[lab-notes.md](../lab-notes.md). Written by `python -m tests.house.decisions`; do not edit.",
        "",
        "| | decision | made | |",
        "| --- | --- | --- | --- |",
    ]
    for page in pages:
        status = "".join(f"superseded by [{name[:4]}]({name})" for name in page.superseded_by)
        lines.append(f"| [{page.number:04d}]({page.path.name}) | {page.title} | {page.made} | {status} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    INDEX.write_text(index(decisions()), "utf-8")
