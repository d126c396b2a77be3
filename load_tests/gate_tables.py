"""Tables of what must not happen: gates that cost on honest streams, and a rank where there is nothing to know."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from statistics import fmean
from typing import Any

from load_tests.scoring_lab import SETS, WORLD, Lab, both, number, rows_of
from streams.evaluate import ablation, gates
from streams.evaluate.cascades import HOUR_MS
from streams.evaluate.measures import PRECISION
from streams.evaluate.seeds import pooled

STREAMS = {  # where gates are watched: a set or world, and the attack on it
    **{name: (name, "") for name in (*SETS, WORLD, "synthetic:copy")},
    **{f"{WORLD} under {attack}": (WORLD, attack) for attack in ("poison", "camouflaged")},
}
AGES_MS = tuple(hours * HOUR_MS for hours in (1, 6, 24))
CHANCE = (0.41, 0.59)  # where the AUC of shuffled labels should lie


def gated(lab: Lab) -> Iterable[str]:
    """How often each gate acts on honest streams and under attacks, and what it brings or costs there."""
    found = {name: _gates(lab, world, attack) for name, (world, attack) in STREAMS.items()}
    yield (
        f"How often each gate acts, as shares; worlds with {len(lab.seeds)} seeds, mean ± half of a 90 % interval. "
        f"Trust is its mean over the verdicts, and beside it those at which it was below {gates.DOUBTED:g}. "
        "Participants and claims are those that a prediction at 1 h or 24 h looked at. Fading acts only on what "
        "lessons teach in which nets vote. The last column is the share that learned weights have in the mixture."
    )
    yield ""
    yield from rows_of(
        ["stream", "trust", "doubted", "participants in nets", "claims with nets", "lessons by nets", "learned"],
        [
            [name, *(number(share) for gate in acting.values() for share in gate.values())]
            for name, (acting, _) in found.items()
        ],
    )
    yield ""
    yield (
        "What each gate brings: AUC within quarters at 1 h / 24 h with all gates shut, less that with this one held "
        "open (`credence evaluate DIR --ablate --without trust,nets,fading,mixture`). Where it is negative, the gate "
        "costs."
    )
    yield ""
    yield from rows_of(
        ["stream", "all gates shut", *gates.GATES],
        [
            [
                name,
                both(held["all"], "auc_within"),
                *(both(held[gate], "lost", sign=True) for gate in gates.GATES),
            ]
            for name, (_, held) in found.items()
        ],
    )


def calibrated(lab: Lab) -> Iterable[str]:
    """Calibration error by age of the claim, and what flags could find at a fixed precision."""
    yield (
        "Calibration error of risk and score at 1 h / 6 h / 24 h; wanted is .05 at most. Beside it, what the ranking "
        "has in it at each of these ages: the share of the false claims above a threshold, chosen in hindsight, that "
        f"leaves {PRECISION:.0%} of those above it false; and precision and recall of the flags themselves. The world "
        f"with {len(lab.seeds)} seeds."
    )
    yield ""
    body = []
    for name in (*SETS, WORLD):
        made = [
            lab.evaluation(name, lab.options(baselines=(), horizons_ms=AGES_MS, seed=seed)).report
            for seed in (lab.seeds if ":" in name else lab.seeds[:1])
        ]
        report = made[0] if len(made) == 1 else pooled(made)
        flags = " / ".join(number(report["flags"][part], 2) for part in ("precision", "recall"))
        recall = both(report["ours"], "recall_at_precision", 2)
        body.append([name, both(report["ours"], "ece"), both(report["score"], "ece"), recall, flags])
    yield from rows_of(["set", "risk", "score", f"recall at {PRECISION:g}", "flags: precision / recall"], body)


def _gates(lab: Lab, name: str, attack: str) -> Any:
    """How often each gate acts on a stream, and the evaluation with each held open; of a world, pooled over seeds."""
    made = []
    for seed in lab.seeds if ":" in name else lab.seeds[:1]:
        began = time.monotonic()
        data, options = lab.load(name, seed), lab.options(baselines=(), attack=attack, seed=seed)
        acting = gates.acting(data, options)
        made.append({"acting": acting, "held": ablation.ablate(data, options, without=gates.GATES)})
        print(f"  {name} seed {seed} {attack} gates: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    one = made[0] if len(made) == 1 else pooled(made)
    return one["acting"], one["held"]


def shuffled(lab: Lab) -> Iterable[str]:
    """Each real set with its labels dealt out anew: what still ranks is chance, or a leak."""
    low, high = CHANCE
    yield (
        f"Labels dealt out anew among a set's claims, {len(lab.seeds)} times (`credence evaluate DIR --shuffle "
        "--seed N --groups released`): AUC within quarters of the risk at 1 h / 24 h. Nothing is left to know, so that "
        f"it should be .500 but for chance; wanted is that each lies between {number(low, 2)} and {number(high, 2)}. "
        "Groups are released, because claims of one story have no label in common any more."
    )
    yield ""
    body = []
    for name in SETS:
        reports = [
            lab.evaluation(name, lab.options(baselines=(), shuffle=True, seed=seed, groups="released")).report["ours"]
            for seed in lab.seeds
        ]
        within = [[by["auc_within"] for by in report.values()] for report in reports]
        ends = [" / ".join(number(of(each)) for each in zip(*within, strict=True)) for of in (fmean, min, max)]
        outside = sum(not low <= figure <= high for each in within for figure in each)
        body.append([name, *ends, f"{outside} of {sum(map(len, within))}"])
    yield from rows_of(["set", "mean", "lowest", "highest", "outside"], body)
