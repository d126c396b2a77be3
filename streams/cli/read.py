"""`credence claims`, `sources`, `health` and `explain`: what is known, for a person; `--json` for programs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import click
import typer
from rich.table import Table

from streams.api.published import Reader
from streams.api.store import Store
from streams.broker.embedded import BrokerError, resolve
from streams.cli.console import Kafka, err, escape, foreseen, moment, out, print_json, table_of
from streams.contract.attention import first_looked_at
from streams.contract.settings import Settings, SettingsError
from streams.contract.topics import CLAIM_SCORES, COMMUNITIES, FLAGS, SOURCE_SCORES, Topic
from streams.contract.wording import (
    assessment,
    enough_evidence,
    figure,
    in_words,
    risk_figure,
    who_ruled,
    why_retracted,
)
from streams.kafka.admin import TopicsError
from streams.ops.explanation import explanation

FORESEEN = (BrokerError, SettingsError, TopicsError)
REASONS_SHOWN = 12
EVIDENCE_SHOWN = 3
PARTS_SHOWN = 3
WIDE = 110  # characters of a terminal from which a list of claims has all of its columns
UNCUT = len("corroborated")  # of a column with that word or an interval

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, all of them unless --limit is given.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="How many to show; in a table 20.")]


def claims(
    broker: Kafka = None,
    limit: Limit = None,
    flagged: Annotated[bool, typer.Option("--flagged", help="Only those with a flag raised.")] = False,
    community: Annotated[
        str | None, typer.Option("--community", help="Only what most people of it say, as far as flags have told it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What is known about claims: open ones that are rising first, then other open ones by risk, settled ones last.

    The last column says why a claim stands where it stands. What is expected to come is as of its latest event; a claim
    that is silent for a day, by the latest event of all, is rising no more.

    A narrow terminal has no room for the last event and who ruled.

    Example: credence claims --flagged --limit 50
    """
    with foreseen(*FORESEEN):
        store = _read(broker, [CLAIM_SCORES, FLAGS] if community else [CLAIM_SCORES])
        wanted = (record for record in store.claims() if record.get("flagged") or not flagged)
        if community:
            told = store.claims_in(community)
            wanted = (record for record in wanted if record["claim_id"] in told)
        found = first_looked_at(wanted)
        if as_json:
            return _print_all([record for record, _ in found], limit)
        if not found:
            return _nothing("no such claims are known" if flagged or community else "no claims are known yet")
        last = ("last event, UTC", "ruled by") if out.width >= WIDE else ()
        table = table_of("claim", "assessment", "score", "risk", "people", "for / against", *last, "why here")
        for column in table.columns[1:4]:
            column.min_width = UNCUT
        for record, why in found[: limit or 20]:
            table.add_row(
                escape(record["claim_id"]),
                assessment("claim", record),
                figure("claim", record),
                risk_figure(record),
                f"{record['participants']:,}",
                f"{record['supports']:,} / {record['denies']:,}",
                *((_day(record["last_event_ms"]), escape(who_ruled(record))) if last else ()),
                why,
            )
        _show(table, len(found), "claims")


def sources(broker: Kafka = None, limit: Limit = None, as_json: AsJson = False) -> None:
    """What is known about sources, the busiest first.

    Example: credence sources --json --limit 1000 > sources.jsonl
    """
    with foreseen(*FORESEEN):
        found = list(_read(broker, [SOURCE_SCORES]).sources())
        if as_json:
            return _print_all(found, limit)
        if not found:
            return _nothing("no sources are known yet")
        table = table_of("source", "assessment", "credibility", "events", "claims", "right", "wrong", "insight")
        for record in found[: limit or 20]:
            table.add_row(
                escape(record["source_id"]),
                assessment("source", record),
                figure("source", record),
                *(f"{record[field]:,}" for field in ("events", "claims", "right", "wrong")),
                f"{record['insight']:.2f}",
            )
        _show(table, len(found), "sources")


