"""`credence deliver`: flags to the tools of moderators, each in its own words, and what became of them."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import Annotated

import msgspec
import typer

from streams.broker.embedded import BrokerError, resolve
from streams.cli.console import Kafka, escape, foreseen, moment, out, print_json, say, table_of
from streams.cli.worker import hush
from streams.contract import metrics, topics
from streams.contract.settings import Settings, SettingsError
from streams.contract.words import DeliveryState
from streams.deliver.activitypub import ActivityPub
from streams.deliver.coop import Coop
from streams.deliver.delivered import read
from streams.deliver.delivery import Wanted
from streams.deliver.dry_run import planned
from streams.deliver.mastodon import Mastodon
from streams.deliver.osprey import TOPIC, Osprey
from streams.deliver.ozone import EVENTS, Ozone
from streams.deliver.serving import serving
from streams.deliver.target import Target
from streams.deliver.webhook import Webhook
from streams.kafka import provision
from streams.kafka.admin import TopicsError

FORESEEN = (BrokerError, SettingsError, TopicsError)

Url = Annotated[str, typer.Option("--url", help="Address of the target.")]
Name = Annotated[str | None, typer.Option("--name", help="Names this process where a target has several.")]
Priority = Annotated[int, typer.Option("--min-priority", min=0, max=100, help="Leave out flags below this priority.")]
Labels = Annotated[list[str] | None, typer.Option("--label", help="Only flags with this label; may be repeated.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be sent for the flags there are, and end.")]
Again = Annotated[bool, typer.Option("--again", help="First send once more what was refused or is in doubt.")]
Link = Annotated[str, typer.Option("--link", help="Address of the query service, for links in what is sent.")]

app = typer.Typer(
    help="Send flags to the tools of moderators, and take back what was raised there.",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def _deliver() -> None:
    """Send flags to the tools of moderators, and take back what was raised there.

    Each target has a process of its own, which runs until Ctrl-C or SIGTERM. Its key, token or password is
    CREDENCE_DELIVER_SECRET, or the file CREDENCE_DELIVER_SECRET_FILE. /healthz, /readyz and /metrics are on
    CREDENCE_METRICS_PORT.
    """


@app.command(epilog="Example: credence deliver osprey --topic osprey.actions_input")
def osprey(
    topic: Annotated[str, typer.Option(help="Osprey's input topic, on the same Kafka.")] = TOPIC,
    broker: Kafka = None,
    name: Name = None,
    min_priority: Priority = 0,
    label: Labels = None,
    dry_run: DryRun = False,
    again: Again = False,
) -> None:
    """To ROOST Osprey: every record as an action on its input topic."""
    _run(Osprey(topic), "", broker, name, min_priority, label, dry_run, again)


@app.command(epilog="Example: credence deliver coop --url https://coop.example --item-type claim --reporter svc-1")
def coop(
    url: Url,
    item_type: Annotated[str, typer.Option(help="Id of Coop's item type for claims.")],
    reporter: Annotated[str, typer.Option(help="Id of the service user who reports; without it items only.")] = "",
    reporter_type: Annotated[str, typer.Option(help="Id of that user's item type.")] = "user",
    policy: Annotated[str, typer.Option(help="Id of the policy that reports name.")] = "",
    post_type: Annotated[str, typer.Option(help="Id of the item type of posts, to link the claim's first one.")] = "",
    link: Link = "",
    broker: Kafka = None,
    name: Name = None,
    min_priority: Priority = 0,
    label: Labels = None,
    dry_run: DryRun = False,
    again: Again = False,
) -> None:
    """To ROOST Coop: the claim as an item, and a report on it. Its decisions come back to the query service."""
    target = Coop(item_type, reporter_type, reporter, policy, post_type, link)
    _run(target, url, broker, name, min_priority, label, dry_run, again)


@app.command(epilog="Example: credence deliver ozone --url https://ozone.example --did did:plc:abc --user admin")
def ozone(
    url: Url,
    did: Annotated[str, typer.Option(help="The labeller's DID, named as who made the events.")],
    event: Annotated[
        list[str] | None,
        typer.Option(help="What is sent: report, tag, priority, label; may be repeated. All but label unless said."),
    ] = None,
    proxy: Annotated[str, typer.Option(help="Whom a data server passes it on to: did:…#atproto_labeler.")] = "",
    user: Annotated[str, typer.Option(help="Name for a password, such as admin; else the secret is a token.")] = "",
    link: Link = "",
    broker: Kafka = None,
    name: Name = None,
    min_priority: Priority = 0,
    label: Labels = None,
    dry_run: DryRun = False,
    again: Again = False,
) -> None:
    """To Ozone: a report, tags and a priority on the claim's first post; with --event label also a public label."""
    if unknown := set(event or ()) - set(EVENTS):
        raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(EVENTS)}", param_hint="--event")
    target = Ozone(did, tuple(event or EVENTS[:3]), proxy, user, link)
    _run(target, url, broker, name, min_priority, label, dry_run, again)


