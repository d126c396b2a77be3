"""`credence rulings`: who ruled what on a claim, what of it counts, and why the rest does not."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from streams.broker.embedded import BrokerError, resolve
from streams.cli.console import Kafka, err, escape, foreseen, moment, out, print_json, table_of
from streams.contract.codes import VERDICT_CODES
from streams.contract.settings import Settings, SettingsError
from streams.kafka.admin import TopicsError
from streams.ops.explanation import rulings as told

_VERDICTS = {code: word for word, code in VERDICT_CODES.items()}


def rulings(
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="The claim's id.")],
    broker: Kafka = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a ruling.")] = False,
) -> None:
    """Who ruled what on a claim, and when: what counts, what waits for the claim, what was superseded or refused.

    Versions count within a rater: the highest counts. Of the others the newest 32 are remembered. A ruling that was no
    valid record is in `credence dead-letters list`.

    Example: credence rulings tax-tern-island
    """
    with foreseen(BrokerError, SettingsError, TopicsError):
        found = asyncio.run(told(resolve(Settings.from_env(broker=broker)), claim))
        if not found:
            err.print(f"no ruling on claim {escape(repr(claim))} is known", highlight=False)
            raise typer.Exit(1)
        if as_json:
            for ruling in found:
                print_json(record_of(claim, ruling))
            return
        table = table_of("rater", "version", "verdict", "ruled at", "kind", "fate", "why so", "note", "url")
        for ruling in found:
            shown = record_of(claim, ruling)
            table.add_row(
                escape(shown["rater_id"]), str(shown["version"]), shown["verdict"], moment(shown["ruled_at_ms"]),
                escape(shown["kind"]), shown["fate"], shown["why"], escape(shown["note"] or "–"),
                escape(shown["url"] or "–"),
            )  # fmt: skip
        out.print(table)


def record_of(claim: str, ruling: dict[str, Any]) -> dict[str, Any]:
    """A ruling of `ClaimsState.told` in the words of the input, with its fate and what that means."""
    return {
        "claim_id": claim,
        "rater_id": ruling["rater_id"],
        "version": ruling["version"],
        "verdict": _VERDICTS[ruling["verdict"]],
        "ruled_at_ms": ruling["time_ms"],
        "kind": ruling["kind"],
        "id": ruling["id"],
        "url": ruling["url"] or None,
        "note": ruling["note"] or None,
        "fate": str(ruling["fate"]),
        "why": ruling["fate"].doc,
    }
