"""Makes docs/measured.md: every measured table of scores and flags, under the command that made it.

    python -m load_tests.scoring_tables DATA [--only twitter16,attacks] [--seeds 5] [--jobs 1]

DATA holds twitter15, twitter16, rumoureval2017 and crowd_truth. A table stands between `<!-- begin NAME -->` and
`<!-- end NAME -->`, under its command, commit and date. The page is written anew after every table; a table that was
not made this time stays as it was, so that a run that is ended keeps what it had.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from load_tests.checkout import commit
from load_tests.gate_tables import STREAMS, calibrated, gated, shuffled
from load_tests.scoring_lab import SETS, WORLD, Lab, both, number, rows_of
from streams.evaluate import ablation, answers, leaving_out
from streams.evaluate.attacks import ATTACKS
from streams.evaluate.cascades import HOUR_MS
from streams.evaluate.evaluation import Options

PAGE = Path(__file__).parent.parent / "docs" / "measured.md"
INJECTED = ("camouflaged", "slow")  # attacks that are injected into real data as well
OURS = {"ours": "**ours (risk)**", "score": "**ours (score)**"}


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        title: the heading above it. make: makes its lines. rows: what each of its rows begins with; the page must have
        them all.
    """

    title: str
    make: Callable[[Lab], Iterable[str]]
    rows: tuple[str, ...]


