"""A new signal is one entry in its family's file, made here as CONTRIBUTING says; everything else follows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FAMILY = "streams/scoring/signals/timing.py"
BEFORE = "\nTIMING = (\n"
ENTRY = """

@inlined
def _many(claim: Any, root: Any, settings: Any) -> Float:
    return math.log1p(claim.participants)


TIMING = (
    Signal(
        name="toy",
        prior=0.6,
        sd=LOOSE,
        meaning="how many take part",
        form="ln(1 + n)",
        compute=_many,
        idea=Idea("toy", "many take part", "few take part", first_post),
    ),
"""
WITNESS = """
import json

import numpy as np

from streams.api import reference
from streams.evaluate import ablation
from streams.evaluate.evaluation import Options
from streams.evaluate.synthetic import WorldSettings, make_world
from streams.scoring.parameters.parameters_state import Learner
from streams.scoring.signals.registry import SIGNALS
from tests.scoring.builders import Event, Pipeline, Ruling

pipeline = Pipeline()
many = [Event(f"u{i}", "many", f"m{i}", t=i, kind=0 if i == 0 else 1, root=int(i == 0)) for i in range(300)]
pipeline.events([*many, Event("u0", "one", "o", t=5, kind=0, root=1)])
why = {claim: pipeline.claims.explain(claim)["risk"]["reasons"] for claim in ("many", "one")}
signals = dict(zip(SIGNALS, pipeline.claims.read(["many"])["signals"][0].tolist(), strict=True))

learner = Learner()
for n in range(40):
    line = Pipeline()
    line.events([Event(f"s{i}", f"c{n}", f"e{n}/{i}", t=i) for i in range(2 + 60 * (n % 2))])
    line.rule(Ruling(f"c{n}", 1 + n % 2, t=30_000_000))
    for lesson in line.lessons:
        learner.apply(lesson, 1)

data = make_world("small", 3, WorldSettings(sources=60, claims=20, days=20, verdict_share=0.7, burn_in=0.0))
without = ablation.ablate(data, Options(lag_ms=0, baselines=()), without=("toy",))
print(json.dumps({
    "signal": signals["toy"],
    "many": why["many"],
    "one": why["one"],
    "flags": pipeline.flags,
    "learned": learner.values()["risk_toy"],
    "page": [line for line in reference.markdown().splitlines() if "`toy`" in line],
    "switched": ablation.switched(),
    "without": without,
}))
"""

# A minute of compiling is no fault of the signal, nor are five on a busy machine.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a checkout says in which the one entry was made."""
    place = tmp_path_factory.mktemp("toy")
    shutil.copytree(ROOT / "streams", place / "streams", ignore=shutil.ignore_patterns("__pycache__"))
    family = place / FAMILY
    text = family.read_text("utf-8")
    assert text.count(BEFORE) == 1
    family.write_text(text.replace(BEFORE, ENTRY), "utf-8")
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join((str(place), str(ROOT)))}
    done = subprocess.run(
        [sys.executable, "-c", WITNESS], env=paths, cwd=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def reason(reasons: list[dict[str, Any]]) -> dict[str, Any]:
    return next(r for r in reasons if r["code"] == "toy")


def test_it_is_computed_and_weighs_with_its_prior(told: Any) -> None:
    assert told["signal"] == pytest.approx(5.7071, abs=1e-4)  # ln(1 + 300)
    assert reason(told["many"])["weight"] == pytest.approx(0.6 * told["signal"])


def test_its_reason_has_its_words_and_the_events_to_read(told: Any) -> None:
    assert reason(told["many"])["text"] == "many take part"
    assert reason(told["many"])["evidence_ids"] == ["m0"]
    assert reason(told["one"])["evidence_ids"] == ["o"]


def test_flags_tell_it(told: Any) -> None:
    raised = next(flag for flag in told["flags"] if flag["subject"]["id"] == "many")
    assert reason(raised["reasons"])["text"] == "many take part"


def test_its_weight_is_learned(told: Any) -> None:
    assert told["learned"] > 0.62  # many took part in each false claim, few in each true one


def test_it_is_in_the_table_of_the_docs(told: Any) -> None:
    assert told["page"] == ["| `toy` | how many take part | ln(1 + n) | 0.6 ± 0.3 | 0.6 | `toy` |"]


def test_it_can_be_switched_off(told: Any) -> None:
    assert "toy" in told["switched"]
    assert told["without"]["toy"] != told["without"]["all"]
