"""`credence flags pause`, `stop`, `resume`, `precision`, `budget`: an operator's controls, and what they do."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from streams.broker.embedded import BrokerError, resolve
from streams.cli.console import Kafka, err, escape, foreseen, moment, out, print_json, say, table_of
from streams.cli.precision import show_precision
from streams.contract import topics
from streams.contract.settings import Settings, SettingsError
from streams.contract.words import FLAG_RULES
from streams.kafka import provision
from streams.kafka.admin import TopicsError

FORESEEN = (BrokerError, SettingsError, TopicsError)
MEANINGS = {
    "pause": "no new flag is raised; those that stand are updated and retracted as before",
    "stop": "every flag is retracted, and none is raised",
    "resume": "flags are raised again, a claim's at its next event",
}

Which = Annotated[str, typer.Option("--rule", help=f"The rule: {' or '.join(FLAG_RULES)}.")]
By = Annotated[str, typer.Option("--by", help="Who does it; kept in the log and shown by `flags status`.")]
Note = Annotated[str, typer.Option("--note", help="Why; kept and shown beside it.")]


def pause(by: By, note: Note, rule: Which = FLAG_RULES[0], broker: Kafka = None) -> None:
    """Raise no new flag until `resume`; what was raised is still updated and retracted."""
    _send(broker, rule, "pause", {"paused": 1.0}, by, note, MEANINGS["pause"])


def stop(
    by: By,
    note: Note,
    rule: Which = FLAG_RULES[0],
    broker: Kafka = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Retract every flag of the rule now, and raise none until `resume`: the kill switch."""
    if not yes:
        typer.confirm("Retract every flag that stands, and raise no more?", abort=True)
    _send(broker, rule, "stop", {"killed": 1.0}, by, note, MEANINGS["stop"])


def resume(by: By, note: Note, rule: Which = FLAG_RULES[0], broker: Kafka = None) -> None:
    """Take back `pause` and `stop`."""
    _send(broker, rule, "resume", {"paused": 0.0, "killed": 0.0}, by, note, MEANINGS["resume"])


def precision(
    share: Annotated[
        float | None, typer.Argument(min=0.5, max=0.99, help="Share of the flags that should be right, to set it.")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="Who sets it.")] = "",
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    rule: Which = FLAG_RULES[0],
    broker: Kafka = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object; without a share.")] = False,
) -> None:
    """How often flags were right, by verdicts and by decisions; with a share, set how often they should be.

    Flags are then raised at the risk from which so many of them prove right, by the verdicts so far. `dry-run` says
    what that would have been on the traffic of the last days. With --rule of the rule in shadow it runs beside the
    other one and reaches no queue.
    """
    with foreseen(*FORESEEN):
        if share is None:
            return show_precision(_settings(broker), as_json)
        if not by or not note:
            raise SettingsError("to set the share, say who sets it with --by, and why with --note")
    meaning = f"flags are raised where {share:.0%} of them should be right; more verdicts make it more exact"
    _send(broker, rule, "precision", {"precision": share}, by, note, meaning)


