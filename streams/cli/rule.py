"""`credence rule` and `credence appeal`: answer a claim with a verdict, and see what it changes."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from streams.api.followed import Followed
from streams.broker.embedded import BrokerError, resolve
from streams.cli.console import Kafka, err, escape, foreseen, out, print_json, table_of
from streams.contract.settings import Settings, SettingsError
from streams.contract.topics import CLAIM_SCORES
from streams.contract.wording import figure, risk_figure
from streams.contract.words import RulingKind, Verdict
from streams.kafka.admin import TopicsError
from streams.ops.ruling_writer import PATIENCE_S, RulingWriter
from streams.ops.saying import Became, Outcome, RulingError, Said, TooMuchError, flag_moved, told

FORESEEN = (BrokerError, RulingError, SettingsError, TooMuchError, TopicsError)
Claim = Annotated[str, typer.Argument(metavar="CLAIM", help="The claim's id.")]
Found = Annotated[Verdict, typer.Argument(help="What was found.")]
By = Annotated[str, typer.Option("--by", metavar="RATER", help="Who found it: a fact-checker, a desk, a person.")]
Url = Annotated[str | None, typer.Option("--url", help="Where the finding can be read.")]
Note = Annotated[str | None, typer.Option("--note", help="Why, in a few words: it is shown with the verdict.")]
Wait = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait until it counts.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


def rule(
    claim: Claim,
    verdict: Found,
    by: By,
    url: Url = None,
    note: Note = None,
    kind: Annotated[RulingKind, typer.Option(help="By what kind of process it was found.")] = RulingKind.MODERATION,
    broker: Kafka = None,
    wait: Wait = PATIENCE_S,
    as_json: AsJson = False,
) -> None:
    """Rule on a claim, and wait until it counts: true, false, mixed, or withdrawn, which takes the former one back.

    A second ruling of the same rater replaces the first; its version is found by itself. Raters who find different
    things are pooled, and shown as such.

    Example: credence rule bridge-closed false --by desk --url https://example.org/1 --note "It is open."
    """
    said = {"claim_id": claim, "verdict": verdict, "rater_id": by, "kind": kind, "url": url, "note": note}
    _rule(said, broker, wait, as_json)


def appeal(
    claim: Claim,
    verdict: Found,
    by: By,
    url: Url = None,
    note: Note = None,
    broker: Kafka = None,
    wait: Wait = PATIENCE_S,
    as_json: AsJson = False,
) -> None:
    """Decide on an appeal: a ruling of whoever ruled before, after another look. It replaces the former one.

    `--by` is the rater whose ruling is looked at again. Another rater's is one more opinion, and replaces nothing.

    Example: credence appeal bridge-closed true --by desk --note "The photograph is of last year."
    """
    said = {"claim_id": claim, "verdict": verdict, "rater_id": by, "kind": RulingKind.APPEAL, "url": url, "note": note}
    _rule(said, broker, wait, as_json)


def _rule(what: dict[str, Any], broker: str | None, wait: float, as_json: bool) -> None:
    with foreseen(*FORESEEN):
        said = Said(**what)
        settings = resolve(Settings.from_env(broker=broker))
        outcome = asyncio.run(_write(settings, said, wait))
        if as_json:
            print_json(told(said, outcome))
        else:
            _show(said, outcome)
    if outcome.became is Became.PENDING:
        raise typer.Exit(1)


async def _write(settings: Settings, said: Said, wait: float) -> Outcome:
    with err.status("reading what is known of the claim") as status:
        async with (
            Followed(settings, [CLAIM_SCORES], said.claim_id) as claims,
            RulingWriter(settings, claims) as writer,
        ):
            status.update(f"waiting until the ruling counts, {wait:.0f} s at most")
            return await writer.write(said, wait)


def _show(said: Said, outcome: Outcome) -> None:
    words = {
        Became.COUNTS: "it counts",
        Became.UNCHANGED: "that is what this rater says already, and nothing was written",
        Became.SUPERSEDED: "it counted, and another ruling of the same rater has come since",
        Became.PENDING: "it is written, and no worker has taken it in yet; it will count once one has",
    }[outcome.became]
    head = f"{said.claim_id}: {said.rater_id} says {said.verdict}, version {outcome.version}; {words}"
    out.print(escape(head), highlight=False, soft_wrap=True)
    if outcome.became is Became.PENDING:
        return
    before, after = outcome.before, outcome.after
    table = table_of("", "before", "after")
    table.add_row("score", figure("claim", before), figure("claim", after))
    table.add_row("risk", risk_figure(before), risk_figure(after))
    table.add_row("verdict", before.get("verdict") or "none", after.get("verdict") or "none")
    table.add_row("flag", "raised" if before.get("flagged") else "none", flag_moved(before, after))
    out.print(table)
    if after.get("raters_disagree"):
        each = (f"{r['rater_id']} says {r['verdict']}" for r in after["rulings"] if r["verdict"] != Verdict.WITHDRAWN)
        out.print(escape(f"raters disagree: {', '.join(each)}"), highlight=False, soft_wrap=True)
