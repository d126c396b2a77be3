"""Flags reach each target once, in order, and are taken back: on a real broker, over HTTP, with targets that fail."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from streams.contract.metrics import REGISTRY
from streams.contract.settings import Settings, client_kwargs
from streams.deliver.activitypub import ActivityPub
from streams.deliver.coop import Coop
from streams.deliver.delivery import Wanted
from streams.deliver.dry_run import planned
from streams.deliver.mastodon import Mastodon
from streams.deliver.osprey import Osprey, action
from streams.deliver.ozone import EVENTS, Ozone
from streams.deliver.webhook import Webhook
from streams.kafka.admin import Admin, TopicsError
from streams.kafka.log_reader import LogReader
from tests.deliver.flag_log import behind, deliveries, delivering, flag, kept_up, publish, until
from tests.deliver.servers import DROP, HANG, CoopServer, Hook, Inbox, MastodonServer, OzoneServer

COOP = Coop("claim", "user", "credence", "misinformation")
OZONE = Ozone("did:plc:us", EVENTS, user="admin")


def back(claim: str, revision: int = 2) -> dict[str, Any]:
    return flag(claim, revision, "retract")


async def remembered(settings: Settings, **states: str) -> None:
    """Wait until each claim's delivery has come to this state."""
    for _ in range(900):
        found = {claim: delivery.state for claim, delivery in (await deliveries(settings)).items()}
        if all(found.get(claim) == state for claim, state in states.items()):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{found}, and not {states}")


async def test_coop_gets_items_and_one_report_a_flag_and_hears_that_it_is_over(prompt: Settings) -> None:
    async with CoopServer().open() as server:
        assert isinstance(server, CoopServer)
        await publish(prompt, flag("bridge"), flag("ferry", priority=30))
        async with delivering(prompt, COOP, server.url):
            await until(lambda: len(server.reports) == 2, "two reports")
            await publish(prompt, flag("bridge", 2, "update", 90), back("ferry"))
            await until(lambda: server.items["ferry"]["state"] == "withdrawn", "ferry is withdrawn")
            await until(lambda: server.items["bridge"]["priority"] == 90, "bridge is updated")
        assert server.faults == []
        assert sorted(report["reportedItem"]["id"] for report in server.reports) == ["bridge", "ferry"]
        report = next(each for each in server.reports if each["reportedItem"]["id"] == "bridge")
        assert report["reportedForReason"]["policyId"] == "misinformation"
        for part in ("They say that bridge", "https://social.example/@ines/", "its people spread lies"):
            assert part in report["reportedForReason"]["reason"]
        assert {c: d.state for c, d in (await deliveries(prompt)).items()} == {
            "bridge": "standing",
            "ferry": "taken-back",
        }
        await kept_up(prompt, "coop")


async def test_ozone_gets_each_event_once_and_the_label_is_negated(prompt: Settings) -> None:
    async with OzoneServer().open() as server:
        assert isinstance(server, OzoneServer)
        await publish(prompt, flag("bridge"))
        async with delivering(prompt, OZONE, server.url):
            await until(lambda: len(server.events) == 4, "four events")
            uri = "at://did:plc:ines/app.bsky.feed.post/bridge"
            assert server.labels == {uri: {"possible-falsehood"}}
            await publish(prompt, back("bridge"))
            await until(lambda: len(server.events) == 7, "taken back")
        assert server.labels == {uri: set()}
        assert server.faults == []
        scores = [
            body["event"]["score"] for (kind, *_), body in server.events.items() if kind == "modEventPriorityScore"
        ]
        assert scores == [70, 0]


async def test_mastodon_gets_a_report_with_its_own_ids_and_resolves_it(prompt: Settings) -> None:
    async with MastodonServer().open() as server:
        assert isinstance(server, MastodonServer)
        await publish(prompt, flag("bridge"))
        async with delivering(prompt, Mastodon(), server.url):
            await until(lambda: server.reports, "a report")
            await publish(prompt, flag("bridge", 2, "update"), back("bridge", 3))
            await until(lambda: server.resolved, "resolved")
        (report,) = server.reports.values()
        assert (report["account_id"], report["category"]) == ("7", "other")
        assert server.faults == []


