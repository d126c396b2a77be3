"""`credence flags`: follow flags, and the operator's switches over them."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import typer
from aiokafka import AIOKafkaProducer

from streams.api.published import Entry, Reader
from streams.broker.embedded import BrokerError, resolve
from streams.cli.console import Kafka, err, escape, foreseen, moment, out, print_json, say
from streams.cli.precision import show_precision
from streams.contract import topics
from streams.contract.settings import Settings, SettingsError, client_kwargs
from streams.contract.topics import FLAGS
from streams.contract.wording import why_flagged, why_retracted
from streams.contract.words import FlagAction
from streams.engine.progress import ProgressBoard
from streams.kafka import provision
from streams.kafka.admin import TopicsError
from streams.kafka.clients import started
from streams.scoring.parameters.params import Params
from streams.tables.block_wire import encode
from streams.tables.blocks import Block

FORESEEN = (BrokerError, SettingsError, TopicsError)
PARAMETERS_PARTITION = 0
SWITCH_WAIT_S = 10.0
EVIDENCE_SHOWN = 5
# Switch → (values of the parameters, what it means).
SWITCHES = {
    "pause": ({"flags_paused": 1.0}, "no new flag is raised; those that stand are updated and retracted as before"),
    "kill": ({"flags_killed": 1.0}, "every flag is retracted, and none is raised"),
    "resume": ({"flags_paused": 0.0, "flags_killed": 0.0}, "flags are raised again, a claim's at its next event"),
}

app = typer.Typer(help="Flags: requests that a person look at a claim.", no_args_is_help=True, add_completion=False)


@app.callback()
def _flags() -> None:
    """Flags: requests that a person look at a claim."""


@app.command(epilog="Example: credence flags tail --last 20 --no-follow --json")
def tail(
    broker: Kafka = None,
    last: Annotated[int, typer.Option(min=0, help="Begin with this many past records of each partition.")] = 10,
    everything: Annotated[bool, typer.Option("--all", help="Begin with the first record that is kept.")] = False,
    follow: Annotated[bool, typer.Option(help="Go on with what comes, until Ctrl-C.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show flags as they are raised, updated and retracted; a record that was written twice is shown once.

    A flag asks a person to look at a claim. `credence explain CLAIM` has all reasons; a ruling on the claim, sent to
    trust.rulings.v1, retracts the flag.
    """
    with foreseen(*FORESEEN):
        settings = resolve(Settings.from_env(broker=broker))
        asyncio.run(_tail(settings, None if everything else last, follow, as_json))


@app.command(epilog="Example: credence flags pause")
def pause(broker: Kafka = None) -> None:
    """Raise no new flag until `resume`; what was raised is still updated and retracted."""
    _switch("pause", broker)


@app.command(epilog="Example: credence flags kill --yes")
def kill(broker: Kafka = None, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Retract every flag now, and raise none until `resume`."""
    if not yes:
        typer.confirm("Retract every flag that stands, and raise no more?", abort=True)
    _switch("kill", broker)


@app.command(epilog="Example: credence flags resume")
def resume(broker: Kafka = None) -> None:
    """Take back `pause` and `kill`."""
    _switch("resume", broker)


@app.command(
    help="How often flags were right, by verdicts and by people's decisions: in all, by rule, community and week. With "
    f"a share: raise flags at the risk from which so many of them prove right; {Params().flag_precision:g} unless set.",
    epilog="Example: credence flags precision; credence flags precision 0.9",
)
def precision(
    share: Annotated[
        float | None, typer.Argument(min=0.5, max=0.99, help="Share of the flags that should be right, to set it.")
    ] = None,
    broker: Kafka = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object; without a share.")] = False,
) -> None:
    """Tell the share of flags that were right, or set the share that should be."""
    if share is None:
        with foreseen(*FORESEEN):
            return show_precision(resolve(Settings.from_env(broker=broker)), as_json)
    meaning = f"flags are raised where {share:.0%} of them should be right; more verdicts make it more exact"
    _send_switch("precision", {"flag_precision": share}, meaning, broker)


def _switch(word: str, broker: str | None) -> None:
    values, meaning = SWITCHES[word]
    _send_switch(word, values, meaning, broker)


def _send_switch(word: str, values: dict[str, float], meaning: str, broker: str | None) -> None:
    """Send the switch through the log, as everything is, so that a replay decides as the workers did."""
    with foreseen(*FORESEEN):
        settings = resolve(Settings.from_env(broker=broker))
        if not all(state.partitions for state in provision.states(settings.broker, settings, [topics.LESSONS])):
            raise TopicsError(f"{topics.LESSONS.name(settings)} does not exist: run `credence topics create`")
        taken = asyncio.run(_send(settings, values))
    if not taken:
        err.print(f"{word}: written, but no worker has taken it yet; it will be in force once one has", style="yellow")
        return
    say(f"{word}: {meaning}")


async def _send(settings: Settings, values: dict[str, float]) -> bool:
    """Send new values. Whether the parameters stage has published a version with them."""
    client = client_kwargs(settings)
    block = Block("params", "o/0", time.time_ns() // 1_000_000, {}, {"values": values})
    async with started(AIOKafkaProducer, client, acks="all", enable_idempotence=True) as producer:
        topic = topics.LESSONS.name(settings)
        sent = await producer.send_and_wait(topic, encode(block), partition=PARAMETERS_PARTITION)
    board = ProgressBoard(client, topics.PROGRESS.name(settings))
    await board.start(publish=False)
    try:
        await board.wait_applied("parameters", {PARAMETERS_PARTITION: sent.offset}, SWITCH_WAIT_S)
    except TimeoutError:
        return False
    finally:
        await board.stop()
    return True


async def _tail(settings: Settings, newest: int | None, follow: bool, as_json: bool) -> None:
    shown: set[tuple[str, int]] = set()
    if follow and not as_json:
        say("Flags as they come; `credence explain CLAIM` has all reasons. Ctrl-C ends.")
    async with Reader(settings, [FLAGS], newest=newest) as reader:
        async for entries in reader.on() if follow else reader.to_end():
            # Partitions are fetched one after the other; people want a batch in the order of time.
            for entry in sorted(entries, key=lambda e: (e.append_ms, e.partition, e.offset)):
                _show_flag(entry, shown, as_json)


def _show_flag(entry: Entry, shown: set[tuple[str, int]], as_json: bool) -> None:
    flag = entry.record()
    if flag is None or "flag_id" not in flag or (flag["flag_id"], flag["revision"]) in shown:
        return
    shown.add((flag["flag_id"], flag["revision"]))
    if as_json:
        return print_json(flag)
    style = {"raise": "bold red", "update": "yellow", "retract": "green"}.get(flag["action"], "")
    line = f"{moment(flag['event_time_ms'])}  [{style}]{flag['action']:<7}[/]  {escape(flag['subject']['id'])}"
    if flag["action"] == FlagAction.RETRACT:
        return out.print(f"{line}  {escape(why_retracted(flag))}", highlight=False, soft_wrap=True)
    false, true, events = why_flagged(flag)
    told = [
        f"{line}  {flag['severity']} priority ({flag['priority']}), risk {flag['risk']:.2f}, "
        f"flagged from {flag['threshold']:.2f}"
    ]
    told += [f"    {name} [dim]{escape(text)}[/]" for name, text in (
        ("because", "; ".join(false)), ("although", "; ".join(true)), ("read   ", ", ".join(events[:EVIDENCE_SHOWN])),
    ) if text]  # fmt: skip
    out.print("\n".join(told), highlight=False, soft_wrap=True)