def health(broker: Kafka = None, limit: Limit = None, as_json: AsJson = False) -> None:
    """How communities fare, the largest first: for operators, never part of a score.

    Dissent is the share of stances against the majority; hidden is what of the denials of a shared falsehood came after
    the verdict only. --json has all signs.

    Example: credence health
    """
    with foreseen(*FORESEEN):
        found = list(_read(broker, [COMMUNITIES]).communities())
        if as_json:
            return _print_all(found, limit)
        if not found:
            return _nothing("no communities are known yet: they need `credence communities` and some settled claims")
        shares = ("accuracy", "dissent", "hidden_dissent", "insularity")
        names = (share.replace("_", " ") for share in shares)
        table = table_of("community", "assessment", "echo index", "members", "claims", "corrects in", *names)
        for record in found[: limit or 20]:
            hours = record["correction_half_life_h"]
            table.add_row(
                escape(record["community_id"]),
                assessment("community", record),
                figure("community", record),
                f"{record['members']:,}",
                f"{record['claims']:,}",
                "–" if hours is None else f"{hours:.1f} h",
                *("–" if record[share] is None else f"{record[share]:.2f}" for share in shares),
            )
        _show(table, len(found), "communities")


def explain(
    id: Annotated[str, typer.Argument(help="A claim's id, or a source's.")],
    broker: Kafka = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object: a claim's, a source's, or a line for each.")
    ] = False,
) -> None:
    """Why a claim or a source has its score: evidence, reasons and flags.

    Example: credence explain 714598641827246081
    """
    with foreseen(*FORESEEN):
        store = _read(broker, [CLAIM_SCORES, SOURCE_SCORES, FLAGS], key=id)
        why = asyncio.run(explanation(_settings(broker), id)) if store.claim(id) is not None else None
        known = [(s, r) for s, r in (("claim", store.claim(id)), ("source", store.source(id))) if r is not None]
        if not known:
            err.print(
                f"no claim and no source {escape(repr(id))} is known; `credence claims` lists them", highlight=False
            )
            raise typer.Exit(1)
        for subject, record in known:
            raised = store.flags_about(id) if subject == "claim" else []
            if as_json:
                words = {"assessment": assessment(subject, record), "enough_evidence": enough_evidence(subject, record)}
                told = {"explanation": why} if subject == "claim" and why is not None else {}
                print_json({"subject": subject, **record, **words, "flags": raised, **told})
            else:
                _explain(subject, record, raised)
                if subject == "claim" and why is not None:
                    enough = enough_evidence(subject, record)
                    _show_sum("corroboration: what speaks for it (+) and against it (-)", why["score"], enough)
                    _show_sum("risk: what makes it look false (+) or true (-)", why["risk"], True)
                    _show_experts(why["risk"]["experts"])


def _settings(broker: str | None) -> Settings:
    return resolve(Settings.from_env(broker=broker))


def _read(broker: str | None, followed: Sequence[Topic], key: str | None = None) -> Store:
    """All that the topics hold now. With a key, only its partitions are read. It goes when the command ends."""
    store = Store()
    click.get_current_context().call_on_close(store.close)

    async def read() -> Store:
        async with Reader(_settings(broker), followed, key=key) as reader:
            with err.status("reading"):
                async for entries in reader.to_end():
                    store.apply(entries)
        return store

    return asyncio.run(read())


def _nothing(what: str) -> None:
    """Say that there is nothing to show, instead of an empty table."""
    err.print(f"{what}. Does a worker run (`credence worker`), and do events come in (`credence topics list`)?")


def _print_all(found: Sequence[Mapping[str, Any]], limit: int | None) -> None:
    for record in found[:limit]:
        print_json(record)


def _show(table: Table, found: int, what: str) -> None:
    out.print(table)
    if found > table.row_count:
        err.print(
            f"{table.row_count} of {found:,} {what}; --limit shows more, --json all", style="dim", highlight=False
        )