async def test_an_inbox_gets_a_signed_flag_and_its_undo(prompt: Settings) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    async with Inbox(key.public_key(), DROP).open() as server:
        assert isinstance(server, Inbox)
        target = ActivityPub(f"{server.url}/inbox", "https://credence.example/actor")
        await publish(prompt, flag("bridge"))
        async with delivering(prompt.replace(deliver_secret=pem), target, target.inbox):
            await until(lambda: server.tries >= 2, "a second try after the connection was dropped")
            await until(lambda: server.standing, "a Flag")
            await publish(prompt, back("bridge"))
            await until(lambda: not server.standing, "its Undo")
        assert len(server.taken) == 2
        assert server.faults == []


async def test_a_webhook_gets_every_record_of_a_claim_in_order_though_the_service_fails(prompt: Settings) -> None:
    plan = [503, (429, "0"), DROP, HANG, 500, 408]
    async with Hook(*plan).open() as server:
        assert isinstance(server, Hook)
        told = [flag("bridge", n, "update" if n > 1 else "raise") for n in range(1, 6)]
        await publish(prompt, *told, back("bridge", 6), *[flag(f"other-{n}") for n in range(5)], told[0])
        async with delivering(prompt.replace(deliver_timeout_ms=500), Webhook(), server.url):
            await until(lambda: len(server.taken) == 11, "eleven records")
            await kept_up(prompt, "webhook")
        assert [revision for id_, revision in server.order if "bridge" in id_] == [1, 2, 3, 4, 5, 6]
        assert server.faults == []
        assert not server.plan
    answers = {
        status: REGISTRY.get_sample_value("credence_delivery_answers_total", {"target": "webhook", "status": status})
        for status in ("4xx", "5xx", "none")
    }
    assert all(answers.values()), answers


async def test_osprey_gets_actions_on_its_topic(prompt: Settings) -> None:
    topic = f"{prompt.namespace}osprey.actions_input"
    with pytest.raises(TopicsError, match="there is no topic"):
        async with delivering(prompt, Osprey(topic), ""):
            pass
    with Admin(prompt.broker, prompt) as admin:
        admin.create({topic: {"num_partitions": 1, "replication_factor": 1, "configs": {}}})
    records = [flag("bridge"), flag("bridge", 2, "update"), back("bridge", 3)]
    await publish(prompt, *records)
    async with delivering(prompt, Osprey(topic), ""):
        await remembered(prompt, bridge="taken-back")
    async with LogReader(client_kwargs(prompt)) as logs:
        count = (await logs.partitions([topic]))[topic]
        assert count == 1
        ((start, end),) = await logs.bounds(topic, count)
        found = [record async for record in logs.read(topic, 0, start, end)]
    sent = [orjson.loads(r.value) for r in found]
    assert sent == [action(each) for each in records]
    for each in sent:
        assert each.keys() == {"send_time", "data"}
        assert each["data"].keys() == {"action_id", "action_name", "data"}
        assert each["send_time"].endswith("Z")


async def test_what_is_refused_is_put_aside_readable_and_can_be_sent_again(prompt: Settings) -> None:
    async with CoopServer(400).open() as server:
        assert isinstance(server, CoopServer)
        await publish(prompt, flag("bridge"))
        async with delivering(prompt, COOP, server.url):
            await remembered(prompt, bridge="refused")
            await publish(prompt, flag("ferry"))
            await until(lambda: server.reports, "the next one")
        refused = (await deliveries(prompt))["bridge"]
        assert refused.detail is not None
        assert refused.detail.startswith("400 as planned")
        await kept_up(prompt, "coop")
        async with delivering(prompt, COOP, server.url, again=True):
            await remembered(prompt, bridge="standing")
        assert sorted(r["reportedItem"]["id"] for r in server.reports) == ["bridge", "ferry"]


async def test_a_wrong_key_loses_nothing(prompt: Settings) -> None:
    async with CoopServer().open() as server:
        assert isinstance(server, CoopServer)
        await publish(prompt, flag("bridge"))
        async with delivering(prompt.replace(deliver_secret="old"), COOP, server.url) as deliverer:
            await until(lambda: server.tries >= 3, "three tries")
            assert deliverer.waiting_s() > 0
        assert await behind(prompt, "coop") == 1
        async with delivering(prompt, COOP, server.url):
            await until(lambda: len(server.reports) == 1, "the report, with the right key")