def scorers(report: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(title, figures by horizon) of ours and of every baseline of the report."""
    return [(OURS[part], report[part]) for part in OURS] + list(report["baselines"].items())


# --- tables ----------------------------------------------------------------------------------------------------------


def cascades(name: str, lab: Lab) -> Iterable[str]:
    """Ours beside all baselines on a real set."""
    report = lab.evaluation(name, lab.options()).report
    one = report["ours"]["1h"]
    yield (
        f"{one['n']} claims, {one['n_false']} of them false. Figures at 1 h / 24 h after the first post, verdicts 24 h "
        "late, groups withheld. The last column is the AUC of a scorer turned upside down, where that is better."
    )
    yield ""
    body = []
    for title, figures in scorers(report):
        row = [both(figures, part) for part in ("auc_within", "ece", "brier_skill", "auc_within_reversed")]
        body.append([title, *row[:3], row[3] if set(row[3]) - set("– /") else ""])
    yield from rows_of(["scorer", "AUC within quarters", "ECE", "Brier skill", "upside down"], body)
    yield ""
    for horizon, best in report["best_baseline"].items():
        low, high = best["gain_ci"]
        yield (
            f"- {horizon}: {number(best['gain'], sign=True)} (95 % {number(low, sign=True)} to "
            f"{number(high, sign=True)}) over {best['name']}{', upside down' if best['upside_down'] else ''}"
        )


def left_out(lab: Lab) -> Iterable[str]:
    """Each set by prior weights that never saw it, beside those in force."""
    found = leaving_out.leave_out(lab.data, lab.options())
    yield (
        "Each set by prior weights that were fitted to the others alone, from 0 (`credence evaluate DATA "
        "--leave-out`), and last by those in force, which were chosen with all of them in sight. AUC within "
        "quarters and calibration error at 1 h / 24 h; flags: precision, recall, median delay over large falsehoods."
    )
    yield ""
    yield from rows_of(leaving_out.HEADS, leaving_out.rows(found))


def variants(lab: Lab) -> Iterable[str]:
    """Every set with groups released; twitter16 with late verdicts and under attacks, too."""
    chosen: list[tuple[str, str, dict[str, Any]]] = [
        *((name, f"groups {how}", {"groups": how}) for name in SETS for how in ("withheld", "released")),
        ("twitter16", "verdicts 7 days late", {"lag_ms": 7 * 24 * HOUR_MS}),
        *(("twitter16", f"under the {name} attack", {"attack": name}) for name in INJECTED),
    ]
    yield "AUC within quarters at 1 h / 24 h."
    yield ""
    body = []
    for name, title, given in chosen:
        report = lab.evaluation(name, lab.options(baselines=("user_history",), **given)).report
        body.append([f"{name}, {title}", *(both(made, "auc_within") for _, made in scorers(report))])
    yield from rows_of(["set", *OURS.values(), "user_history"], body)


def ablated(lab: Lab) -> Iterable[str]:
    """What each signal adds, with learned weights."""
    found = ablation.ablate(lab.load("twitter16"), lab.options(baselines=()))
    body = [
        ["–" if name == "all" else f"`{name}`", both(made, "auc_within"), both(made, "lost", sign=True)]
        for name, made in found.items()
    ]
    yield "twitter16, weights learned anew without the signal: AUC within quarters at 1 h / 24 h, and what that loses."
    yield ""
    yield from rows_of(["without", "AUC within", "lost"], body)


def attacked(lab: Lab) -> Iterable[str]:
    """Every attack on the synthetic world: AUC, what was lost, AUC on attacked claims, and lost an account."""
    clean = lab.worlds()
    reports = {name: lab.worlds(name) for name in ATTACKS}
    titles = [title for title, _ in scorers(clean)]
    yield (
        f"`{WORLD}`, attacks of share {lab.options().share:g}, {len(lab.seeds)} seeds: mean ± half of a 90 % interval, "
        "at 1 h / 24 h, over all pairs."
    )
    yield ""
    yield from rows_of(
        ["AUC", *titles],
        [
            [name, *(both(made, "auc") for _, made in scorers(report))]
            for name, report in {"no attack": clean, **reports}.items()
        ],
    )
    for title, figure, digits, scale in (
        ("AUC lost", "auc_lost", 3, 1.0),
        ("AUC on the attacked claims", "auc_on_attacked", 3, 1.0),
        ("AUC lost an attacker's account, ×10⁻⁵", "auc_lost_per_account", 1, 1e5),
    ):
        yield ""
        body = []
        for name, report in reports.items():
            costs = [scaled(made, figure, scale) for _, made in scorers(report["attack"])]
            body.append([name, *(both(made, figure, digits, figure != "auc_on_attacked") for made in costs)])
        yield from rows_of([title, *titles], body)
    yield ""
    yield from rows_of(
        ["attack", "accounts", "events", "claims", "pushed over a score of .5"],
        [[name, *_size(report["attack"])] for name, report in reports.items()],
    )


def scaled(by_horizon: dict[str, Any], figure: str, scale: float) -> dict[str, Any]:
    """One figure by horizon, times a number."""

    def times(value: Any) -> Any:
        if isinstance(value, dict):
            return {end: times(value[end]) for end in ("mean", "low", "high")}
        return None if value is None else value * scale

    return {horizon: {figure: times(made.get(figure))} for horizon, made in by_horizon.items()}


def _size(attack: dict[str, Any]) -> list[str]:
    counts = [f"{attack[part]['mean']:,.0f}" for part in ("accounts", "events", "claims")]
    return [*counts, number(attack["share_pushed_over"])]


def flags(lab: Lab) -> Iterable[str]:
    """Flags of the rule in force."""
    reports = {name: lab.evaluation(name, lab.options()).report["flags"] for name in SETS} | {
        WORLD: lab.worlds()["flags"]
    }
    yield (
        "After the first 30 % of the claims, by the rule in force. The delay is the median over all false cascades "
        "beyond 100 participants; one that was never flagged counts as infinite."
    )
    yield ""
    body = []
    for name, made in reports.items():
        cells = [number(made.get(part), 2) for part in ("precision", "recall")]
        delay = made.get("median_delay_h")
        if name == WORLD and not isinstance(delay, dict):  # of some seeds there is none
            delay = None
        cells += ["never" if delay is None else number(delay, 1)]
        large = [made[part] for part in ("large_false_flagged", "large_false")]
        cells += [" of ".join(f"{v['mean']:.1f}" if isinstance(v, dict) else str(v) for v in large)]
        body.append([name, *cells, number(made.get("median_remaining_share"), 2)])
    yield from rows_of(["set", "precision", "recall", "median delay, h", "large flagged", "still to come"], body)


def answered(lab: Lab) -> Iterable[str]:
    """Answer sets of crowds."""
    reports = {one.name: answers.evaluate(one) for one in answers.read(lab.data / "crowd_truth")}
    yield "Accuracy % / F1 %, mean over ten offsets; every tenth truth released as a verdict after its last answer."
    yield ""
    body = []
    for method in ("ours", *answers.METHODS):
        made = [r["ours"] if method == "ours" else r["baselines"].get(method) for r in reports.values()]
        body.append(
            [
                OURS["score"] if method == "ours" else method,
                *("–" if m is None else f"{m['accuracy']:.2f} / {m['f1']:.1f}" for m in made),
            ]
        )
    yield from rows_of(["method", *reports], body)


TABLES = {
    **{
        name: Table(f"Cascades of {name}", partial(cascades, name), (*OURS.values(), *Options().baselines))
        for name in SETS
    },
    "left_out": Table("Each set by what the others teach", left_out, (*SETS, WORLD)),
    "variants": Table(
        "Under other conditions",
        variants,
        (
            *(f"{name}, groups {how}" for name in SETS for how in ("withheld", "released")),
            *(f"twitter16, under the {a} attack" for a in INJECTED),
        ),
    ),
    "ablation": Table("What each signal adds", ablated, ("–", *(f"`{signal}`" for signal in ablation.switched()))),
    "gates": Table("What keeps lies out, and what it costs", gated, tuple(STREAMS)),
    "shuffled": Table("Labels dealt out anew", shuffled, SETS),
    "attacks": Table("Attacks on the synthetic world", attacked, ("no attack", *ATTACKS)),
    "flags": Table("Flags", flags, (*SETS, WORLD)),
    "calibration": Table("Calibration by age", calibrated, (*SETS, WORLD)),
    "answers": Table("Answers of crowds", answered, (OURS["score"], *answers.METHODS)),
}


# --- the page --------------------------------------------------------------------------------------------------------

TITLE = """# What was measured

Made by `python -m load_tests.scoring_tables ../shared/data`; do not edit. Each table says which command, commit and
date made it: not all are made anew with each version. What the scores mean, and where they fail, is in
[scoring.md](scoring.md).

Everything is prequential, by the protocol of `credence evaluate`: at any moment predictions come first, then verdicts
that have become due, then events. A claim's own verdict is never used for it, nor one on the same story. "AUC within
quarters" compares claims inside one quarter of the dates only, so that knowing the month is worth nothing.
"""


def kept(page: str) -> dict[str, str]:
    """The tables that a page holds, by name, with their origins."""
    return {
        name: page.split(begin)[1].split(end)[0] for name in TABLES for begin, end in [marks(name)] if begin in page
    }


def whole(tables: Mapping[str, str]) -> str:
    """The page with these tables."""
    parts = [TITLE]
    for name, body in tables.items():
        begin, end = marks(name)
        parts.append(f"\n## {TABLES[name].title}\n\n{begin}{body}{end}")
    return "".join(parts)


def marks(name: str) -> tuple[str, str]:
    """The lines between which a table stands."""
    return f"<!-- begin {name} -->\n", f"<!-- end {name} -->\n"


def write(name: str, lines: Iterable[str], origin: str) -> None:
    """Put a table in its place on the page, which is made where there is none."""
    tables = kept(PAGE.read_text("utf-8")) if PAGE.exists() else {}
    tables[name] = f"*{origin}*\n\n" + "\n".join(lines) + "\n"
    PAGE.write_text(whole({name: tables[name] for name in TABLES if name in tables}), "utf-8")


def main() -> None:
    """Make the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder with twitter15, twitter16, rumoureval2017 and crowd_truth")
    parser.add_argument("--only", default=",".join(TABLES), help=f"with commas, of {', '.join(TABLES)}")
    parser.add_argument("--seeds", type=int, default=5, help="of the synthetic world, from 0 on")
    parser.add_argument("--jobs", type=int, default=1, help="processes beside each other")
    given = parser.parse_args()
    if unknown := set(given.only.split(",")) - TABLES.keys():
        parser.error(f"no table {', '.join(sorted(unknown))}; there are {', '.join(TABLES)}")
    lab, version = Lab(given.data, given.seeds, given.jobs), commit()
    for name in given.only.split(","):
        began = time.monotonic()
        lines = list(TABLES[name].make(lab))
        command = f"python -m load_tests.scoring_tables DATA --only {name} --seeds {given.seeds}"
        write(name, lines, f"`{command}`, commit {version}, {datetime.now(UTC):%Y-%m-%d}")
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
