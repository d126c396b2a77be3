"""What the demo says of a person's own data: what was known before each verdict, as `credence evaluate` has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streams.contract.settings import Settings
from streams.datasets import dataset
from streams.datasets.dataset import Dataset
from streams.demo.closing import before_verdicts
from streams.demo.in_order import InOrder, in_order
from streams.evaluate.evaluation import Options, evaluate
from streams.evaluate.readers import read_cascades

HOUR_MS = 3_600_000
LAG_MS = 24 * HOUR_MS
CLAIMS, EACH = 160, 15


def written(folder: Path, taste: Callable[[np.random.Generator, str], float]) -> Path:
    """A set of claims with random labels; a reply denies with the chance that `taste` gives by the label."""
    rng = np.random.default_rng(3)
    rows, labels = [], []
    for claim in range(CLAIMS):
        labels.append(str(rng.choice(["true", "false"])))
        start = 1_400_000_000 + claim * 9_000
        for i, after in enumerate(np.sort(rng.integers(0, 20 * 3600, EACH)).tolist()):
            denies = i and rng.random() < taste(rng, labels[-1])
            who = rng.integers(0, 200)
            kind, stance = ("reply" if i else "post"), ("deny" if denies else "support")
            rows.append(
                (start + after * bool(i), f"{kind},c{claim},e{claim}-{i},{f'e{claim}-0' if i else ''},u{who},{stance},")
            )
    text = "".join(f"{t},{rest}words of {n}\n" for n, (t, rest) in enumerate(sorted(rows)))
    (folder / "events.csv").write_text("ts,kind,claim_id,event_id,parent_id,user_id,stance,text\n" + text)
    (folder / "claims.csv").write_text("claim_id,label\n" + "".join(f"c{c},{v}\n" for c, v in enumerate(labels)))
    return folder


@pytest.fixture(scope="module")
def chance(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Dataset, InOrder]:
    """Stances and labels that know nothing of each other, after a pass in the order of event time."""
    folder = written(tmp_path_factory.mktemp("chance"), lambda rng, label: 0.4)
    data = dataset.read(folder)
    return folder, data, in_order(Settings(), data, LAG_MS, ("c7",))


def test_random_stances_and_labels_show_chance(chance: tuple[Path, Dataset, InOrder]) -> None:
    _, _, ordered = chance
    found = before_verdicts(ordered.before)
    assert found["claims"] == CLAIMS
    for by in ("risk", "risk_within", "score", "majority"):
        assert 0.4 < found[by] < 0.6
    low, high = found["ci"]
    assert low < 0.5 < high
    # The same figure with the verdicts in it would be nearly perfect, so this would show a leak.
    after = ordered.end.claims.read([claim.claim_id for claim in ordered.before])["risk"]
    false = np.array([claim.false for claim in ordered.before])
    assert after[false].min() > after[~false].max()


def test_stances_that_know_the_labels_show_more_than_chance(tmp_path: Path) -> None:
    data = dataset.read(written(tmp_path, lambda rng, label: 0.6 if label == "false" else 0.2))
    found = before_verdicts(in_order(Settings(), data, LAG_MS).before)
    assert min(found["risk"], found["majority"]) > 0.85


def test_the_figures_are_those_of_evaluate_at_the_time_of_the_verdicts(chance: tuple[Path, Dataset, InOrder]) -> None:
    folder, _, ordered = chance
    found = before_verdicts(ordered.before)
    options = Options(horizons_ms=(LAG_MS,), lag_ms=LAG_MS, groups="released", baselines=())
    made = evaluate(read_cascades(folder), options)
    by_claim = dict(zip((made.trial.of.claim_ids[c] for c in made.ours.claims), made.ours.log_odds[:, 0], strict=True))
    assert [claim.claim_id for claim in ordered.before] == list(by_claim)
    np.testing.assert_allclose([claim.risk_z for claim in ordered.before], list(by_claim.values()), atol=1e-9)
    theirs, score = made.report["ours"]["24h"], made.report["score"]["24h"]
    assert [found["risk"], found["risk_within"], found["score"]] == pytest.approx(
        [theirs["auc"], theirs["auc_within"], score["auc"]], abs=1e-12
    )
    assert found["ci"] == pytest.approx(theirs["ci"])
    assert {made.trial.of.claim_ids[f.claim] for f in made.ours.flags} == ordered.end.flagged.keys()


def test_a_claim_is_explained_as_of_before_its_verdict(chance: tuple[Path, Dataset, InOrder]) -> None:
    _, _, ordered = chance
    (explained,) = (claim for claim in ordered.before if claim.why)
    assert (explained.claim_id, explained.why["verdict"]) == ("c7", None)
    assert explained.why["risk"]["log_odds"] == pytest.approx(explained.risk_z)


def test_a_claim_without_a_title_bears_the_words_of_its_root(chance: tuple[Path, Dataset, InOrder]) -> None:
    _, data, _ = chance
    assert data.title("c0").startswith("words of ")
    assert data.title("nobody said it") == "nobody said it"
