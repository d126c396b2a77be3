"""Answer sets of crowdsourcing: questions are claims, workers sources, and every tenth truth a verdict.

One online pass in file order. The truths of questions k, k+10, k+20, … by first appearance are released after their
last answer; what a query would return at the end of the stream is compared with the truth of the others. Reported is
the mean over the ten k. A set with two possible answers has one claim a question ("the answer is the second one in
sorted order"). With more, there is one claim for each possible answer; a worker supports the one given and denies the
others, and the claim with the highest log-odds of being true is the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.contract.codes import DENY, FALSE, REPLY, SUPPORT, TRUE
from streams.datasets.csv_files import read_table
from streams.evaluate.baselines import BASELINES
from streams.evaluate.baselines.dawid_skene import DawidSkene
from streams.evaluate.cascades import CascadeSet, Codes, Small, codes_of
from streams.evaluate.forks import Forks
from streams.evaluate.ours import Core
from streams.evaluate.protocol import Batch, Scorer
from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import sigmoid

Ints = npt.NDArray[np.int64]

FOLDS = 10
STEP_MS = 10  # files have no times; so close together, a question is settled by all of its answers
EPOCH_MS = 1_600_000_000_000
T_975 = 2.262  # Student, nine degrees of freedom
CONCLUSIONS = "ours, offline, with its conclusions"
METHODS = (CONCLUSIONS, "majority", "dawid_skene", "truthfinder", "crh", "catd", "accucopy", "signed_beta_nb")

# Accuracy and F1 in %, offline, no verdicts: Zheng et al., Truth Inference in Crowdsourcing, PVLDB 2017, table 6.
PUBLISHED = {
    "d_product": {
        "majority": (89.66, 59.05),
        "crh": (89.81, 59.34),
        "GLAD": (92.20, 60.17),
        "catd": (92.66, 65.92),
        "ZenCrowd": (92.80, 63.59),
        "dawid_skene": (93.66, 71.59),
        "LFC": (93.73, 71.48),
        "BCC": (93.78, 70.10),
        "CBCC": (93.72, 70.87),
        "Minimax": (84.09, 55.26),
        "KOS": (89.55, 50.31),
        "VI-MF": (83.91, 55.31),
    }
}


@dataclass(frozen=True)
class AnswerSet:
    """Answers in file order.

    Attributes:
        question, worker, answer: [answers] codes by first appearance; answer codes index `options`, which is sorted.
        truth: [questions] code of the true answer, −1 where it is not given.
    """

    name: str
    question: Codes
    worker: Codes
    answer: Codes
    question_ids: list[str]
    worker_ids: list[str]
    options: list[str]
    truth: Codes


def found(directory: Path) -> bool:
    """Whether the directory holds answer sets."""
    return any(directory.glob("*_answer.csv*"))


def read(directory: Path) -> list[AnswerSet]:
    """Every answer set of the directory. DatasetError if a truth file or a column is missing."""
    sets = []
    for path in sorted(directory.glob("*_answer.csv*")):
        name = path.name.split("_answer.csv")[0]
        answers = read_table(directory, f"{name}_answer", ("question", "worker", "answer"))
        truth = read_table(directory, f"{name}_truth", ("question", "truth"))
        question, question_ids = codes_of(answers["question"])
        worker, worker_ids = codes_of(answers["worker"])
        options = sorted({*answers["answer"], *truth["truth"]})
        code = {o: i for i, o in enumerate(options)}
        known = dict(zip(truth["question"], truth["truth"], strict=True))
        sets.append(
            AnswerSet(
                name,
                question,
                worker,
                np.array([code[answer] for answer in answers["answer"]], np.int32),
                question_ids,
                worker_ids,
                options,
                np.array([code[known[q]] if q in known else -1 for q in question_ids], np.int32),
            )
        )
    return sets


def as_cascades(answers: AnswerSet) -> CascadeSet:
    """The set as events ten milliseconds apart: one claim a question, or one for each option if there are more."""
    k = len(answers.options)
    n = len(answers.question)
    if k <= 2:
        claim, user, sign = answers.question, answers.worker, np.where(answers.answer == k - 1, SUPPORT, DENY)
        names = answers.question_ids
        truth = np.where(answers.truth == k - 1, TRUE, FALSE)
    else:
        claim = (answers.question[:, None] * k + np.arange(k)).ravel()
        user = np.repeat(answers.worker, k)
        sign = np.where(answers.answer[:, None] == np.arange(k), SUPPORT, DENY).ravel()
        names = [f"{q}={o}" for q in answers.question_ids for o in answers.options]
        truth = np.where(answers.truth[:, None] == np.arange(k), TRUE, FALSE).ravel()
    rows = len(claim)
    t_ms = EPOCH_MS + STEP_MS * np.repeat(np.arange(n, dtype=np.int64), rows // max(n, 1))
    return CascadeSet(
        name=answers.name,
        t_ms=t_ms,
        kind=np.full(rows, REPLY, np.int8),
        stance=sign.astype(np.int8),
        claim=claim.astype(np.int32),
        user=user.astype(np.int32),
        event_ids=[f"a{i:08d}" for i in range(rows)],
        parent=["question"] * rows,
        community=np.zeros(rows, np.int32),
        text_hash=np.zeros(rows, np.uint64),
        claim_ids=names,
        user_ids=answers.worker_ids,
        communities=[""],
        truth=truth.astype(np.int8),
        group=np.arange(len(names), dtype=np.int32),
    )


def one_pass(answers: AnswerSet, data: CascadeSet, scorer: Scorer, released: Ints) -> Codes:
    """[questions] the scorer's answer at the end of the stream, after a verdict on each released question."""
    k = len(data.claim_ids) // len(answers.question_ids)
    last = np.zeros(len(answers.question_ids), np.int64)
    np.maximum.at(last, data.claim // k, np.arange(len(data)))
    asserted = data.asserted
    position = 0
    for question in released[np.argsort(last[released], kind="stable")].tolist():
        position = _feed(scorer, data, asserted, position, int(last[question]) + 1)
        claims = np.arange(question * k, question * k + k, dtype=np.int32)
        scorer.rule(claims, data.truth[claims], int(data.t_ms[last[question]]) + 1)
    _feed(scorer, data, asserted, position, len(data))
    odds_false, _ = scorer.predict(np.arange(len(data.claim_ids), dtype=np.int32), int(data.t_ms[-1]) + 1)
    if k == 1:
        return np.where(odds_false < 0, len(answers.options) - 1, 0).astype(np.int32)
    best = np.argmin(odds_false.reshape(-1, k), axis=1)
    return np.asarray(best, np.int32)


def _feed(scorer: Scorer, data: CascadeSet, asserted: npt.NDArray[np.int8], lo: int, hi: int) -> int:
    if hi > lo:
        part = asserted[lo:hi], data.t_ms[lo:hi], data.kind[lo:hi], data.claim[lo:hi], data.user[lo:hi]
        scorer.feed(Batch(data, lo, hi, *part))
    return max(lo, hi)


class CoreByScore(Core):
    """The core, judged by what a query returns: the public score, not the risk."""

    def __init__(self, data: CascadeSet) -> None:
        # Few workers with very many open questions: a changed weight has to reach all of them, not the newest 32.
        # Workers are given their questions and do not see each other's answers: that two of them meet on many is no
        # sign of coordination, and no correlation discounts what they say.
        config = ScoringConfig(
            restamp_claims=1 << 16, restamp_epsilon=0.1, rho_unassigned=0.0, community_cap=100.0, weight_max=3.5
        )
        super().__init__(data, config, groups=None)

    def predict(self, claims: Codes, at_ms: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Minus the public score's log-odds, and the score."""
        now = self.claims.read([self._columns.claims[c] for c in claims.tolist()], rulings=False)
        return -np.asarray(now["score_z"], np.float64), np.asarray(now["score"], np.float64)


class WithConclusions(CoreByScore):
    """Offline only: the public score, and then one round of learning from what it concluded itself.

    Workers' coins are counted again, with every answer weighted by the score of its question in place of a verdict, and
    each question is judged by them: a round of Dawid–Skene that starts from the score. Scores that people see never
    learn so. It believes what most already say, which is what somebody who games it brings about.
    """

    def __init__(self, data: CascadeSet) -> None:
        super().__init__(data)
        self._answers = DawidSkene(data)

    def feed(self, batch: Batch) -> None:
        """Both hear it."""
        super().feed(batch)
        self._answers.feed(batch)

    def rule(self, claims: Codes, verdicts: Small, at_ms: int | Ints) -> None:
        """Both hear it."""
        super().rule(claims, verdicts, at_ms)
        self._answers.rule(claims, verdicts, at_ms)

    def predict(self, claims: Codes, at_ms: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Log-odds of being false and P(true), after the round."""
        answered = self._answers.answered()
        _, score = super().predict(answered, at_ms)
        matrix = self._answers.matrix()
        self._answers.round(matrix, matrix.clamp(score))
        odds_false = np.array([self._answers.log_odds_of(claim) for claim in claims.tolist()])
        return odds_false, sigmoid(-odds_false)


def evaluate(
    answers: AnswerSet,
    progress: Callable[[str, int, int], None] = lambda what, done, of: None,
    methods: tuple[str, ...] = METHODS,
    folds: int = FOLDS,
    jobs: int = 2,
) -> dict[str, Any]:
    """The report: accuracy and F1 in %, mean over the folds with a 95 % interval, beside baselines and published."""
    data = as_cascades(answers)
    methods_of: dict[str, Callable[[CascadeSet], Scorer]] = {CONCLUSIONS: WithConclusions, **BASELINES}
    makers = {"ours": CoreByScore, **{method: methods_of[method] for method in methods}}
    results: dict[str, Any] = {}
    for done, (name, make) in enumerate(makers.items()):
        progress(f"{answers.name} · {name}", done, len(makers))
        forks: Forks[tuple[float, float]] = Forks(jobs)
        for k in range(folds):
            forks.start(_fold(answers, data, make, k))
        results[name] = _summary(forks.results())
    progress(answers.name, len(makers), len(makers))
    published = {n: {"accuracy": a, "f1": f} for n, (a, f) in PUBLISHED.get(answers.name, {}).items()}
    return {
        "set": answers.name,
        "ours": results.pop("ours"),
        "baselines": results,
        "published": published,
        "answers": len(answers.question),
    }


def _fold(
    answers: AnswerSet, data: CascadeSet, make: Callable[[CascadeSet], Scorer], k: int
) -> Callable[[], tuple[float, float]]:
    def work() -> tuple[float, float]:
        questions = np.arange(len(answers.question_ids))
        known = questions[answers.truth >= 0]
        released = known[k::FOLDS]
        said = one_pass(answers, data, make(data), released)
        judged = np.setdiff1d(known, released)
        return accuracy_f1(said[judged], answers.truth[judged], len(answers.options))

    return work


def accuracy_f1(said: Codes, truth: Codes, options: int) -> tuple[float, float]:
    """Accuracy and F1 in %: of the last option if there are two, else the mean over options.

    >>> accuracy_f1(np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0]), 2)
    (75.0, 66.66666666666667)
    """
    scores = []
    for option in range(options) if options > 2 else (1,):
        hits = int(np.sum((said == option) & (truth == option)))
        claimed, there = int(np.sum(said == option)), int(np.sum(truth == option))
        scores.append(2 * hits / (claimed + there) if claimed + there else 1.0)
    return float(100 * np.mean(said == truth)), float(100 * np.mean(scores))


def _summary(folds: list[tuple[float, float]]) -> dict[str, Any]:
    accuracy, f1 = np.array([f[0] for f in folds]), np.array([f[1] for f in folds])
    half = T_975 * float(accuracy.std(ddof=1)) / np.sqrt(len(folds)) if len(folds) > 1 else 0.0
    mean = float(accuracy.mean())
    return {
        "accuracy": mean,
        "f1": float(f1.mean()),
        "ci": [mean - float(half), mean + float(half)],
        "by_fold": [round(float(a), 3) for a in accuracy],
    }