def _explain(subject: str, record: dict[str, Any], raised: Iterable[dict[str, Any]]) -> None:
    out.print(f"[bold]{subject} {escape(record[subject + '_id'])}[/]: {assessment(subject, record)}", highlight=False)
    facts: list[tuple[str, Any]]
    if subject == "claim":
        facts = [("corroboration", figure(subject, record)), ("risk of being false", risk_figure(record))]
        facts += [(field, f"{record[field]:,}") for field in ("events", "participants", "supports", "denies")]
        facts += [("first event", moment(record["first_event_ms"])), ("last event", moment(record["last_event_ms"]))]
        facts += [
            ("verdict", record.get("verdict") or "none yet"),
            *((f"ruled by {rating['rater_id']}", in_words(rating)) for rating in record.get("rulings") or ()),
            *([("raters disagree", "yes")] if record.get("raters_disagree") else []),
            ("flagged", "yes" if record.get("flagged") else "no"),
        ]
    else:
        facts = [("credibility", figure(subject, record))]
        facts += [(field, f"{record[field]:,}") for field in ("events", "claims", "right", "wrong")]
        facts += [("insight", f"{record['insight']:.2f}")]
    facts += [
        ("as of", moment(record["as_of_ms"])),
        ("made by", f"{record['core_version']}, version {record['version']}"),
    ]
    grid = Table.grid(padding=(0, 2))
    for name, value in facts:
        grid.add_row(f"  {name}", escape(str(value)))
    out.print(grid)
    _show_reasons(record.get("reasons") or [])
    for flag in raised:
        gone = flag["action"] == "retract"
        standing = f"retracted ({why_retracted(flag)})" if gone else "stands"
        out.print(
            f"  flag {escape(flag['label'])} {standing}: priority {flag['priority']}, {moment(flag['event_time_ms'])}",
            highlight=False,
        )
        if not gone:
            out.print("  [dim]a person should read what the reasons name; a ruling on the claim retracts the flag[/]")


def _show_reasons(reasons: Sequence[dict[str, Any]]) -> None:
    if not reasons:
        return
    table = Table("reason", "log-odds", "evidence", title="what moved it most", title_justify="left")
    for reason in reasons[:REASONS_SHOWN]:
        ids = reason.get("evidence_ids") or []
        more = f" and {len(ids) - EVIDENCE_SHOWN} more" if len(ids) > EVIDENCE_SHOWN else ""
        table.add_row(
            escape(reason["code"]), f"{reason['weight']:+.2f}", escape(", ".join(ids[:EVIDENCE_SHOWN]) + more)
        )
    out.print(table)


def _show_sum(title: str, told: dict[str, Any], enough: bool) -> None:
    """Show the reasons that add up to a figure's log-odds, strongest first; small ones share a line."""
    reasons = told["reasons"]
    shown = [r for r in reasons[:REASONS_SHOWN] if abs(r["weight"]) >= 0.005]
    table = Table("why", "log-odds", "read", title=title, title_justify="left")
    for reason in shown:
        ids = reason["evidence_ids"]
        more = f" and {len(ids) - EVIDENCE_SHOWN} more" if len(ids) > EVIDENCE_SHOWN else ""
        table.add_row(
            escape(reason["text"]), f"{reason['weight']:+.2f}", escape(", ".join(ids[:EVIDENCE_SHOWN]) + more)
        )
    if len(shown) < len(reasons):
        rest = told["log_odds"] - sum(r["weight"] for r in shown)
        table.add_row("smaller reasons", f"{rest:+.2f}", "")
    table.add_section()
    means = f"a probability of {told['value']:.2f}" if enough else "not enough evidence"
    table.add_row(f"together: {means}", f"{told['log_odds']:+.2f}", "")
    out.print(table)


def _show_experts(experts: Sequence[dict[str, Any]]) -> None:
    """Show by whose weights the signals of the risk count, and the strongest ideas of each."""
    table = Table(
        "by whose weights",
        "used",
        "log-odds",
        "most of it",
        title="risk: by whose weights, start and rulings left out",
        title_justify="left",
    )
    for expert in experts:
        most = ", ".join(f"{part['code']} {part['weight']:+.2f}" for part in expert["parts"][:PARTS_SHOWN])
        share = "" if expert["share"] is None else f"{expert['share']:.0%}"
        table.add_row(expert["text"], share, f"{expert['weight']:+.2f}", most)
    out.print(table)


def _day(ms: int) -> str:
    return moment(ms)[:16]
