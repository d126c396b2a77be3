"""Evaluate the core and the baselines on a set, clean and under attack: the report as a JSON-able object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from streams.datasets.findings import in_words
from streams.evaluate.attacks import ATTACKS, attack
from streams.evaluate.baselines import BASELINES
from streams.evaluate.cascades import HOUR_MS, CascadeSet
from streams.evaluate.forks import Forks
from streams.evaluate.measures import Judge, flag_figures, horizon_name
from streams.evaluate.ours import Core
from streams.evaluate.protocol import Forecast, Scorer, Trial
from streams.evaluate.readers import read_cascades
from streams.evaluate.synthetic import make_world
from streams.evaluate.trial_run import FINE_STOPS, run
from streams.scoring.parameters.parameters_state import Learner
from streams.scoring.signals.registry import PRIOR_WEIGHTS

Progress = Callable[[str, int, int], None]  # (what, events done, events in all)


@dataclass(frozen=True)
class Options:
    """How to evaluate; the defaults are the protocol's.

    Attributes:
        horizons_ms, lag_ms: when predictions are made, and verdicts released, after a claim's first event.
        groups: "withheld" or "released".
        attack, share: name of an attack ("" for none) and its size.
        baselines: names of the baselines to run.
        seed: of synthetic worlds, attacks and the bootstrap.
        shuffle: whether labels are dealt out anew among the claims, by the seed, so that nothing is left to know.
        labels: label of a claim → "true", "false" or "none", over what is understood without.
        prior: weights of the risk's signals before any verdict.
        fine: how often forks may stop in all; those beyond, the longest, go in larger steps.
    """

    horizons_ms: tuple[int, ...] = (HOUR_MS, 24 * HOUR_MS)
    lag_ms: int = 24 * HOUR_MS
    groups: str = "withheld"
    attack: str = ""
    share: float = 0.5
    baselines: tuple[str, ...] = tuple(BASELINES)
    seed: int = 0
    shuffle: bool = False
    jobs: int = 2
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)  # a dictionary has no hash; Options have
    prior: tuple[float, ...] = PRIOR_WEIGHTS
    fine: int = FINE_STOPS

    def __post_init__(self) -> None:
        """Refuse what would be refused later, before a set is read: reading a large one takes a minute."""
        if self.attack and self.attack not in ATTACKS:
            raise ValueError(f"no attack {self.attack!r}; there are {', '.join(ATTACKS)}")
        if self.groups not in ("withheld", "released"):
            raise ValueError(f"groups must be withheld or released, not {self.groups!r}")


@dataclass
class Evaluation:
    """What was found: the report, and the forecasts behind it for plots and further questions."""

    report: dict[str, Any]
    trial: Trial
    ours: Forecast
    baselines: list[Forecast] = field(default_factory=list)


def load(name: str, seed: int = 0, meant: Mapping[str, str] | None = None) -> CascadeSet:
    """A directory of cascades, whose labels mean what they say or what `meant` says, or `synthetic:WORLD`.

    Raises:
        DatasetError: the directory has not the layout. ValueError: no such world.
    """
    kind, _, world = name.partition(":")
    return make_world(world or "clean", seed) if kind == "synthetic" else read_cascades(Path(name), meant)


def evaluate(
    data: CascadeSet,
    options: Options,
    progress: Progress = lambda what, done, of: None,
    clean: Evaluation | None = None,
) -> Evaluation:
    """The report on a set; with an attack, on the attacked set, with what it cost beside it.

    Args:
        clean: the evaluation of the set without an attack, if it is at hand.
    """
    unattacked = as_asked(data, replace(options, attack=""))
    if not options.attack:
        return _evaluate(unattacked, options, progress)
    clean = clean or _evaluate(unattacked, options, progress)
    attacked = _evaluate(as_asked(data, options), options, progress)
    attacked.report["attack"] = _cost(options, attacked.trial.of, clean.report, attacked.report)
    attacked.report["attack"]["share_pushed_over"] = pushed_over(clean, attacked)
    attacked.report["clean"] = {part: clean.report[part] for part in ("ours", "score", "baselines")}
    return attacked


def as_asked(data: CascadeSet, options: Options) -> CascadeSet:
    """The set as the options want it: with labels dealt out anew, and under an attack."""
    if options.shuffle:
        data = data.shuffled(options.seed)
    return attack(data, options.attack, options.share, options.seed, options.lag_ms) if options.attack else data


def _evaluate(data: CascadeSet, options: Options, progress: Progress) -> Evaluation:
    trial = Trial.of_set(data, options.horizons_ms, options.lag_ms, options.groups)
    if not len(trial.claims):
        told = " ".join(in_words(data.findings.as_dict()))
        raise ValueError(
            f"{data.name} has no claim labelled true or false that has events: nothing to evaluate. {told}"
        )
    ours = run_scorer(trial, Core(data, learner=Learner(prior=options.prior)), progress, options.jobs, options.fine)
    forks = trial.forks()
    baselines = _baselines(trial, options, progress)
    judge = Judge(trial, options.seed)
    report: dict[str, Any] = {
        "set": data.name,
        "ours": judge.by_horizon(ours),
        "score": judge.score_by_horizon(ours),
        "baselines": {b.name: judge.by_horizon(b, reversible=True) for b in baselines},
        "best_baseline": judge.against_best(ours, baselines),
        "flags": flag_figures(trial, ours),
        "reliability": judge.reliability(ours),
        "events": len(data),
        "seconds": ours.seconds,
        "protocol": {
            "horizons": [horizon_name(h) for h in options.horizons_ms],
            "verdict_lag": "of the set" if data.own_rulings is not None else horizon_name(options.lag_ms),
            "groups": options.groups,
            "seed": options.seed,
            "shuffled": options.shuffle,
            "forks": len(forks),
            "forks_in_larger_steps": len(trial.hurried(forks, options.fine)),
        },
    }
    majority = next((b for b in baselines if b.name == "majority"), None)
    if majority is not None:
        report["denied_truths"] = judge.denied_truths(ours, majority)
    report |= data.findings.as_dict()
    return Evaluation(report, trial, ours, baselines)


def _baselines(trial: Trial, options: Options, progress: Progress) -> list[Forecast]:
    """Every baseline's forecast; each in a process of its own, `jobs` beside each other."""
    forks: Forks[Forecast] = Forks(options.jobs)
    for i, name in enumerate(options.baselines):
        progress(f"{trial.of.name} · {name}", i, len(options.baselines))
        forks.start(partial(_baseline, trial, name))
    return forks.results()