async def test_a_report_whose_answer_was_lost_is_not_made_twice(prompt: Settings) -> None:
    async with CoopServer(204, DROP).open() as server:  # the item is taken, the report is and its answer is lost
        assert isinstance(server, CoopServer)
        await publish(prompt, flag("bridge"))
        async with delivering(prompt, COOP, server.url):
            await remembered(prompt, bridge="in-doubt")
            await publish(prompt, flag("bridge", 2, "update", 80))
            await until(lambda: server.items.get("bridge", {}).get("revision") == 2, "the item moves on")
            await publish(prompt, back("bridge", 3))
            await remembered(prompt, bridge="taken-back")
        assert len(server.reports) == 1


@pytest.mark.parametrize("lost", [DROP, HANG])
async def test_mastodon_is_asked_whether_a_report_arrived(prompt: Settings, lost: str) -> None:
    async with MastodonServer(lost, 503, (503, "0")).open() as server:
        assert isinstance(server, MastodonServer)
        await publish(prompt, flag("bridge"), flag("ferry"))
        async with delivering(prompt.replace(deliver_timeout_ms=1_000), Mastodon(), server.url):
            await remembered(prompt, bridge="standing", ferry="standing")
            await publish(prompt, back("bridge"), back("ferry"))
            await until(lambda: len(server.resolved) == 2, "both resolved")
        assert len(server.reports) == 2


async def test_where_mastodon_may_not_be_asked_a_lost_report_waits_for_a_person(prompt: Settings) -> None:
    async with MastodonServer(DROP, plain=True).open() as server:
        assert isinstance(server, MastodonServer)
        await publish(prompt, flag("bridge"))
        async with delivering(prompt, Mastodon(), server.url):
            await remembered(prompt, bridge="in-doubt")
        assert len(server.reports) == 1


async def test_a_target_that_fails_at_one_flag_for_too_long_gets_the_others(prompt: Settings) -> None:
    async with Hook(*[500] * 200).open() as server:
        assert isinstance(server, Hook)
        await publish(prompt, flag("bridge"))
        async with delivering(prompt.replace(deliver_give_up_ms=300), Webhook(), server.url):
            await remembered(prompt, bridge="refused")
            server.plan.clear()
            await publish(prompt, flag("ferry"))
            await remembered(prompt, ferry="standing")
        assert "given up after" in str((await deliveries(prompt))["bridge"].detail)


async def test_only_wanted_flags_go_out_and_what_went_out_is_always_taken_back(prompt: Settings) -> None:
    lapsed = flag("lapsed", expires_at_ms=flag("x")["detected_at_ms"] - 1)
    wanted = Wanted(60, ("possible-falsehood",))
    async with CoopServer().open() as server:
        assert isinstance(server, CoopServer)
        await publish(
            prompt, flag("low", priority=59), flag("other", label="spam"), lapsed, flag("shadow", shadow=True),
            flag("gone"), back("gone"), flag("bridge"),
        )  # fmt: skip
        async with delivering(prompt, COOP, server.url, wanted=wanted):
            await remembered(prompt, bridge="standing")
            assert set(server.items) == {"bridge"}
            await publish(prompt, flag("low", 2, "update", 60), flag("bridge", 2, "update", 10))
            await until(lambda: server.items.keys() == {"bridge", "low"}, "low has risen")
            await publish(prompt, back("bridge", 3), back("other"))
            await remembered(prompt, bridge="taken-back")
        assert set(server.items) == {"bridge", "low"}


async def test_two_processes_share_a_target_and_neither_repeats_the_other(prompt: Settings) -> None:
    async with CoopServer().open() as server:
        assert isinstance(server, CoopServer)
        async with delivering(prompt, COOP, server.url):
            await publish(prompt, *[flag(f"a-{n}") for n in range(10)])
            await until(lambda: len(server.reports) == 10, "ten")
            async with delivering(prompt, COOP, server.url):
                await publish(prompt, *[flag(f"b-{n}") for n in range(10)])
                await until(lambda: len(server.reports) == 20, "twenty")
            await publish(prompt, *[flag(f"c-{n}") for n in range(10)])
            await until(lambda: len(server.reports) == 30, "thirty")
        names = [report["reportedItem"]["id"] for report in server.reports]
        assert len(set(names)) == len(names) == 30
        await kept_up(prompt, "coop")


async def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(prompt: Settings) -> None:
    await publish(prompt, flag("bridge"), flag("bridge", 2, "update"), back("bridge", 3), flag("low", priority=5))
    shown = [each async for each in planned(prompt, OZONE, Wanted(50))]
    assert [each["step"] for each in shown] == ["raise", "update", "take-back"]
    assert [len(each["requests"]) for each in shown] == [4, 3, 3]
    assert await deliveries(prompt) == {}
