"""What the demo says: where to look while it runs, and the closing report as a person reads it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from streams.contract.wording import enough_evidence, why_flagged
from streams.datasets.findings import in_words
from streams.demo.closing import Example
from streams.demo.screen import risk_text, score_bar, shortened

REASONS_TOLD = 2


def print_report(
    console: Console,
    result: Mapping[str, Any],
    examples: Sequence[Example],
    why: Mapping[str, Mapping[str, Any]],
) -> None:
    """Print what was known when.

    Args:
        result: the JSON result of the demo.
        examples: claims beside their truth.
        why: claim id → its explanation, of examples that were misjudged.
    """
    console.print()
    console.rule("What Credence knew, and when", align="left", style="dim")
    flags = result["flags"]
    for sentence in (
        *_flag_sentences(flags, result["verdict_lag_h"], bool(result.get("hidden_truth"))),
        *_before_sentences(result["before_verdicts"]),
        *_ranking_sentences(result["ranking"]),
        *_lone_sentences(result, result["verdict_lag_h"]),
    ):
        console.print(f"• {sentence}", highlight=False, soft_wrap=False)
    if examples:
        console.print()
        console.print(_example_table(examples, bool(result.get("hidden_truth")), max(14, console.width - 72)))
        for example in examples:
            if example.misjudged:
                console.print(f"• {_comment(example, why.get(example.claim_id, {}))}", highlight=False, markup=False)


def _flag_sentences(flags: Mapping[str, Any], lag_h: float, hidden: bool) -> list[str]:
    if not flags["raised"]:
        return ["No flag was raised."]
    count = "1 flag was" if flags["raised"] == 1 else f"{flags['raised']} flags were"
    said = [f"{count} raised, {flags['before_verdict']} of them before a verdict existed"]
    if flags["precision"] is not None:
        said[0] += (
            f". Of the {flags['of_known_truth']} among them whose truth is known, {flags['false']} were right: the "
            f"claim is false (precision {flags['precision']:.2f}; flagging at random would reach "
            f"{flags['base_rate']:.2f})"
        )
    said[0] += "."
    if not hidden and flags["precision_later"] is not None and flags["recall_later"] is not None:
        said.append(
            f"Without the first 30 % of the claims, from which it learns (as `credence evaluate` counts): precision "
            f"{flags['precision_later']:.2f}, and {flags['recall_later']:.0%} of the false claims were flagged in time."
        )
    if flags["median_hours"] is not None:
        said.append(
            f"Half of the falsehoods that were flagged were flagged within {_hours(flags['median_hours'])} of the "
            f"first post, with {flags['median_still_to_come']:.0%} of their spread still to come. The verdicts "
            f"came after {_hours(lag_h)}."
        )
    if flags["recall_large"] is not None:
        found = round(flags["recall_large"] * flags["large_false"])
        said.append(f"Falsehoods that passed 100 people: {flags['large_false']}; flagged before the verdict: {found}.")
    return said


def _before_sentences(before: Mapping[str, Any]) -> list[str]:
    if before["risk"] is None:
        return []
    low, high = before["ci"]
    return [
        f"Just before each of the {before['claims']} verdicts, with nothing of that verdict in it, risk put a false "
        f"claim above a true one in {before['risk']:.0%} of pairs (public score: {before['score']:.0%}; counting "
        f"denials: {before['majority']:.0%}; chance: 50%). Within the same quarter of the claims it was "
        f"{before['risk_within']:.0%} ({low:.0%} to {high:.0%})."
    ]


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


def _example_table(examples: Sequence[Example], hidden: bool, title_width: int) -> Table:
    ruled = all(e.ruled for e in examples)
    title = "the largest claims, just before their verdicts" if ruled else "the largest claims without any verdict"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    truth = "hidden truth" if hidden else "label"
    table.add_column("claim", no_wrap=True)
    for name in (truth, "for/against", "score (interval)", "risk", "flagged after"):
        table.add_column(name, no_wrap=True)
    for e in examples:
        table.add_row(
            shortened(e.title, title_width),
            Text("true", style="green") if e.true else Text("false", style="red"),
            f"{e.record['supports']}/{e.record['denies']}",
            score_bar(e.record),
            risk_text(e.record),
            "–" if e.flagged_after_h is None else _hours(e.flagged_after_h),
        )
    return table


def _comment(example: Example, why: Mapping[str, Any]) -> str:
    """What went wrong with a claim that is true and was sunk, or false and was not seen, and what would mend it."""
    record = example.record
    score = f"score {record['score']:.2f}" if enough_evidence("claim", record) else "too little evidence for a score"
    figures = f"risk {record['risk']:.2f}, {score}; {record['supports']} said yes and {record['denies']} no"
    fault = "is true, and Credence sank it" if example.true else "is false, and Credence did not see it"
    told = f"“{shortened(example.title, 70)}” {fault}: {figures}."
    false, true, _ = why_flagged({"reasons": why.get("risk", {}).get("reasons", ())})
    if misled := (false if example.true else true)[:REASONS_TOLD]:
        told += f" What misled it: {'; '.join(misled)}."
    if example.true and example.flagged_after_h is not None:
        told += " A flag asked people to look: this is the look that would have cleared it."
    if example.ruled:
        return f"{told} The verdict put it right, and those who had it right got the credit."
    mend = f"credence rule {example.claim_id} {'true' if example.true else 'false'} --by YOU --note WHY"
    return f"{told} Nobody ruled on it, so nothing put it right; this would: {mend}"


def print_checks(console: Console, result: Mapping[str, Any]) -> None:
    """Print throughput, verification and the comparison with event-time order."""
    console.print()
    console.rule("Checked", align="left", style="dim")
    console.print(
        f"• {result['events']:,} events in {result['seconds']:.1f} s by this machine's clock "
        f"({result['events_per_s']:,.0f}/s), every score durable; {result['waited_s']:.1f} s of it waiting until "
        f"{result['verdicts']} verdicts were learned.",
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
            f"{gap['risk']['p95']:.3f}). Flagged in both: {gap['flagged_in_both']} claims; in one of them only: "
            f"{gap['flagged_in_one']}.",
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


def print_places(
    console: Console, environment: Mapping[str, str], places: Mapping[str, str], asked: Sequence[str], words: str
) -> None:
    """Where to look, and what to ask in another terminal.

    Args:
        environment: variables with which commands reach this Kafka.
        places: name → address.
        asked: arguments of commands.
        words: the heading.
    """
    console.print()
    console.rule(words, align="left", style="dim")
    width = max(map(len, places), default=0)
    for name, address in places.items():
        console.print(f"  {name:{width}}  {address}", highlight=False, markup=False, soft_wrap=True)
    ours = Path(sys.executable).with_name("credence")
    command = "credence" if shutil.which("credence") else os.path.relpath(ours)
    console.print("  In another terminal:", highlight=False)
    exports = " ".join(f"{name}={value}" for name, value in environment.items())
    for line in (f"export {exports}", *(f"{command} {arguments}" for arguments in asked)):
        console.print(f"    {line}", highlight=False, markup=False, soft_wrap=True)
    console.print()
