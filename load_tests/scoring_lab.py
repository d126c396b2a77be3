"""What the tables of docs/measured.md are made with: evaluations, each run once, and cells."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from streams.evaluate.cascades import HOUR_MS
from streams.evaluate.evaluation import Evaluation, Options, evaluate, load
from streams.evaluate.seeds import pooled

SETS = ("twitter16", "twitter15", "rumoureval2017")
WORLD = "synthetic:clean"
RIVALS = ("majority", "dawid_skene", "signed_beta_nb")


class Lab:
    """Runs evaluations, each once, however many tables want it."""

    def __init__(self, data: Path, seeds: int, jobs: int) -> None:
        self.data = data
        self.seeds = range(seeds)
        self.jobs = jobs
        self._made: dict[tuple[str, Options], Evaluation] = {}

    def options(self, **given: Any) -> Options:
        """The protocol's, but for what is given."""
        return Options(**{"jobs": self.jobs, **given})

    def evaluation(self, name: str, options: Options) -> Evaluation:
        """Of a set of DATA or a synthetic world; one under attack shares its clean part with the others."""
        key = (name, options)
        if key not in self._made:
            clean = self.evaluation(name, replace(options, attack="")) if options.attack else None
            began = time.monotonic()
            self._made[key] = evaluate(self.load(name, options.seed), options, clean=clean)
            told = f"{name} seed {options.seed} {options.attack} {options.groups} {options.lag_ms // HOUR_MS}h"
            print(f"  {told}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        return self._made[key]

    def load(self, name: str, seed: int = 0) -> Any:
        """The set of that name."""
        return load(name if ":" in name else str(self.data / name), seed)

    def worlds(self, attack: str = "") -> dict[str, Any]:
        """The synthetic world's reports as one, under an attack or none."""
        made = [
            self.evaluation(WORLD, self.options(baselines=RIVALS, seed=seed, attack=attack)).report
            for seed in self.seeds
        ]
        return dict(pooled(made))


def number(value: Any, digits: int = 3, sign: bool = False) -> str:
    """A figure as the page has it, without the 0 before the point; of several seeds mean ± half a 90 % interval.

    >>> number(0.7534), number(-0.02, sign=True), number({"mean": 0.5, "low": 0.4, "high": 0.6}), number(None)
    ('.753', '−.020', '.500 ±.100', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, dict):
        return f"{number(value['mean'], digits, sign)} ±{number((value['high'] - value['low']) / 2, digits)}"
    text = f"{abs(value):.{digits}f}"
    text = text[1:] if text.startswith("0.") else text
    return ("−" if value < 0 else "+" if sign else "") + text


def both(by_horizon: dict[str, Any], figure: str, digits: int = 3, sign: bool = False) -> str:
    """A figure at every horizon."""
    return " / ".join(number(row.get(figure), digits, sign) for row in by_horizon.values())


def rows_of(head: Sequence[str], body: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *body)]