@app.command(epilog="Example: credence deliver mastodon --url https://mastodon.example --rule 3")
def mastodon(
    url: Url,
    rule: Annotated[list[str] | None, typer.Option(help="Id of a rule of the server that is broken.")] = None,
    forward: Annotated[bool, typer.Option(help="Send the report to the author's server, too.")] = False,
    link: Link = "",
    broker: Kafka = None,
    name: Name = None,
    min_priority: Priority = 0,
    label: Labels = None,
    dry_run: DryRun = False,
    again: Again = False,
) -> None:
    """To a Mastodon server: a report on the claim's first post, resolved when the flag is taken back.

    The token needs write:reports and read:search; with admin:read:reports and admin:write:reports it can also look for
    a report of which nobody knows whether it arrived, and resolve.
    """
    target = Mastodon(tuple(rule or ()), forward, link)
    _run(target, url, broker, name, min_priority, label, dry_run, again)


@app.command(
    epilog="Example: credence deliver activitypub --url https://a.example/inbox --actor https://b.example/actor"
)
def activitypub(
    url: Annotated[str, typer.Option("--url", help="The inbox.")],
    actor: Annotated[str, typer.Option(help="Id of the actor who speaks for this instance; its key is #main-key.")],
    to: Annotated[str, typer.Option(help="Whom the activity is addressed to.")] = "",
    link: Link = "",
    broker: Kafka = None,
    name: Name = None,
    min_priority: Priority = 0,
    label: Labels = None,
    dry_run: DryRun = False,
    again: Again = False,
) -> None:
    """To an inbox of the fediverse: a Flag, undone when the flag is taken back. The secret is the actor's key (PEM)."""
    _run(ActivityPub(url, actor, to, link), url, broker, name, min_priority, label, dry_run, again)


@app.command(epilog="Example: credence deliver webhook --url https://queue.example/flags --min-priority 60")
def webhook(
    url: Url,
    broker: Kafka = None,
    name: Name = None,
    min_priority: Priority = 0,
    label: Labels = None,
    dry_run: DryRun = False,
    again: Again = False,
) -> None:
    """To any HTTP service: every record as JSON, with an id and a signature (Standard Webhooks)."""
    _run(Webhook(), url, broker, name, min_priority, label, dry_run, again)


@app.command("list", epilog="Example: credence deliver list --state refused")
def list_(
    target: Annotated[str | None, typer.Argument(help="Name of a delivering process; all unless said.")] = None,
    state: Annotated[DeliveryState | None, typer.Option(help="Only deliveries in this state.")] = None,
    broker: Kafka = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """What became of each flag at each target, and why it was refused. `--again` sends the refused ones once more."""
    with foreseen(*FORESEEN):
        settings = resolve(Settings.from_env(broker=broker))
        found = asyncio.run(read(settings, lambda d: target in (None, d.target) and state in (None, d.state)))
    table = table_of("flag", "target", "revision", "state", "since", "its id there", "why")
    for delivery in sorted(found.values(), key=lambda d: d.at_ms):
        if as_json:
            print_json(msgspec.to_builtins(delivery))
        table.add_row(
            escape(delivery.flag_id), escape(delivery.target), str(delivery.revision), delivery.state,
            moment(delivery.at_ms), escape(delivery.remote_id or "–"), escape(delivery.detail or "–"),
        )  # fmt: skip
    if not as_json:
        out.print(table)


def _run(
    target: Target,
    url: str,
    broker: str | None,
    name: str | None,
    min_priority: int,
    labels: list[str] | None,
    dry_run: bool,
    again: bool,
) -> None:
    """Deliver to a target until told to stop, or print what would be sent."""
    wanted = Wanted(min_priority, tuple(labels or ()))
    with foreseen(*FORESEEN):
        settings = resolve(Settings.from_env(broker=broker))
        if dry_run:
            asyncio.run(_planned(settings, target, wanted))
            return
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        hush()
        provision.create(settings.broker, settings, [topics.DELIVERIES])
        metrics.begin(metrics.Role.DELIVERY)
        asyncio.run(_served(settings, target, url, wanted, name or target.NAME, again))


async def _planned(settings: Settings, target: Target, wanted: Wanted) -> None:
    async for each in planned(settings, target, wanted):
        print_json(each)


async def _served(settings: Settings, target: Target, url: str, wanted: Wanted, name: str, again: bool) -> None:
    """Deliver until SIGTERM or SIGINT."""
    async with serving(settings, target, url, wanted, name, again) as (deliverer, port):
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, deliverer.stop)
        say(f"delivering to {name}, metrics on http://{settings.metrics_host}:{port}/metrics")
        await deliverer.run()
