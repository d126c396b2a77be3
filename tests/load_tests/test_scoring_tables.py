"""docs/measured.md is as it was generated: every table with its origin and every row that the code knows of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from load_tests import scoring_tables
from load_tests.scoring_lab import SETS, Lab, number
from load_tests.scoring_tables import PAGE, TABLES, kept, whole, write


@pytest.mark.parametrize("name", kept(PAGE.read_text("utf-8")))
def test_every_table_is_on_the_page_with_its_origin_and_all_its_rows(name: str) -> None:
    text = kept(PAGE.read_text("utf-8"))[name]
    origin = text.splitlines()[0]
    assert re.fullmatch(
        r"\*`python -m load_tests\.scoring_tables DATA --only \w+ --seeds \d+`, commit \S+, \d{4}-\d\d-\d\d\*", origin
    ), origin
    begins = {line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")}
    missing = set(TABLES[name].rows) - begins
    assert not missing, f"run `python -m load_tests.scoring_tables DATA --only {name}`"


def test_the_page_holds_nothing_but_what_is_generated() -> None:
    page = PAGE.read_text("utf-8")
    assert page == whole(kept(page))


def test_a_table_replaces_the_former_one_and_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    monkeypatch.setattr(scoring_tables, "PAGE", page)
    write("flags", ["| .7 |"], "made today")
    write("twitter16", ["| .6 |"], "made today")
    write("flags", ["| .8 |"], "made tomorrow")
    assert kept(page.read_text("utf-8")) == {
        "twitter16": "*made today*\n\n| .6 |\n",
        "flags": "*made tomorrow*\n\n| .8 |\n",
    }


def test_figures_of_several_seeds_carry_half_their_interval() -> None:
    assert number({"mean": 0.8261, "low": 0.801, "high": 0.851}) == ".826 ±.025"
    assert number(1.25, 1, sign=True) == "+1.2"


def test_tables_are_made_of_any_folder_in_the_layout(tmp_path: Path) -> None:
    for name in SETS:
        (tmp_path / name).mkdir()
        events = ["ts,kind,claim_id,event_id,parent_id,user_id,stance"]
        for i in range(240):
            claim, at = i // 6, 3600 * (i // 6) + 60 * (i % 6)
            kind, stance = ("post", "") if i % 6 == 0 else ("reply", "deny" if claim % 3 == 0 else "support")
            events.append(f"{1_500_000_000 + at},{kind},c{claim},e{i},,u{i % 17},{stance}")
        (tmp_path / name / "events.csv").write_text("\n".join(events) + "\n")
        labels = [f"c{c},{'false' if c % 3 == 0 else 'true'}" for c in range(40)]
        (tmp_path / name / "claims.csv").write_text("\n".join(["claim_id,label", *labels]) + "\n")
    lab = Lab(tmp_path, seeds=1, jobs=1)
    for name in SETS:
        lines = list(TABLES[name].make(lab))
        begins = {line.split("|")[1].strip() for line in lines if line.startswith("|")}
        assert set(TABLES[name].rows) <= begins
        assert sum("over" in line for line in lines) >= 2