def budget(
    by: By,
    note: Note,
    an_hour: Annotated[int | None, typer.Option(min=0, help="Most flags raised in an hour of the stream.")] = None,
    standing: Annotated[int | None, typer.Option(min=0, help="Most flags that stand at once.")] = None,
    rule: Which = FLAG_RULES[0],
    broker: Kafka = None,
) -> None:
    """Hold back what is more than this; when there is room again, the most pressing is raised first.

    Each partition keeps its share by itself, so that a number is rounded down to a multiple of the partitions.
    """
    wanted = {"an_hour": an_hour, "standing": standing}
    given = {what: most for what, most in wanted.items() if most is not None}
    with foreseen(*FORESEEN):
        if not given:
            raise SettingsError("say --an-hour, --standing, or both")
        partitions = provision.installed(_settings(broker)).partitions
        if few := [most for most in given.values() if 0 < most < partitions]:
            raise SettingsError(f"{few[0]} is less than one for each of the {partitions} partitions; 0 raises none")
        shares = {what: float(most // partitions) for what, most in given.items()}
    told = " and ".join(f"{int(each) * partitions:,} {what.replace('_', ' ')}" for what, each in shares.items())
    _send(broker, rule, "budget", shares, by, note, f"at most {told}")


def status(
    broker: Kafka = None, as_json: Annotated[bool, typer.Option("--json", help="One JSON object a rule.")] = False
) -> None:
    """What stands by rule, what a budget holds back, and who set the rules so, when and why.

    Hours and days are of the stream: of the events, not of the wall.

    Example: credence flags status --json
    """
    from streams.ops.flag_status import status as read

    with foreseen(*FORESEEN):
        with err.status("reading"):
            found = asyncio.run(read(_settings(broker)))
        if as_json:
            for rule in found:
                print_json(rule)
            return
        table = table_of("rule", "state", "stands", "held back", "this hour", "last day", "right, wanted", "from risk")
        for rule in found:
            table.add_row(
                rule["rule"] + (" (in shadow: reaches no queue)" if rule["shadow"] else ""),
                rule["state"],
                f"{rule['stands']:,} of {rule['standing']:,}",
                f"{rule['held_back']:,}",
                f"{rule['raised_this_hour']:,} of {rule['an_hour']:,}",
                f"{rule['raised_last_day']:,}",
                f"{rule['precision']:.0%}",
                f"{rule['threshold']:.2f}",
            )
        out.print(table)
        for rule in found:
            _tell_controls(rule)


def _tell_controls(rule: dict[str, Any]) -> None:
    for done in rule["controls"].values():
        note = f": {done['note']}" if done["note"] else ""
        line = f"{rule['rule']}  {done['control']} by {done['by']}, {moment(done['at_ms'])}{note}"
        out.print(escape(line), highlight=False, soft_wrap=True)
    for flag in rule["most_pressing_held_back"]:
        line = f"{rule['rule']}  held back: {flag['claim_id']}, priority {flag['priority']}"
        out.print(escape(line), highlight=False, soft_wrap=True)


def dry_run(
    precision: Annotated[float, typer.Option(min=0.5, max=0.99, help="Share of the flags that should be right.")],
    days: Annotated[float, typer.Option(min=0.04, help="Days of the stream to look back.")] = 7,
    broker: Kafka = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """What another precision would have done to the traffic of the last days: nothing is changed.

    Replays the logs in memory, with the threshold that the verdicts so far would have taught at each moment.

    Example: credence flags dry-run --precision 0.9 --days 14
    """
    from streams.ops.other_precision import DryRunError
    from streams.ops.other_precision import dry_run as run

    with foreseen(*FORESEEN, DryRunError):
        with err.status("replaying the logs in memory"):
            found = asyncio.run(run(_settings(broker), precision, days))
        if as_json:
            return print_json(found)
        table = table_of("", "flags", "a day", "settled", "right", "precision (90 %)")
        for name in ("now", "then"):
            side = found[name]
            share = (
                "–" if side["precision"] is None else f"{side['precision']:.2f} ({side['low']:.2f}–{side['high']:.2f})"
            )
            words = "as it is" if name == "now" else f"with {precision:.0%}"
            table.add_row(words, *(f"{side[each]:,}" for each in ("flags", "flags_a_day", "settled", "right")), share)
        out.print(
            f"from {moment(found['from_ms'])} to {moment(found['until_ms'])}, {found['days']:g} days of the stream"
        )
        out.print(table)
        then = found["then"]
        out.print(f"{len(found['come']):,} flags would come, {len(found['go']):,} would go.")
        for word in ("come", "go"):
            for claim in found[word][:10]:
                out.print(escape(f"  {word:<4}  {claim}"), highlight=False, soft_wrap=True)
        expect = "" if then["low"] is None else f", {then['low']:.0%} to {then['high']:.0%} of them right"
        out.print(f"Expect about {then['flags_a_day']:g} flags a day{expect}.")


def _settings(broker: str | None) -> Settings:
    return resolve(Settings.from_env(broker=broker))


def _send(broker: str | None, rule: str, kind: str, values: dict[str, float], by: str, note: str, meaning: str) -> None:
    """Send a control through the log, as everything is, so that a replay decides as the workers did."""
    from streams.ops.flag_controls import Control, send

    with foreseen(*FORESEEN):
        if rule not in FLAG_RULES:
            raise SettingsError(f"there is no rule {rule}: there are {' and '.join(FLAG_RULES)}")
        settings = _settings(broker)
        if not all(state.partitions for state in provision.states(settings.broker, settings, [topics.LESSONS])):
            raise TopicsError(f"{topics.LESSONS.name(settings)} does not exist: run `credence topics create`")
        taken = asyncio.run(send(settings, Control(rule, kind, values, by, note)))
    if not taken:
        err.print(f"{kind}: written, but no worker has taken it yet; it will be in force once one has", style="yellow")
        return
    say(f"{kind}: {rule}: {meaning}")
