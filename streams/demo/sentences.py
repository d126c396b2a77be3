"""The closing report as a person reads it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from streams.datasets.findings import in_words
from streams.demo.screen import risk_text, score_bar, shortened


def print_report(console: Console, result: Mapping[str, Any], examples: list[dict[str, Any]]) -> None:
    """Print what was known when; `result` is the JSON result of the demo."""
    console.print()
    console.rule("What Credence knew, and when", align="left", style="dim")
    flags = result["flags"]
    for sentence in (
        *_flag_sentences(flags, result["verdict_lag_h"]),
        *_ranking_sentences(result["ranking"]),
        *_lone_sentences(result, result["verdict_lag_h"]),
    ):
        console.print(f"• {sentence}", highlight=False, soft_wrap=False)
    if examples:
        console.print()
        console.print(_example_table(examples, bool(result.get("hidden_truth")), max(14, console.width - 72)))


def _flag_sentences(flags: Mapping[str, Any], lag_h: float) -> list[str]:
    if not flags["raised"]:
        return ["No flag was raised."]
    said = [f"{flags['raised']} flags were raised, {flags['before_verdict']} of them before a verdict existed"]
    if flags["precision"] is not None:
        said[0] += (
            f". Of those, {flags['false']} of {flags['of_known_truth']} were right: the claim is false (precision "
            f"{flags['precision']:.2f}; flagging at random would reach {flags['base_rate']:.2f})"
        )
    said[0] += "."
    if flags["median_hours"] is not None:
        said.append(
            f"Half of the falsehoods that were flagged were flagged within {_hours(flags['median_hours'])} of the "
            f"first post, with {flags['median_still_to_come']:.0%} of their spread still to come. The verdicts "
            f"came after {_hours(lag_h)}."
        )
    if flags["recall_large"] is not None:
        found = round(flags["recall_large"] * flags["large_false"])
        said.append(
            f"Of {flags['large_false']} falsehoods that passed 100 people, {found} "
            f"{'was' if found == 1 else 'were'} flagged before the verdict."
        )
    return said


def _ranking_sentences(ranking: Mapping[str, Any]) -> list[str]:
    if ranking["risk"] is None:
        return []
    return [
        f"On the {ranking['claims']} claims that nobody ever ruled on, risk puts a false one above a true one in "
        f"{ranking['risk']:.0%} of pairs (public score: {ranking['score']:.0%}; counting denials: "
        f"{ranking['majority']:.0%})."
    ]


def _lone_sentences(result: Mapping[str, Any], lag_h: float) -> list[str]:
    lone = result.get("lone_source")
    if lone is None or not lone["stories"]:
        return []
    first, after = lone["first_verdict"], lone["after"]
    told = [story for story in lone["stories"] if story["score_before_verdict"] is not None]
    said = [f"{lone['source_id']} stood alone against her neighbours {len(lone['stories'])} times."]
    if told:
        said[0] += f" The first time, {told[0]['supports']} said yes and {told[0]['denies']} no (“{told[0]['title']}”)."
    said[0] += (
        f" Each verdict, {_hours(lag_h)} later, proved her right. Credence had no opinion of her; the first verdict "
        f"made her credibility {first['credibility']:.2f}, the last one {after['credibility']:.2f} ({after['right']} "
        f"right, {after['wrong']} wrong). By insight, credit for being right when it was not obvious, she ranks "
        f"{lone['insight_rank']} of {result['sources']:,}."
    )
    if len(told) > 1:
        one, last = told[0], told[-1]
        said.append(
            f"Just before its verdict that story had score {one['score_before_verdict']:.2f} and risk "
            f"{one['risk_before_verdict']:.2f}; the last one, when records were known, score "
            f"{last['score_before_verdict']:.2f} and risk {last['risk_before_verdict']:.2f}."
        )
    return said


def _hours(hours: float) -> str:
    return f"{hours * 60:.0f} minutes" if hours < 1.5 else f"{hours:.1f} hours".replace(".0 ", " ")


def _example_table(examples: list[dict[str, Any]], hidden: bool, title_width: int) -> Table:
    ruled = all(e["ruled"] for e in examples)
    title = "the largest claims" if ruled else "the largest claims without any verdict"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    truth = "hidden truth" if hidden else "label"
    table.add_column("claim", no_wrap=True)
    for name in (truth, "for/against", "score (interval)", "risk", "flagged after"):
        table.add_column(name, no_wrap=True)
    for e in examples:
        table.add_row(
            shortened(e["title"], title_width),
            Text("true", style="green") if e["truth"] else Text("false", style="red"),
            f"{e['supports']}/{e['denies']}",
            score_bar(e),
            risk_text(e),
            "–" if e["flagged_after_h"] is None else _hours(e["flagged_after_h"]),
        )
    return table


def print_checks(console: Console, result: Mapping[str, Any]) -> None:
    """Print throughput, verification and the comparison with event-time order."""
    console.print()
    console.rule("Checked", align="left", style="dim")
    console.print(
        f"• {result['events']:,} events in {result['seconds']:.1f} s ({result['events_per_s']:,.0f}/s), every score "
        f"durable; {result['waited_s']:.1f} s of it waiting until {result['verdicts']} verdicts were learned.",
        highlight=False,
    )
    verify = result.get("verify")
    if verify and "max_abs_diff" in verify:
        differing = sum(verify[k] for k in ("records_differing", "flags_missing", "flags_extra", "counts_differing"))
        console.print(
            f"• Replayed every log in memory and recounted the input: the largest difference of any number of the "
            f"state is {verify['max_abs_diff']:.1g}; records, flags and counts that differ: {differing}"
            f"{'' if verify['complete'] else '. The logs are cut'}.",
            highlight=False,
        )
    elif verify:
        console.print(f"• [bold red]Verification broke off:[/] {escape(verify['error'])}", highlight=False)
    gap = result.get("live_vs_event_time")
    if gap and "score" in gap:
        console.print(
            f"• Live scores against a stream in strict event-time order: half differ by less than "
            f"{gap['score']['median']:.3f}, 95 % by less than {gap['score']['p95']:.3f} (risk: "
            f"{gap['risk']['p95']:.3f}).",
            highlight=False,
        )


def print_refused(console: Console, result: Mapping[str, Any]) -> None:
    """Print what was left out of the data and what was refused on the way, each with the reason, if anything was."""
    said = [*in_words(result)]
    if dead_letters := result["dead_letters"]:
        codes = ", ".join(f"{code} {count:,}" for code, count in dead_letters.items())
        said.append(f"{sum(dead_letters.values()):,} records became dead letters on the way: {codes}.")
    if not said:
        return
    console.print()
    console.rule("Refused", align="left", style="dim")
    for sentence in said:
        console.print(sentence if sentence.startswith(" ") else f"• {sentence}", highlight=False, markup=False)


def print_places(console: Console, environment: Mapping[str, str], api: str, claim: str, source: str) -> None:
    """Where to look while it is still up."""
    console.print()
    console.rule("Look around while it runs", align="left", style="dim")
    for path in (f"/v1/claims/{claim}", f"/v1/sources/{source}", "/readyz", "/metrics"):
        console.print(f"  curl {api}{path}", highlight=False, soft_wrap=True)
    console.print(f"  export {' '.join(f'{k}={v}' for k, v in environment.items())}", highlight=False, soft_wrap=True)
    ours = Path(sys.executable).with_name("credence")
    name = "credence" if shutil.which("credence") else os.path.relpath(ours)
    for arguments in ("claims --flagged", f"explain {claim}", "flags tail"):
        console.print(f"  {name} {arguments}", highlight=False, soft_wrap=True)