def _baseline(trial: Trial, name: str) -> Forecast:
    return run(trial, BASELINES[name](trial.of), jobs=1)


def run_scorer(trial: Trial, scorer: Scorer, progress: Progress, jobs: int, fine: int = FINE_STOPS) -> Forecast:
    """Put a scorer through the trial, with its name in the progress."""
    return run(trial, scorer, partial(progress, f"{trial.of.name} · {scorer.name}"), jobs, fine)


def _cost(options: Options, data: CascadeSet, clean: dict[str, Any], hit: dict[str, Any]) -> dict[str, Any]:
    """AUC lost to the attack, in all and for each account of the attacker, and AUC on the attacked claims."""

    def lost(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
        out = {}
        for horizon in after:
            drop = before[horizon]["auc"] - after[horizon]["auc"]
            out[horizon] = {
                "auc_lost": drop,
                "auc_within_lost": before[horizon]["auc_within"] - after[horizon]["auc_within"],
                "auc_on_attacked": after[horizon]["auc_on_attacked"],
                "auc_lost_per_account": drop / data.attackers if data.attackers else None,
            }
        return out

    attacked = data.attacked
    return {
        "name": options.attack,
        "share": options.share,
        "accounts": data.attackers,
        "claims": int(attacked.sum()) if attacked is not None else 0,
        "events": hit["events"] - clean["events"],
        "ours": lost(clean["ours"], hit["ours"]),
        "score": lost(clean["score"], hit["score"]),
        "baselines": {name: lost(clean["baselines"][name], hit["baselines"][name]) for name in hit["baselines"]},
    }


def pushed_over(clean: Evaluation, attacked: Evaluation, threshold: float = 0.5) -> float:
    """Share of the attacked claims whose public score at the last horizon crossed the threshold to the wrong side."""
    rows = attacked.trial.of.attacked
    if rows is None:
        return 0.0
    on = rows[attacked.trial.claims]
    false = attacked.trial.of.truth[attacked.trial.claims] == 2
    before, after = clean.ours.score[:, -1] > threshold, attacked.ours.score[:, -1] > threshold
    wrong = on & ((false & ~before & after) | (~false & before & ~after))
    return float(wrong.sum() / max(1, on.sum()))
