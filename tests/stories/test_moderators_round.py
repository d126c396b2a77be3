"""A moderator's round, on a real broker and a real worker: a flag reaches every tool, what is decided there comes back.

The tools are small servers that check what they get. The time from a decision until score and flag have moved is
printed; the bound is wide, since this runs on busy machines.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from typer.testing import CliRunner

from streams.api.access import Scope, made
from streams.cli.main import app
from streams.client.asynchronous import AsyncClient
from streams.contract import topics
from streams.contract.settings import Settings
from streams.contract.words import FlagDecision, RulingKind, Verdict
from streams.deliver.activitypub import ActivityPub
from streams.deliver.coop import Coop
from streams.deliver.mastodon import Mastodon
from streams.deliver.osprey import Osprey
from streams.deliver.ozone import EVENTS, Ozone
from streams.deliver.webhook import Webhook
from streams.kafka.admin import Admin
from streams.kafka.follower import tail
from streams.ops.verify import verify
from tests.api.serving import Api
from tests.deliver.coop_calls import action, appeal, callbacks_file, signed
from tests.deliver.flag_log import PROMPT, delivering
from tests.deliver.flag_log import until as holds
from tests.deliver.servers import CoopServer, Hook, Inbox, MastodonServer, OzoneServer
from tests.stories.test_answers_story import known
from tests.stories.test_flag_story import LIARS, LIES, Platform

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CLAIM, URI, URL = "fresh", "at://did:plc:liar/app.bsky.feed.post/fresh", "https://social.example/@liar/100"
WORDS = "The old bridge is shut after a crack was found"
FIGURES = ("score", "low", "high", "risk", "supports", "denies", "participants")
BOUND_S = 180.0
"""Far more than anything takes, also on a machine that is busy."""


@dataclass
class Tools:
    """Every tool that moderators may have."""

    coop: CoopServer
    ozone: OzoneServer
    mastodon: MastodonServer
    inbox: Inbox
    hook: Hook
    osprey: str

    def actions(self, settings: Settings) -> list[str]:
        """Names of the actions on Osprey's topic about the claim, in order of the alphabet and without updates."""
        found = [orjson.loads(record.value or b"")["data"] for record in tail(settings, self.osprey)]
        names = sorted(each["action_name"] for each in found if each["data"]["claim_id"] == CLAIM)
        return [name for name in names if name != "credence_flag_updated"]


@asynccontextmanager
async def tools(settings: Settings) -> AsyncIterator[Tools]:
    """Servers of every kind, each with a process that delivers to it."""
    pem = KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    there = Tools(
        CoopServer(), OzoneServer(), MastodonServer(), Inbox(KEY.public_key()), Hook(),
        f"{settings.namespace}osprey.actions_input",
    )  # fmt: skip
    with Admin(settings.broker, settings) as admin:
        admin.create({there.osprey: {"num_partitions": 1, "replication_factor": 1, "configs": {}}})
    ours = settings.replace(metrics_port=0, **PROMPT)
    async with AsyncExitStack() as open_:
        for server in (there.coop, there.ozone, there.mastodon, there.inbox, there.hook):
            await open_.enter_async_context(server.open())
        inbox = ActivityPub(f"{there.inbox.url}/inbox", "https://credence.example/actor")
        for target, url in (
            (Mastodon(), there.mastodon.url),
            (inbox, inbox.inbox),
            (Coop("claim", "user", "credence"), there.coop.url),
            (Ozone("did:plc:us", EVENTS, user="admin"), there.ozone.url),
            (Webhook(), there.hook.url),
            (Osprey(there.osprey), ""),
        ):
            await open_.enter_async_context(
                delivering(ours.replace(deliver_secret=pem) if target is inbox else ours, target, url)
            )
        yield there


async def until(what: str, wanted: Callable[[], Any]) -> None:
    """Wait until something holds."""
    await holds(wanted, what, BOUND_S)


async def tell(platform: Platform) -> None:
    """The liars tell the story; its first post has words and addresses, and is known before the others answer."""
    for i in range(LIARS):
        platform.now_ms += 300_000
        event = {"v": 1, "id": URI if i == 0 else f"{CLAIM}-{i}", "kind": "post", "source_id": f"liar-{i}"}
        event |= {"claim_id": CLAIM, "occurred_at_ms": platform.now_ms}
        platform._send(topics.EVENTS, event | ({"text": WORDS, "url": URL, "lang": "en"} if i == 0 else {}))
        if i in (0, LIARS - 1):
            await asyncio.to_thread(platform.settle)


