"""The page on scores names what the code has: every signal with its prior weight."""

from __future__ import annotations

import re
from pathlib import Path

from streams.scoring.signals.registry import PRIOR_WEIGHTS, SHADOW, SIGNALS

PAGE = Path(__file__).parents[2] / "docs" / "scoring.md"


def test_every_signal_is_on_the_page_with_its_prior_weight() -> None:
    page = PAGE.read_text("utf-8").split("## The risk")[1].split("## Known failures")[0]
    told: dict[str, str] = {}
    for names, weights in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| [^|]+ \| ([^|]+) \|$", page, re.M):
        signals = re.findall(r"`(\w+)`", names)
        each = [w.strip().removesuffix(" each") for w in weights.split(",")]
        told |= dict(zip(signals, each * len(signals) if len(each) == 1 else each, strict=False))
    for name, weight in zip(SIGNALS, PRIOR_WEIGHTS, strict=True):
        assert name in told, f"docs/scoring.md does not name the signal {name}"
        if name not in SHADOW:
            assert float(told[name]) == weight, name
