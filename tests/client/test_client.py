"""The client against a real query service, and against a server that refuses, drops and sends nonsense."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import pytest

from streams.api.access import Scope, made
from streams.client.asynchronous import AsyncClient
from streams.client.patience import ServiceError
from streams.client.sync import Client
from streams.contract.settings import Settings
from streams.contract.topics import DECISIONS, RULINGS, Topic
from streams.contract.words import FlagDecision, RulingKind, Verdict
from streams.kafka import provision
from streams.kafka.follower import tail
from tests.api.serving import Api
from tests.scores import claim, community, flag, publish, source

CLAIMS = 2_300  # three batches
EXAMPLE = Path(__file__).parents[2] / "examples" / "read_scores.py"


@pytest.fixture(scope="module")
def installation(broker: str) -> Settings:
    """An installation with a few thousand claims."""
    settings = Settings(broker=broker, namespace=f"client{uuid.uuid4().hex[:8]}.", partitions=2)
    provision.create(broker, settings)
    publish(
        settings,
        [
            *(claim(f"c{n}", risk=n / CLAIMS) for n in range(CLAIMS)),
            claim("thin/ä", low=0.01, high=0.99, risk=0.0),
            *(source(f"s{n}") for n in range(3)),
            community("harbour"),
            flag("rule/1", "c7"),
            flag("rule/1", "c7", revision=2, action="retract", priority=0),
            flag("rule/2", "c8"),
        ],
    )
    return settings


@pytest.fixture(scope="module")
def api(installation: Settings) -> Iterator[Api]:
    """A service over it, ready."""
    running = Api(installation, CREDENCE_PARTITIONS="2")
    running.becomes("/readyz", lambda status, b: status == 200 and b["claims"] == CLAIMS + 1 and b["flags"] == 2)
    yield running
    assert running.end() == 0


def test_what_is_named_is_read_with_its_type_and_what_is_unknown_is_none(api: Api) -> None:
    with Client(api.url) as client:
        found = client.claim("c7")
        assert found is not None
        assert (found.claim_id, found.score, found.assessment) == ("c7", 0.2, "poorly corroborated")
        thin = client.claim("thin/ä")
        assert thin is not None
        assert (thin.score, thin.enough_evidence) == (None, False)
        assert client.claim("nobody") is None
        one, signs, moves, why = (
            client.source("s1"),
            client.community("harbour"),
            client.flag("rule/1"),
            client.history("c7"),
        )
        assert one is not None
        assert one.credibility == 0.8
        assert signs is not None
        assert signs.members == 240
        assert moves is not None
        assert [each.revision for each in moves.revisions] == [1, 2]
        assert why is not None
        assert (len(why.points), [each.action for each in why.flags]) == (1, ["raise", "retract"])
        assert client.explanation("nobody") is None


def test_batches_of_any_size_are_split_and_lists_are_read_page_by_page(api: Api) -> None:
    with Client(api.url) as client:
        ids = [f"c{n}" for n in range(CLAIMS)]
        assert client.claims([*ids, "nobody", *ids]).keys() == set(ids)
        assert client.sources(["s0", "s2", "none"]).keys() == {"s0", "s2"}
        assert client.claims([]) == {}
        listed = [each.claim_id for each in client.list_claims(limit=500)]
        assert listed == [f"c{n}" for n in range(CLAIMS - 1, 0, -1)] + ["c0", "thin/ä"]
        assert [each.flag_id for each in client.list_flags(state="past")] == ["rule/1"]
        assert len(list(client.list_sources())) == 3
        assert [each.community_id for each in client.list_communities()] == ["harbour"]
        with pytest.raises(ServiceError, match="sort is one of") as refused:
            next(client.list_claims(sort="age"))
        assert refused.value.status == 400


async def test_the_asynchronous_client_reads_the_same(api: Api) -> None:
    async with AsyncClient(api.url, max_lag_ms=80_000_000) as client:
        one, many = await asyncio.gather(client.claim("c7"), client.claims(f"c{n}" for n in range(1_500)))
        assert one == many["c7"]
        assert len(many) == 1_500
        assert [each.flag_id async for each in client.list_flags()] == ["rule/2"]
        assert await client.flag("none") is None
        heard = []
        async for change, _ in client.changes(["flags"], start="beginning"):
            heard.append((change.record or {})["revision"])
            if len(heard) == 3:
                break
        assert sorted(heard) == [1, 1, 2]


def test_a_feed_goes_on_over_a_restart_of_the_service(installation: Settings) -> None:
    api = Api(installation, CREDENCE_PARTITIONS="2")
    port = api.url.rpartition(":")[2]
    with Client(api.url, patience_s=120) as client:
        changes = client.changes(["claims"], start="beginning")
        seen = {change.id for change, _ in islice(changes, CLAIMS + 1)}
        assert len(seen) == CLAIMS + 1
        heard = threading.Thread(target=lambda: seen.add(next(changes)[0].id))
        heard.start()
        assert api.end() == 0
        publish(installation, [claim("meanwhile", risk=0.0)])
        again = Api(installation, port=port, CREDENCE_PARTITIONS="2")
        heard.join(90)
        assert "meanwhile" in seen
    again.end()


def test_the_example_reads_and_follows(api: Api) -> None:
    with subprocess.Popen([sys.executable, EXAMPLE, api.url], stdout=subprocess.PIPE, text=True) as example:
        assert example.stdout is not None
        lines = list(islice(example.stdout, 9))
        example.terminate()
    assert lines[0].startswith(f"c{CLAIMS - 1}: poorly corroborated, score 0.20 (0.10–0.30), risk 1.00")
    assert lines[5] == "200 of 201 are known\n"
    assert sorted(line.split(":")[0] for line in lines[6:9]) == ["flag raise", "flag raise", "flag retract"]


@pytest.fixture(scope="module")
def answering(installation: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """Address of a service that takes answers, a token that may rule, and one that may only read."""
    (ruler, first), (reader, second) = made("queue-team", [Scope.READ, Scope.RULE]), made("reader", [Scope.READ])
    tokens = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens.write_text(f"{first}\n{second}\n")
    running = Api(installation, CREDENCE_PARTITIONS="2", CREDENCE_API_TOKENS_FILE=str(tokens))
    running.becomes("/readyz", lambda status, _: status == 200)
    yield running.url, ruler, reader
    assert running.end() == 0


def written(settings: Settings, topic: Topic) -> list[dict[str, Any]]:
    """The records of a topic."""
    return [json.loads(record.value or b"") for record in tail(settings, topic.name(settings))]


def test_answers_are_written_once_for_each_key(installation: Settings, answering: tuple[str, str, str]) -> None:
    url, ruler, reader = answering
    with Client(url, ruler, max_lag_ms=80_000_000) as client:
        said = [
            client.rule("c7", Verdict.FALSE, rater_id="ana", note="It is open.", key="one", wait_ms=0) for _ in range(2)
        ]
        assert [(r.claim_id, r.rater_id, r.became, r.after, r.flag) for r in said] == [
            ("c7", "ana", "pending", None, None)
        ] * 2
        assert said[0].ruling_id == said[1].ruling_id
        assert (said[0].before.score, said[0].before.flagged) == (0.2, False)
        with pytest.raises(ServiceError) as refused:
            client.rule("c7", Verdict.TRUE, rater_id="ana", key="one", wait_ms=0)
        assert refused.value.status == 422
        for status, claim_id, verdict in ((404, "nobody", Verdict.TRUE), (409, "c8", Verdict.WITHDRAWN)):
            with pytest.raises(ServiceError) as refused:
                client.rule(claim_id, verdict, wait_ms=0)
            assert refused.value.status == status
        decided = client.decide("rule/2", FlagDecision.DISMISSED, decided_by="ana", note="It is open.", key="two")
        again = client.decide("rule/2", FlagDecision.DISMISSED, decided_by="ana", note="It is open.", key="two")
        assert (decided.claim_id, decided.revision, decided.via, again.id) == ("c8", 1, "queue-team", decided.id)
        with pytest.raises(ServiceError, match="no flag 'none' is known"):
            client.decide("none", FlagDecision.CONFIRMED)
    with Client(url, reader) as client, pytest.raises(ServiceError) as refused:
        client.rule("c7", Verdict.FALSE)
    assert refused.value.status == 403
    (ruling,) = written(installation, RULINGS)
    assert (ruling["verdict"], ruling["note"], ruling["kind"]) == ("false", "It is open.", "moderation")
    assert {record["id"] for record in written(installation, DECISIONS)} == {decided.id}


async def test_the_asynchronous_client_answers_too(installation: Settings, answering: tuple[str, str, str]) -> None:
    url, ruler, _ = answering
    async with AsyncClient(url, ruler) as client:
        ruled = await client.rule("c9", Verdict.TRUE, kind=RulingKind.APPEAL, url="https://example.org/9", wait_ms=0)
        assert (ruled.rater_id, ruled.kind, ruled.version) == ("queue-team", "appeal", 1)
        decided = await client.decide("rule/1", FlagDecision.CONFIRMED, revision=1, via="desk")
        assert (decided.claim_id, decided.decided_by, decided.revision) == ("c7", "queue-team", 1)
    assert decided.id in {record["id"] for record in await asyncio.to_thread(written, installation, DECISIONS)}


class Moody(BaseHTTPRequestHandler):
    """Answers what the script says, one thing after the other, and then a claim."""

    script: ClassVar[list[tuple[int, dict[str, str]]]] = []
    asked: ClassVar[list[float]] = []
    keys: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        Moody.keys.append(self.headers["Idempotency-Key"])
        self.do_GET()

    def do_GET(self) -> None:
        Moody.asked.append(time.monotonic())
        status, headers = Moody.script.pop(0) if Moody.script else (200, {})
        if not status:
            self.connection.close()
            return
        body = {"detail": "later"} | (
            claim("a") | {"enough_evidence": True, "assessment": "x"} if status == 200 else {}
        )
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def moody() -> Iterator[str]:
    """Address of a server that follows its script."""
    Moody.script, Moody.asked, Moody.keys = [], [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), Moody) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_what_may_succeed_later_is_tried_again_when_the_service_says(moody: str) -> None:
    Moody.script = [(503, {"Retry-After": "1"}), (0, {}), (502, {}), (429, {"Retry-After": "nonsense"})]
    with Client(moody) as client:
        found = client.claim("a")
    assert found is not None
    assert len(Moody.asked) == 5
    assert Moody.asked[1] - Moody.asked[0] >= 1.0


def test_a_further_try_has_the_key_of_the_first_and_the_next_answer_another(moody: str) -> None:
    Moody.script = [(0, {}), (503, {}), (400, {}), (400, {})]
    with Client(moody) as client:
        for _ in range(2):
            with pytest.raises(ServiceError, match="400: later"):
                client.rule("a", Verdict.TRUE)
    assert Moody.keys[0] == Moody.keys[1] == Moody.keys[2] != Moody.keys[3]


@pytest.mark.parametrize(
    ("answer", "status", "tries"),
    [((500, {}), 500, 1), ((401, {}), 401, 1), ((429, {"Retry-After": "3600"}), 429, 1), ((0, {}), 0, None)],
)
def test_what_will_not_succeed_is_an_error_with_its_status(
    moody: str, answer: tuple[int, dict[str, str]], status: int, tries: int | None
) -> None:
    Moody.script = [answer] * 50
    with Client(moody, patience_s=1.0) as client, pytest.raises(ServiceError) as failed:
        client.claim("a")
    assert failed.value.status == status
    assert len(Moody.asked) == tries if tries else len(Moody.asked) > 1
    assert status == 0 or failed.value.problem == {"detail": "later"}