@dataclass
class Desk:
    """Where moderators answer, and how long it takes until their answer is seen."""

    platform: Platform
    client: AsyncClient
    url: str

    async def coop(self, body: dict[str, Any], key: rsa.RSAPrivateKey = KEY) -> tuple[int, dict[str, Any]]:
        """Coop calls back."""
        raw = orjson.dumps(body)
        headers = {"Coop-Signature": signed(key, raw), "Content-Type": "application/json"}
        async with httpx.AsyncClient(timeout=BOUND_S) as coop:
            answer = await coop.post(f"{self.url}/v1/callbacks/coop", content=raw, headers=headers)
        return answer.status_code, answer.json()

    async def command(self, *arguments: str) -> dict[str, Any]:
        """A person's command, and what it says."""
        done = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--json"])
        assert done.exit_code == 0, done.output
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    async def claim(self) -> dict[str, Any]:
        """The claim's newest record, once all is taken in."""
        await asyncio.to_thread(self.platform.settle)
        return await asyncio.to_thread(known, self.platform, CLAIM)

    async def knows(self, flag_id: str) -> None:
        """Wait until the query service has read a flag."""
        end = time.monotonic() + BOUND_S
        while await self.client.flag(flag_id) is None:
            assert time.monotonic() < end, flag_id
            await asyncio.sleep(0.02)

    async def moves(self, what: str, answer: Coroutine[Any, Any, Any], verdict: str | None, flagged: bool) -> Any:
        """Give an answer, and wait until score and flag have moved; prints how long that took from its beginning."""
        began = time.monotonic()
        given = await answer
        while (record := await self.client.claim(CLAIM)) is None or (record.verdict, record.flagged) != (
            verdict,
            flagged,
        ):
            assert time.monotonic() - began < BOUND_S, (given, record)
            await asyncio.sleep(0.02)
        print(f"{what}: score and flag moved {time.monotonic() - began:.2f} s after it was begun")
        return given


@asynccontextmanager
async def desk(platform: Platform, folder: Path) -> AsyncIterator[Desk]:
    """A query service that takes answers, by Coop's signature and by a token."""
    secret, line = made("desk", [Scope.READ, Scope.RULE])
    (folder / "tokens").write_text(line + "\n")
    environ = {
        "CREDENCE_API_STALENESS_MS": "60s",
        "CREDENCE_API_TOKENS_FILE": str(folder / "tokens"),
        "CREDENCE_COOP_CALLBACKS_FILE": str(callbacks_file(folder, KEY)),
    }
    api = await asyncio.to_thread(lambda: Api(platform.settings, **environ))
    try:
        async with AsyncClient(api.url, secret, timeout_s=BOUND_S, patience_s=BOUND_S) as client:
            yield Desk(platform, client, api.url)
    finally:
        await asyncio.to_thread(api.end)


def reports(there: Tools) -> list[Any]:
    """Coop's reports on the claim."""
    return [report for report in there.coop.reports if report["reportedItem"]["id"] == CLAIM]


def mastodon_reports(there: Tools) -> list[Any]:
    """The reports on the claim's first post."""
    return [report for report in there.mastodon.reports.values() if report["status_ids"] == ["100"]]


def told(there: Tools, action: str) -> list[Any]:
    """The flags that the webhook was told of with this action, each once."""
    flags = [body["flag"] for body in there.hook.taken.values()]
    return [flag for flag in flags if flag["subject"]["id"] == CLAIM and flag["action"] == action]


async def arrives(there: Tools, times: int) -> None:
    """The flag is with every tool for so many times, with words, link, author and the reasons."""
    await until("reports at Coop", lambda: len(reports(there)) == times)
    await until("the webhook is told", lambda: len(told(there, "raise")) == times)
    await until("a label", lambda: there.ozone.labels.get(URI))
    await until("reports at Mastodon", lambda: len(mastodon_reports(there)) == times)
    await until("a Flag", lambda: any(URL in each["object"] for each in there.inbox.standing.values()))
    report, flag = reports(there)[-1], told(there, "raise")[-1]
    ozone = [body["event"] for (kind, _, _), body in there.ozone.events.items() if kind == "modEventReport"]
    for text in (report["reportedForReason"]["reason"], ozone[-1]["comment"], mastodon_reports(there)[-1]["comment"]):
        assert WORDS in text
        assert URL in text
        assert "Because the people in it took part in false claims" in text
    assert report["reportedItem"]["data"]["authorId"] == flag["claim"]["author_id"] == "liar-0"
    assert (flag["claim"]["event_id"], flag["subject"]["uri"]) == (URI, f"/v1/claims/{CLAIM}")


async def is_over(there: Tools, times: int) -> None:
    """Every tool has been told, for so many times, that nobody needs to look."""
    began = time.monotonic()
    await until("Coop's item is withdrawn", lambda: there.coop.items[CLAIM]["state"] == "withdrawn")
    await until("the label is negated", lambda: there.ozone.labels[URI] == set())
    await until("the report is resolved", lambda: len(there.mastodon.resolved) == times)
    await until("the Flag is undone", lambda: not there.inbox.standing)
    await until("the webhook is told", lambda: len(told(there, "retract")) == times)
    print(f"every tool has taken it back {time.monotonic() - began:.2f} s later")


