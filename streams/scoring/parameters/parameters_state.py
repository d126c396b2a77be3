"""The parameters stage's pure core: what spans all keys is learned here, from settled claims only.

Lessons come in (signals as they were known one, six and twenty-four hours after a claim's start, with the verdict; and
tallies of stances that turned out right or wrong), versions of `Params` go out.

    β    learned weights: one step of online Newton (extended Kalman filter) a lesson on logistic loss, around the prior
         weights:
         P ← P + s·p(1−p)·x xᵀ,  β ← β + P⁻¹·s·(y − p)·x, and not below 0 where theory gives the sign
         x are the signals minus their mean over the latest lessons of the same age; p starts from the base rate of the
         latest verdicts. So what merely follows the calendar, in signals or in verdicts, is not learned. Nets change
         their ways: a part of what was learned of them is forgotten with every verdict, P ← λP + (1 − λ)P₀
    w    how far β is used, and how far the prior weights: see `mixture`; and the untaught weights: see `skill`
    bias −β·m, m the mean of all lessons, so that a change of β never moves all claims at once
    a, b scaling of z, apart from the ranking, and of the public score: see `calibration`
    t    the threshold of flags, and the usual size of a claim: see `alarm`
    μ, coins  shares of tallies, with pseudo-counts

Source: online Newton for logistic regression is the extended Kalman filter of West, Harrison & Migon 1985 (dynamic
generalised linear models, with λ as their discount factor); taking the local mean out of both sides is the partial
regression of Frisch & Waugh 1933, with time as the variable that is taken out. Range: as in `params`. Failure modes: a
few hundred verdicts move the weights little, by design; a poisoned rater teaches what it says until withdrawn, and what
it taught before the lessons that are remembered (see `remembered`) stays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from streams.scoring.census import Census
from streams.scoring.config import ScoringConfig
from streams.scoring.dispatch import BlockCore, reads
from streams.scoring.effects import Effects
from streams.scoring.numeric import Floats, Ints, logit, sigmoid
from streams.scoring.parameters.alarm import Threshold
from streams.scoring.parameters.calibration import SCORE_SD, Calibration, reliability
from streams.scoring.parameters.controls import Controls
from streams.scoring.parameters.flag_rules import RULES
from streams.scoring.parameters.mixture import Mixture
from streams.scoring.parameters.params import GIVEN, NAMES, Params
from streams.scoring.parameters.remembered import Lesson, Remembered
from streams.scoring.parameters.skill import Skill
from streams.scoring.signals.registry import (
    EITHER_SIGN,
    PARAMETERS,
    PRIOR_WEIGHTS,
    REGISTRY,
    SHADOW,
    SIGNALS,
    UNTAUGHT_WEIGHTS,
)
from streams.tables.blocks import Block
from streams.tables.field import Field
from streams.tables.table import Table

SHARE = {1: 0.4, 6: 0.2, 24: 0.4}  # of a claim's weight, by age of the lesson in hours
RECENT = 0.1  # weight of a verdict in the base rate and the signals' means of its time, which remember about ten
MEAN_PRIOR = 20.0  # lessons that the signals' mean over all time starts with
TALLY_PRIOR = 10.0  # claims
IN_USE = np.array([name not in SHADOW for name in SIGNALS], np.float64)  # what is in shadow moves no other weight
CROWD_PRIOR = 20.0  # claims
PUBLISH_EVERY = 8  # verdicts that were settled, changed or withdrawn between versions
BEFORE = "before/"  # in front of the names of what was learned before the lessons that are remembered
APART = ("tally", "coins", "unpublished", "version", "given")  # first parts of names of what is not learned in order
SANE = 1e6  # nats; a lesson with a larger number is a fault
ANY_SIGN = np.array([name in EITHER_SIGN for name in SIGNALS])
PRIOR_PRECISION = np.diag([1.0 / signal.sd**2 for signal in REGISTRY])
REMEMBER = np.array([signal.remember for signal in REGISTRY], np.float64)
KINDS, STANCES, BANDS = 3, 2, 3  # of credits: written support, denial, reshare; the first two are the coins'


def sane(values: object) -> bool:
    """Whether all are numbers that can be learned from: finite, and not beyond all evidence.

    >>> sane([0.0, -3.5]), sane(float("nan")), sane([1.0, float("inf")]), sane(1e300)
    (True, False, False, False)
    """
    return bool((np.abs(np.asarray(values, np.float64)) < SANE).all())


def unfit(block: Block, i: int) -> str:
    """Why a lesson cannot be learned from, "" if it can: a number that is not finite would stay in every version."""
    if int(block["h"][i]) == 0:
        counts = block["rw"][i]
        return "" if len(counts) == KINDS * BANDS * 2 and sane(counts) else f"a tally is no {KINDS * BANDS * 2} numbers"
    signals, names = block["sig"][i], block.meta.get("signals")
    if names != list(SIGNALS) or len(signals) != len(SIGNALS):
        return f"{len(signals)} signals, which another release wrote: {', '.join(names or ['without names'])}"
    if sane([*signals, block["L"][i], block["A"][i], block["al"][i]]):
        return ""
    figures = dict(zip(SIGNALS, signals, strict=True)) | {name: block[name][i] for name in ("L", "A", "al")}
    return ", ".join(f"{name} is {value}" for name, value in figures.items() if not sane(value))


class Learner(BlockCore):
    """State and transitions of the parameters stage; one partition.

    A deterministic function of the log. A new version leaves as a "params" block when enough has been learned.
    """

    def __init__(
        self, config: ScoringConfig | None = None, partition: int = 0, prior: Sequence[float] = PRIOR_WEIGHTS
    ) -> None:
        super().__init__(config, partition)
        self.prior = np.array(prior, np.float64)  # weights of before any verdict, nats a unit of the signal
        self.remember = REMEMBER
        self.state = Table("learner", {"v": Field("f8", "value of what was learned under the name")})
        self.remembered = Remembered()
        self.controls = Controls()
        self.tables = (self.state, self.remembered.table, self.controls.table)
        self._defaults = Params()
        self._rows: dict[str, Ints] = {}  # of a value, or of a vector by its first element
        self._of = ""  # in front of the names of what lessons move: nothing, or BEFORE

    @reads("lessons")
    def _take_lessons(self, block: Block, cursor: int, effects: Effects) -> None:
        refused = [(i, why) for i in range(len(block)) if (why := unfit(block, i))]
        if refused:
            row, why = refused[0]
            told = f"{len(refused)} of {len(block)} lessons are not learned from; the first, of claim"
            effects.dead.append((row, "out_of_range", f"{told} {block['c'][row]!r}: {why}"))
        stale = False
        for i in sorted(set(range(len(block))) - {i for i, _ in refused}):
            stale = self._hear(block, i, effects) or stale
        if stale:
            self._learn_again()
        self._of = BEFORE
        for lesson in self.remembered.forget():
            self._learn(lesson)
        self._of = ""
        if self._get("unpublished") >= PUBLISH_EVERY:
            effects.blocks.append(self._version({}))

    @reads("params")
    def _take_switches(self, block: Block, cursor: int, effects: Effects) -> None:
        """An operator's switches, which are passed on under the next version."""
        given = dict(block.meta.get("values", {}))
        self.controls.take(block)
        wrong = sorted(name for name, value in given.items() if not sane(value))
        if wrong:
            effects.dead.append((0, "out_of_range", f"parameters that are no number: {', '.join(wrong)}"))
        effects.blocks.append(self._version({k: v for k, v in given.items() if k not in wrong}))

    # --- learning ------------------------------------------------------------------------------------------------

    def _hear(self, block: Block, i: int, effects: Effects) -> bool:
        """Take in a row of lessons; whether what was learned holds no longer."""
        age = int(block["h"][i])
        if age == 0:
            self._tally(block["rw"][i], int(block["n"][i]), int(block["w"][i]))
        if age not in SHARE:
            return False
        lesson, stale = self.remembered.take(block, i)
        if age == 1 and (lesson or stale):
            self._set("unpublished", self._get("unpublished") + 1)
        if lesson:
            if age == 1:
                effects.settled.append((self._expected(lesson.signals), lesson.false))
            self._learn(lesson)
        return stale

    def _learn(self, lesson: Lesson) -> None:
        self._fit(lesson.signals, lesson.age, lesson.false)
        self._calibrate_score(lesson.corroboration, lesson.weight, lesson.age, not lesson.false)
        if lesson.age == 1:
            self._settle(lesson.alarm, lesson.participants, lesson.false)

    def _learn_again(self) -> None:
        """A verdict was changed or withdrawn: learn anew from all lessons that are remembered, as they are now."""
        kept = [(str(key), row) for key, row in self.state.items() if str(key).split("/", 1)[0] not in APART]
        before = {key: self.state["v"][row] for key, row in kept if key.startswith(BEFORE)}
        self.state.free(np.array([row for key, row in kept if key not in before], np.int64))
        self._rows.clear()
        rows, _ = self.state.ensure([key.removeprefix(BEFORE) for key in before])
        self.state["v"][rows] = np.array(list(before.values()), np.float64)
        self.state.touch(rows)
        for lesson in self.remembered.all():
            self._learn(lesson)

    def _expected(self, signals: Floats) -> float:
        """The risk that what was learned so far gives to these signals: what was known before this verdict."""
        used, bias = self._used()
        calibration = self._calibration()
        return float(sigmoid(calibration.a + calibration.b * (float(used @ signals) + bias)))

    def _tally(self, counts: list[float], participants: int, written: int) -> None:
        """Add right and wrong stances by (stance, history band), each claim with a weight of one.

        The coins count only what people wrote. In a claim's evidence all its reshares are one voice; were they counted
        one by one here, every denial would get the weight of a rarity.
        """
        new = np.asarray(counts, np.float64)
        for name, shown, n in (("tally", new, participants), ("coins", new[: STANCES * BANDS * 2], written)):
            self._set_vector(name, self._vector(name, np.zeros(len(shown))) + shown / max(n, 1))

    def _fit(self, signals: Floats, age: int, false: bool) -> None:
        share, y = SHARE[age], float(false)
        base = self._get("recent", 0.5)
        centre, seen = self._vector("mean", np.zeros(len(SIGNALS))), self._get("seen")
        beta, precision = self._weights()
        x = (signals - centre) * IN_USE
        z = float(x @ self._mixed())
        calibration = self._calibration()
        calibration.learn(z, false, share, counts=age == 1)
        self._set_vector("cal", calibration.state)
        skill = self._skill()
        skill.learn(z, base, false, share)
        self._set_vector("skill", skill.state)
        usual = self._vector(f"recent/{age}", centre)
        x = (signals - usual) * IN_USE
        forecasts = logit(base) + self._experts(beta) @ x
        mixture = self._mixture()
        mixture.learn(forecasts, false, share)
        self._set_vector("mixture", mixture.state)
        p = float(sigmoid(forecasts[-1]))
        kept = self.remember ** (share / 2)
        precision = precision * np.outer(kept, kept) + PRIOR_PRECISION * (1 - kept * kept)
        precision = precision + share * p * (1 - p) * np.outer(x, x)
        beta = beta + np.linalg.solve(precision, share * (y - p) * x)
        beta = np.where(ANY_SIGN, beta, np.maximum(beta, 0.0))
        self._set_vector("beta", beta)
        self._set_vector("precision", precision.ravel())
        self._set_vector("mean", centre + (signals - centre) * share / (seen + MEAN_PRIOR + share))
        self._set_vector(f"recent/{age}", usual + (signals - usual) * RECENT)
        self._set("seen", seen + share)
        if age == 1:
            self._set("recent", base + (y - base) * RECENT)

    def _settle(self, highest: float, participants: int, false: bool) -> None:
        """Count a settled claim, once: how many join in an hour, how far flags can be trusted."""
        settled = self._get("settled")
        usual = self._get("crowd", self._defaults.flag_crowd)
        self._set("crowd", usual + (math.log(max(participants, 1)) - usual) / (settled + CROWD_PRIOR + 1))
        threshold = self._threshold()
        threshold.learn(highest, false)
        self._set_vector("threshold", threshold.state)
        self._set("settled", settled + 1)

    def _threshold(self) -> Threshold:
        return Threshold(self._vector("threshold", np.zeros(Threshold.SIZE)))

    def _calibration(self) -> Calibration:
        return Calibration(self._vector("cal", np.zeros(Calibration.SIZE)))

    def _mixture(self) -> Mixture:
        return Mixture(self._vector("mixture", np.zeros(Mixture.SIZE)))

    def _experts(self, learned: Floats) -> Floats:
        """[experts, signals] whose forecasts are mixed: the weights of before any verdict, and the learned ones."""
        return np.stack([self.prior, learned])

    def _mixed(self) -> Floats:
        """Weights of the signals as the mixture has them, before it is asked whether verdicts are to be believed."""
        mixed: Floats = self._mixture().shares @ self._experts(self._weights()[0])
        return mixed

    def _skill(self) -> Skill:
        return Skill(self._vector("skill", np.zeros(Skill.SIZE)))

    def _score_calibration(self) -> Calibration:
        return Calibration(self._vector("score_cal", np.zeros(Calibration.SIZE)), SCORE_SD)

    def _calibrate_score(self, corroboration: float, weight: float, age: int, true: bool) -> None:
        """Of the public score: how its evidence, and how much of it there was, turned out."""
        calibration = self._score_calibration()
        calibration.learn(corroboration, true, SHARE[age], counts=age == 1, v=float(reliability(weight)))
        self._set_vector("score_cal", calibration.state)

    def _weights(self) -> tuple[Floats, Floats]:
        beta = self._vector("beta", self.prior)
        return beta, self._vector("precision", PRIOR_PRECISION.ravel()).reshape(PRIOR_PRECISION.shape)

    # --- publishing ----------------------------------------------------------------------------------------------

    def values(self) -> dict[str, float]:
        """What has been learned so far, by name of parameter."""
        used, bias = self._used()
        out = {name: float(value) for name, value in zip(PARAMETERS, used, strict=True)}
        trust = self._skill().trust
        out |= {"risk_bias": bias, "prior_share": trust * float(self._mixture().shares[0]), "untaught_share": 1 - trust}
        for which, cal in (("risk", self._calibration()), ("score", self._score_calibration())):
            out |= {f"{which}_cal_a": cal.a, f"{which}_cal_b": cal.b}
        for rule in RULES:
            wanted = rule.parameter("precision")
            out[rule.parameter("z")] = self._threshold().at(
                self._get("given/" + wanted, getattr(self._defaults, wanted))
            )
        out["flag_crowd"] = self._get("crowd", self._defaults.flag_crowd)
        return out | self._precisions()

    def _used(self) -> tuple[Floats, float]:
        """Weights of the signals as the next version will have them, and the intercept, in nats."""
        found = zip(PARAMETERS, self._found(), strict=True)
        used = IN_USE * np.array([self._get("given/" + name, weight) for name, weight in found])
        return used, -float(used @ self._vector("mean", np.zeros(len(SIGNALS))))

    def _found(self) -> Floats:
        """The same before an operator's word, as verdicts have them."""
        trust = self._skill().trust
        return IN_USE * (trust * self._mixed() + (1.0 - trust) * np.array(UNTAUGHT_WEIGHTS))

    def census(self) -> Census:
        """What was learned, if anything was."""
        if not self.state.size:
            return Census()
        wanted = self._get("given/flag_precision", self._defaults.flag_precision)
        recent = self._get("recent", 0.5)
        return Census(learned=self.values() | {"flag_precision": wanted, "recent_false": recent})

    def _precisions(self) -> dict[str, float]:
        tally = self._vector("tally", np.zeros(KINDS * BANDS * 2)).reshape(KINDS, BANDS, 2)
        coins = self._vector("coins", np.zeros(STANCES * BANDS * 2)).reshape(STANCES, BANDS, 2)
        default = self._defaults
        out = {}
        hits, total = tally[:, :, 0], tally.sum(axis=2)
        shares = [("mu", hits.sum(), total.sum(), default.mu)]
        right, wrong = coins[:, :, 0], coins[:, :, 1]
        for band in range(BANDS):
            # Both coins start from how often the band supports at all. From a fixed number, the coin that fewer claims
            # are known of would lag behind, and the ratio of the two would follow the base rate.
            share = (right[0, band] + wrong[0, band] + 0.5) / (max(coins[:, band].sum(), 0.0) + 1.0)
            of_true, of_false = right[0, band] + wrong[1, band], wrong[0, band] + right[1, band]
            shares += [
                (f"mu_{band}", hits[:, band].sum(), total[:, band].sum(), getattr(default, f"mu_{band}")),
                (f"support_true_{band}", right[0, band], of_true, share),
                (f"support_false_{band}", wrong[0, band], of_false, share),
            ]
        for name, seen, n, prior in shares:
            out[name] = float((max(seen, 0.0) + TALLY_PRIOR * prior) / (max(n, 0.0) + TALLY_PRIOR))
        return out

    def _version(self, given: dict[str, float]) -> Block:
        for name, value in given.items():
            if name in NAMES and name != "version":
                self._set("given/" + name, float(value))
        version = self._get("version") + 1
        self._set("version", version)
        self._set("unpublished", 0.0)
        values = self.values()
        said = {str(k)[6:]: float(self.state["v"][r]) for k, r in self.state.items() if str(k)[:6] == "given/"}
        found = zip(PARAMETERS, GIVEN, self._found().tolist(), strict=True)
        values |= said | {given: said[name] - weight for name, given, weight in found if name in said}
        return Block("params", "", 0, {}, {"version": version, "values": values})

    # --- state ---------------------------------------------------------------------------------------------------

    def _get(self, name: str, default: float = 0.0) -> float:
        rows = self._find((name,))
        return default if rows[0] < 0 else float(self.state["v"][rows[0]])

    def _set(self, name: str, value: float) -> None:
        self._put((name,), np.array([value]))

    def _vector(self, name: str, default: Floats) -> Floats:
        """What was learned of a vector. An element that is new, such as a new signal's, has its default."""
        rows = self._find(_elements(name, len(default)))
        if rows.min() >= 0:
            return self.state["v"][rows]
        return np.where(rows < 0, default, self.state["v"][rows]) if self.state.size else default

    def _set_vector(self, name: str, values: Floats) -> None:
        self._put(_elements(name, len(values)), values)

    def _find(self, names: tuple[str, ...]) -> Ints:
        """Rows of these keys, −1 for what has not been learned yet."""
        name = self._of + names[0]
        rows = self._rows.get(name)
        if rows is None:
            rows = self.state.find(self._named(names))
            if rows.min() >= 0:
                self._rows[name] = rows
        return rows

    def _put(self, names: tuple[str, ...], values: Floats) -> None:
        if self._find(names).min() < 0:
            self.state.ensure(self._named(names))
        rows = self._find(names)
        self.state["v"][rows] = values
        self.state.touch(rows)

    def _named(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self._of + name for name in names) if self._of else names


@lru_cache(maxsize=64)
def _elements(name: str, n: int) -> tuple[str, ...]:
    """Keys of a vector's elements: the signals' names if it has one for each signal, else numbers.

    By name, so that a release with one more signal finds what was learned of the others, and nothing of the new one.
    """
    if name == "precision":
        return tuple(f"{name}/{one}/{other}" for one in SIGNALS for other in SIGNALS)
    if name in ("beta", "mean") or name.startswith("recent/"):
        return tuple(f"{name}/{signal}" for signal in SIGNALS)
    return tuple(f"{name}/{i}" for i in range(n))
