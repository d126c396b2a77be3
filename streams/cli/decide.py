"""`credence decide`: what a person decides on a flag."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from streams.api.followed import Followed
from streams.broker.embedded import BrokerError, resolve
from streams.cli.console import Kafka, escape, foreseen, out, print_json
from streams.contract.settings import Settings, SettingsError
from streams.contract.topics import FLAGS
from streams.contract.words import FlagDecision
from streams.kafka.admin import TopicsError
from streams.ops.decision_writer import Decided, DecisionWriter
from streams.ops.saying import TooMuchError


class UnknownFlagError(Exception):
    """There is no flag of this id."""


def decide(
    flag: Annotated[str, typer.Argument(metavar="FLAG", help="The flag's id, as in `credence flags tail --json`.")],
    decision: Annotated[FlagDecision, typer.Argument(help="What was decided.")],
    by: Annotated[str, typer.Option("--by", metavar="WHO", help="Who decided.")],
    note: Annotated[str | None, typer.Option("--note", help="Why, in a few words.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="Where the decision can be read.")] = None,
    broker: Kafka = None,
    as_json: Annotated[bool, typer.Option("--json", help="The record that was written.")] = False,
) -> None:
    """Decide on a flag: confirmed, dismissed, or a duplicate. `credence flags precision` counts it.

    It moves no score and takes no flag back: a ruling on the claim does (`credence rule`). A later decision replaces
    an earlier one.

    Example: credence decide risk-cascade/bridge-closed/7 confirmed --by ana --note "The bridge is open."
    """
    with foreseen(BrokerError, SettingsError, TooMuchError, TopicsError, UnknownFlagError):
        settings = resolve(Settings.from_env(broker=broker))
        what = {"decision": decision, "decided_by": by, "note": note, "url": url, "via": "credence decide"}
        record = asyncio.run(_write(settings, flag, what))
        if as_json:
            return print_json(record)
        said = f"{flag}: {decision} by {by} (revision {record['revision']})"
        out.print(escape(said), highlight=False, soft_wrap=True)


async def _write(settings: Settings, flag_id: str, what: dict[str, Any]) -> dict[str, Any]:
    # RULE/CLAIM/NUMBER: rules have no slash, claims may.
    claim_id = flag_id.partition("/")[2].rpartition("/")[0]
    async with Followed(settings, [FLAGS], claim_id) as flags, DecisionWriter(settings) as writer:
        revisions = flags.store.flag(flag_id)
        if not revisions:
            raise UnknownFlagError(f"no flag {flag_id!r} is known: `credence flags tail --json` has their `flag_id`")
        newest = revisions[-1]
        about = {"flag_id": flag_id, "revision": newest["revision"], "claim_id": newest["subject"]["id"]}
        return await writer.write(Decided(**about, **what))
