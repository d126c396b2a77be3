"""What the pages say of the tree is so: links lead somewhere, files exist, words are used, decisions have a form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.decisions import FOLDER, INDEX, decisions, index, read
from tests.house.rooms import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINES_MAX = {"README.md": 130}
DECISION_LINES_MAX = 40

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
each_decision = pytest.mark.parametrize(
    "path", [p for p in PAGES if p.parent == FOLDER and p != INDEX], ids=lambda p: p.name
)


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if not re.match(r"https?:|#", target):
            assert (page.parent / target.split("#")[0]).exists(), target


@each_page
def test_files_and_folders_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(r"`((?:streams|load_tests|tests|docs|schemas|k8s)/[\w./-]*)`", page.read_text("utf-8"))
    assert not [path for path in named if not (ROOT / path).exists()]


@each_page
def test_names_that_a_page_says_are_in_a_file_are_there(page: Path) -> None:
    said = re.findall(
        r"`([\w.]+)`\s+(?:in|of)\s+`((?:streams|load_tests|tests)/[\w./-]+\.py)`", page.read_text("utf-8")
    )
    assert not [pair for pair in said if pair[0].split(".")[-1] not in (ROOT / pair[1]).read_text("utf-8")]


@each_page
def test_modules_that_a_page_runs_exist(page: Path) -> None:
    for module in re.findall(r"python -m ((?:streams|load_tests|tests)[\w.]*\w)", page.read_text("utf-8")):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


@pytest.mark.parametrize(("name", "most"), LINES_MAX.items())
def test_pages_stay_short(name: str, most: int) -> None:
    assert len((ROOT / name).read_text("utf-8").splitlines()) <= most


# --- decisions -------------------------------------------------------------------------------------------------------


def test_decisions_are_numbered_without_gaps_in_the_order_of_their_dates() -> None:
    pages = decisions()
    assert [page.number for page in pages] == list(range(1, len(pages) + 1))
    assert [page.made for page in pages] == sorted(page.made for page in pages)
    assert all(page.path.name.startswith(f"{page.number:04d}-") for page in pages)


@each_decision
def test_a_decision_has_its_form_is_short_and_says_whether_it_stands(path: Path) -> None:
    page = read(path)
    assert len(path.read_text("utf-8").splitlines()) <= DECISION_LINES_MAX
    assert (page.status == "superseded") == bool(page.superseded_by)


def test_what_supersedes_and_what_is_superseded_name_each_other() -> None:
    pages = {page.path.name: page for page in decisions()}
    for page in pages.values():
        for name in page.supersedes:
            assert page.path.name in pages[name].superseded_by, f"{name} does not name {page.path.name}"
        for name in page.superseded_by:
            assert page.path.name in pages[name].supersedes, f"{name} does not name {page.path.name}"


def test_the_index_of_decisions_is_up_to_date() -> None:
    assert INDEX.read_text("utf-8") == index(decisions()), "run `python -m tests.house.decisions`"


# --- words -----------------------------------------------------------------------------------------------------------


def glossary() -> list[tuple[str, str]]:
    """(word, file) of every row of the glossary."""
    page = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    return re.findall(r"^\| ([\w -]+) \| [^|]+ \| `([^`]+)` \|$", page, re.M)


def test_every_row_of_the_glossary_is_read_and_no_word_comes_twice() -> None:
    rows = [line for line in (ROOT / "docs" / "glossary.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    words = [word for word, _ in glossary()]
    assert len(words) == len(rows) - 2
    assert words == sorted(set(words), key=str.lower)


@pytest.mark.parametrize(("word", "path"), glossary())
def test_a_word_of_the_glossary_is_used_in_its_file(word: str, path: str) -> None:
    wanted = re.escape(word).replace(r"\ ", "[ _-]").replace(r"\-", "[ _-]")
    assert re.search(rf"(?<![a-z]){wanted}", (ROOT / path).read_text("utf-8"), re.IGNORECASE)
