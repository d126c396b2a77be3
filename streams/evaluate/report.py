"""The report for a person: tables in the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from streams.datasets.findings import in_words


def show(report: dict[str, Any], console: Console) -> None:
    """Print the report on cascades; last, what was left out of the set."""
    horizons = list(report["ours"])
    first = report["ours"][horizons[0]]
    shuffled = ", labels dealt out anew" if report["protocol"]["shuffled"] else ""
    console.print(
        f"[bold]{report['set']}[/bold]: {report['events']:,} events, {first['n']} claims evaluated, "
        f"{first['n_false']} false{shuffled}; ours took {report['seconds']:.1f} s; "
        f"verdicts {report['protocol']['verdict_lag']} late, groups {report['protocol']['groups']}, "
        f"{report['protocol']['forks']} forks, {report['protocol']['forks_in_larger_steps']} in larger steps"
    )
    for horizon in horizons:
        console.print(_ranking_table(report, horizon))
    for horizon, best in report["best_baseline"].items():
        upside_down = " upside down" if best["upside_down"] else ""
        low, high = best["gain_ci"]
        console.print(
            f"at {horizon}, within quarters: {best['gain']:+.3f} ({low:+.3f} to {high:+.3f}) "
            f"over {best['name']}{upside_down}"
        )
    _show_flags(report["flags"], console)
    if "attack" in report:
        console.print(_attack_table(report["attack"], horizons))
    for sentence in in_words(report):
        console.print(sentence, highlight=False, markup=False)


def _ranking_table(report: dict[str, Any], horizon: str) -> Table:
    table = Table(title=f"at {horizon}: how well false claims rank above true ones")
    table.add_column("scorer")
    for name in ("AUC within", "95 %", "AUC", "Brier skill", "ECE"):
        table.add_column(name, justify="right")
    rows = [("ours (risk)", report["ours"][horizon]), ("ours (score)", report["score"][horizon])]
    rows += [(name, made[horizon]) for name, made in report["baselines"].items()]
    for name, row in rows:
        upside_down = f" (1−: {row['auc_within_reversed']:.3f})" if "auc_within_reversed" in row else ""
        table.add_row(
            name,
            f"{row['auc_within']:.3f}{upside_down}",
            "–".join(f"{v:.3f}" for v in row["ci"]),
            f"{row['auc']:.3f}",
            _number(row["brier_skill"]),
            _number(row["ece"]),
            style="bold" if name == "ours (risk)" else None,
        )
    return table


def _show_flags(flags: dict[str, Any], console: Console) -> None:
    delay = (
        f"{flags['median_delay_h']:.2f} h" if flags["median_delay_h"] is not None else "never (most are not flagged)"
    )
    console.print(
        f"flags: {flags['flagged']} raised, "
        f"precision {_number(flags['precision'])}, recall {_number(flags['recall'])}, "
        f"median delay {delay}, {_number(flags['median_remaining_share'])} of the cascade still to come; "
        f"{flags['large_false_flagged']} of {flags['large_false']} large false cascades"
    )


def _attack_table(attack: dict[str, Any], horizons: list[str]) -> Table:
    table = Table(
        title=f"attack {attack['name']}: {attack['accounts']:,} accounts, {attack['events']:,} events, "
        f"{attack['claims']} claims; {attack['share_pushed_over']:.1%} of them pushed over a score of .5"
    )
    table.add_column("scorer")
    for horizon in horizons:
        for name in ("AUC lost", "on attacked", "lost an account"):
            table.add_column(f"{name} {horizon}", justify="right")
    rows = [("ours (risk)", attack["ours"]), ("ours (score)", attack["score"]), *attack["baselines"].items()]
    for name, lost in rows:
        cells = []
        for horizon in horizons:
            row = lost[horizon]
            each = row["auc_lost_per_account"]
            cells += [
                f"{row['auc_lost']:+.3f}",
                _number(row["auc_on_attacked"]),
                "–" if each is None else f"{each:+.2e}",
            ]
        table.add_row(name, *cells)
    return table


def show_answers(report: dict[str, Any], console: Console) -> None:
    """Print the report on an answer set."""
    table = Table(
        title=f"{report['set']}: {report['answers']:,} answers, every tenth truth released, mean over ten offsets"
    )
    table.add_column("method")
    for name in ("accuracy %", "95 %", "F1 %", "published %"):
        table.add_column(name, justify="right")
    for name, row in [("ours", report["ours"]), *report["baselines"].items()]:
        low, high = row["ci"]
        told = report["published"].get(name)
        table.add_row(
            name,
            f"{row['accuracy']:.2f}",
            f"{low:.2f}–{high:.2f}",
            f"{row['f1']:.2f}",
            f"{told['accuracy']:.2f}" if told else "",
            style="bold" if name == "ours" else None,
        )
    for name, told in report["published"].items():
        if name not in report["baselines"]:
            table.add_row(f"{name} (published, offline)", "", "", "", f"{told['accuracy']:.2f}")
    console.print(table)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