def same(record: dict[str, Any], before: dict[str, Any]) -> None:
    """The claim's figures are as they were."""
    assert [record[name] for name in FIGURES] == pytest.approx([before[name] for name in FIGURES], abs=1e-9)
    assert (record["verdict"], record["flagged"]) == (before["verdict"], before["flagged"])


async def coops_round(at: Desk, there: Tools, before: dict[str, Any]) -> None:
    """A moderator acts in Coop, which calls three times; a stranger calls, too. Then an appeal is accepted there."""
    body = action(CLAIM, "false-claim")
    assert (await at.coop(body, rsa.generate_private_key(65537, 2048)))[0] == 401

    async def calls() -> list[tuple[int, dict[str, Any]]]:
        return [await at.coop(body) for _ in range(3)]

    answers = await at.moves("Coop's callback, three times", calls(), "false", False)
    assert [(status, answer["version"]) for status, answer in answers] == [(200, 1)] * 3
    await is_over(there, 1)
    record = await at.claim()
    assert record["risk"] > before["risk"]
    assert [(r["rater_id"], r["verdict"], r["note"]) for r in record["rulings"]] == [
        ("coop", "false", "The council says it is open. – Checked with the council")
    ]
    status, answer = await at.moves("the appeal at Coop", at.coop(appeal(CLAIM, "ACCEPT")), None, True)
    assert (status, answer["verdict"], answer["version"]) == (200, "withdrawn", 2)
    same(await at.claim(), before)


async def commanded_round(at: Desk, there: Tools, before: dict[str, Any]) -> None:
    """A desk rules by command, and an appeal turns it around; then it withdraws."""
    said = at.command("rule", CLAIM, "false", "--by", "desk", "--note", "It is open.")
    assert (await at.moves("credence rule", said, "false", False))["version"] == 1
    await is_over(there, 2)
    said = at.command("appeal", CLAIM, "true", "--by", "desk", "--note", "It closed at noon.")
    turned = await at.moves("credence appeal", said, "true", False)
    assert (turned["version"], turned["kind"]) == (2, "appeal")
    assert (await at.claim())["score"] > 0.9
    await at.moves("withdrawn by command", at.command("rule", CLAIM, "withdrawn", "--by", "desk"), None, True)
    same(await at.claim(), before)


async def services_round(at: Desk, there: Tools, before: dict[str, Any]) -> None:
    """A service decides on the flag and rules over HTTP; an appeal turns it around; then it withdraws."""
    flag = told(there, "raise")[-1]["flag_id"]
    decided = await at.client.decide(flag, FlagDecision.CONFIRMED, decided_by="ana")
    assert (decided.claim_id, decided.via) == (CLAIM, "desk")
    rule = at.client.rule
    ruled = await at.moves(
        "POST /v1/rulings", rule(CLAIM, Verdict.FALSE, rater_id="board", note="It is open."), "false", False
    )
    assert (ruled.rater_id, ruled.version) == ("board", 1)
    await is_over(there, 3)
    turned = await at.moves(
        "an appeal over HTTP", rule(CLAIM, Verdict.TRUE, rater_id="board", kind=RulingKind.APPEAL), "true", False
    )
    assert (turned.version, turned.kind) == (2, "appeal")
    assert (await at.claim())["score"] > 0.9
    await at.moves("withdrawn over HTTP", rule(CLAIM, Verdict.WITHDRAWN, rater_id="board"), None, True)
    same(await at.claim(), before)


@pytest.mark.timeout(900)
async def test_a_flag_goes_out_and_decisions_come_back(platform: Platform, tmp_path: Path) -> None:
    for n in range(LIES):
        platform.tell(f"lie-{n}")
        platform.rule(f"lie-{n}", "false")
    await asyncio.to_thread(platform.settle)
    async with desk(platform, tmp_path) as at, tools(platform.settings) as there:
        await tell(platform)
        await arrives(there, 1)
        before = await at.claim()
        assert before["flagged"]
        for times, part in enumerate((coops_round, commanded_round, services_round), start=2):
            await at.knows(told(there, "raise")[-1]["flag_id"])
            await part(at, there, before)
            await arrives(there, times)
        wanted = ["credence_flag_raised"] * 4 + ["credence_flag_retracted"] * 3
        end = time.monotonic() + BOUND_S
        while (names := await asyncio.to_thread(there.actions, platform.settings)) != wanted:
            assert time.monotonic() < end, names
            await asyncio.sleep(0.2)
        faults = [server.faults for server in (there.coop, there.ozone, there.mastodon, there.inbox, there.hook)]
        assert faults == [[]] * 5
        reported = [r["reportedItem"]["data"]["flagId"] for r in reports(there)]
        assert len(set(reported)) == len(reported) == 4, "each flag is reported once"
        said = {(r["rater_id"], r["verdict"]) for r in (await at.claim())["rulings"]}
        assert said == {(rater, "withdrawn") for rater in ("coop", "desk", "board")}
    report = await verify(platform.settings)
    assert report.passed, report
