"""docs/architecture.md is true: its files and functions exist, and a small run calls them in its order."""

from __future__ import annotations

import importlib
import re
from functools import reduce
from itertools import groupby
from typing import NamedTuple

import pytest

from streams.contract import topics
from tests.house.path import Call, Path, functions
from tests.house.rooms import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
NOW_MS = 1_764_000_000_000


class Step(NamedTuple):
    """A row of the page."""

    unseen: bool  # without a broker, or from Python
    file: str
    function: str


def steps(heading: str) -> list[Step]:
    """The steps under a heading."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([○●]?) ?\| `([\w/.]+)` \| `([\w.]+)` \| ", section, re.M)
    assert len(rows) == sum(line.startswith("| ") and "`" in line for line in section.splitlines())
    return [Step(bool(mark), file, function) for mark, file, function in rows]


EVENT, VERDICT, LEARNING = re.findall(r"^## (From .+)$", PAGE, re.M)


@pytest.mark.parametrize("step", [s for heading in (EVENT, VERDICT, LEARNING) for s in steps(heading)], ids=str)
def test_every_step_names_a_function_that_is(step: Step) -> None:
    module = importlib.import_module(step.file.removesuffix(".py").replace("/", "."))
    function = reduce(getattr, step.function.split("."), module)
    assert callable(function)
    assert getattr(function, "__module__", "") == module.__name__, "it is defined elsewhere"


def walked(heading: str) -> list[Call]:
    """The steps that need no broker and that Python sees."""
    return [(step.file, step.function) for step in steps(heading) if not step.unseen]


def among(called: list[Call], wanted: list[Call]) -> list[Call]:
    """What was called, as far as it is on the page; several calls of one function in a row are one."""
    return [call for call, _ in groupby(call for call in called if call in set(wanted))]


def event(claim: str, id_: str) -> dict[str, object]:
    """A post by one source."""
    about = {"source_id": "ines.vale", "occurred_at_ms": NOW_MS - 3_600_000, "claim_id": claim}
    return {"v": 1, "id": id_, "kind": "post", **about}


def test_an_event_becomes_a_score_by_the_steps_of_the_page() -> None:
    path = Path()
    with functions() as called:
        path.send(topics.EVENTS, event("tax", "e1"))
        score = path.store.claim("tax")
    assert score is not None
    assert (score["events"], score["participants"]) == (1, 1)
    assert among(called, walked(EVENT)) == walked(EVENT)


def test_a_verdict_becomes_credit_and_lessons_by_the_steps_of_the_page() -> None:
    path = Path()
    for claim, id_ in (("tax", "e1"), ("bridge", "e2")):
        path.send(topics.EVENTS, event(claim, id_))
    with functions() as called:
        path.send(topics.RULINGS, ruling())
    source = path.store.source("ines.vale")
    assert source is not None
    assert (source["right"], source["wrong"]) == (0, 1)
    both = walked(VERDICT) + walked(LEARNING)
    assert among(called, both) == both


def ruling() -> dict[str, object]:
    """The claim "tax" is false."""
    about = {"claim_id": "tax", "version": 1, "verdict": "false", "rater_id": "desk", "kind": "fact-check"}
    return {"v": 1, "id": "r1", "ruled_at_ms": NOW_MS - 1_000, **about}


def test_topics_on_the_page_and_in_the_readme_are_declared() -> None:
    named = set(re.findall(r"`((?:social|trust)\.[\w.-]+)`", PAGE))
    assert len(named) > 8
    assert named <= {topic.base for topic in topics.ALL}
    picture = (ROOT / "README.md").read_text("utf-8").split("## How it works")[1].split("```")[1]
    words = set(re.findall(r"[a-z.]+(?:-[a-z]+)+|(?:social|trust)\.[a-z]+", picture))
    assert words == {"by-source", "by-claim", "claim-scores", "source-scores", "dead-letters"} | {
        "social.events",
        "trust.rulings",
    }
    assert all(any(word in topic.base for topic in topics.ALL) for word in words)
