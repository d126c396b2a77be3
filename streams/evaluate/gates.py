"""Gates: what keeps lies out of the risk. The core with some of them held open, and how often each acts on a stream.

    trust    verdicts are believed as far as they can be predicted (`skill`); open: always
    nets     accounts that act as one bring no weight and no record (`coordination`); open: nobody is looked for
    fading   what was learned of nets is forgotten again (`signals.nets`); open: it is kept like all that was learned
    mixture  learned weights are used as far as they forecast better than those of before any verdict (`mixture`);
             open: they alone

A gate is held open here alone; a worker has no such switch. What a gate brings under an attack is worth what it costs
on honest streams, where it should not act, or not matter. Failure mode: gates stand in for each other, so that one may
look needless while the others are shut.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from streams.evaluate.cascades import CascadeSet, Codes
from streams.evaluate.evaluation import Options, Progress, as_asked, run_scorer
from streams.evaluate.ours import GROUPS, Core
from streams.evaluate.protocol import Trial
from streams.scoring.numeric import Floats
from streams.scoring.parameters.mixture import Mixture
from streams.scoring.parameters.parameters_state import REMEMBER, Learner
from streams.scoring.parameters.skill import Skill
from streams.scoring.signals.nets import NETS
from streams.scoring.signals.registry import PRIOR_WEIGHTS, SIGNALS

GATES = ("trust", "nets", "fading", "mixture")
DOUBTED = 0.9  # trust below this is told as doubt
OF_NETS = [SIGNALS.index(signal.name) for signal in NETS]


def core(
    data: CascadeSet,
    opened: Collection[str] = (),
    without: Collection[str] = (),
    prior: Sequence[float] = PRIOR_WEIGHTS,
) -> Core:
    """The core under test with these gates held open and these signals switched off."""
    groups = None if "nets" in opened else GROUPS
    return Core(data, groups=groups, without=sorted(without), learner=GatedLearner(opened, prior))


class GatedLearner(Learner):
    """The parameters stage with some of its gates held open."""

    def __init__(self, opened: Collection[str] = (), prior: Sequence[float] = PRIOR_WEIGHTS) -> None:
        super().__init__(prior=prior)
        self.opened = frozenset(opened)
        if "fading" in opened:
            self.remember = np.ones_like(REMEMBER)

    def _skill(self) -> Skill:
        skill = super()._skill()
        return _Believing(skill.state) if "trust" in self.opened else skill

    def _mixture(self) -> Mixture:
        mixture = super()._mixture()
        return _LearnedAlone(mixture.state) if "mixture" in self.opened else mixture


class _Believing(Skill):
    """Believes every verdict."""

    @property
    def trust(self) -> float:
        """1."""
        return 1.0


class _LearnedAlone(Mixture):
    """Uses the last expert, the learned weights."""

    @property
    def shares(self) -> Floats:
        """[experts] 0, and 1 for the last."""
        return np.append(np.zeros(self.SIZE - 1), 1.0)


# --- how often they act ----------------------------------------------------------------------------------------------


def acting(
    data: CascadeSet, options: Options, progress: Progress = lambda what, done, of: None
) -> dict[str, dict[str, float]]:
    """Gate → how often it acts, as shares, in one line of time with all verdicts released.

    trust: its mean over verdicts, and of the verdicts those at which it was in doubt. nets: of the participants of the
    claims that were asked about those in nets, and of these claims those that had any. fading: of the lessons those in
    which nets voted, since only these teach what fades. mixture: the mean share of the learned weights.
    """
    data = as_asked(data, options)
    noting = _Noting(data, options.prior)
    run_scorer(Trial.of_set(data, options.horizons_ms, options.lag_ms, "released"), noting, progress, options.jobs)
    learned, asked = np.array(noting.noted.lessons).reshape(-1, 4), np.array(noting.asked).reshape(-1, 2)
    once = learned[learned[:, 0] == 1]  # a verdict teaches by claims of up to three ages; all have the first
    return {
        "trust": {"mean": float(once[:, 1].mean()), "doubted": float((once[:, 1] < DOUBTED).mean())},
        "nets": {
            "participants": float(asked[:, 0].sum() / asked[:, 1].sum()),
            "claims": float((asked[:, 0] > 0).mean()),
        },
        "fading": {"lessons": float(learned[:, 3].mean())},
        "mixture": {"learned": float(once[:, 2].mean())},
    }


class _NotingLearner(Learner):
    """Writes down of every lesson its age in hours, trust and the share of learned weights after it, if nets voted."""

    def __init__(self, prior: Sequence[float]) -> None:
        super().__init__(prior=prior)
        self.lessons: list[tuple[float, ...]] = []

    def _fit(self, signals: Floats, age: int, false: bool) -> None:
        super()._fit(signals, age, false)
        if not self._of:  # what is forgotten is learned a second time, apart
            voted = bool(np.any(signals[OF_NETS]))
            self.lessons.append((age, self._skill().trust, float(self._mixture().shares[-1]), voted))


class _Noting(Core):
    """Writes down, of each claim that it is asked about, how many of its participants are in nets, and of how many."""

    def __init__(self, data: CascadeSet, prior: Sequence[float]) -> None:
        self.noted = _NotingLearner(prior)
        self.asked: list[tuple[int, int]] = []
        super().__init__(data, learner=self.noted)

    def predict(self, claims: Codes, at_ms: int) -> tuple[Floats, Floats]:
        """As the core does."""
        made = super().predict(claims, at_ms)
        table = self.claims.data.claims
        rows = table.find([self._columns.claims[c] for c in claims.tolist()])
        for row in rows[rows >= 0].tolist():
            self.asked.append((int(table["netted"][row]), int(table["participants"][row])))
        return made


def told(found: Mapping[str, Mapping[str, float]], names: Collection[str]) -> list[str]:
    """A sentence for each of these gates."""
    sentences = {
        "trust": "verdicts are believed to {mean:.3f} in the mean, and to less than {least} at {doubted:.1%} of them",
        "nets": "{participants:.2%} of the participants are in nets; {claims:.1%} of the claims have any such",
        "fading": "nets voted in {lessons:.1%} of the lessons",
        "mixture": "learned weights have a share of {learned:.2f} in the mean",
    }
    return [f"{name}: {sentences[name].format(least=DOUBTED, **found[name])}" for name in GATES if name in names]
