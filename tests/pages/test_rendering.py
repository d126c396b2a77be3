"""What a page shows and to whom: escaped, by scope, under its policy; rendered in this process, without Kafka."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from aiohttp.test_utils import TestClient, TestServer

from streams.api.access import Scope, made
from streams.api.published import Entry
from streams.api.routes import application
from streams.api.service import Service
from streams.contract.metrics import API_ROUTES
from streams.contract.settings import Settings
from streams.contract.topics import CLAIM_SCORES, COMMUNITIES, FLAGS, SOURCE_SCORES, Topic
from streams.pages.rendering import POLICY, share
from streams.pages.sessions import COOKIE, form_key
from streams.pages.site import ROUTES, site
from tests.scores import T0_MS, claim, community, flag, source

NASTY = "<script>alert(1)</script>\"'&</title><b>"
ID = 'a/<b>"x'
RATED = [
    {
        "rater_id": NASTY, "version": 2, "verdict": "false", "kind": "fact-check", "ruled_at_ms": T0_MS,
        "ruling_id": "r", "url": "javascript:alert(1)", "note": NASTY,
    }
]  # fmt: skip
ROOT = {"text": NASTY, "url": "https://news.example/a?b=<c>", "author_id": NASTY, "posted_at_ms": T0_MS, "lang": "en"}
REASONS = [{"code": "history", "text": NASTY, "weight": 1.2, "evidence_ids": [NASTY]}, {"code": "x", "weight": -0.3}]
SPREAD = {"participants": 33, "events": 41, "first_event_ms": T0_MS - 3_600_000, "per_hour": 9.0, "expected_24h": 12.5}
Client = TestClient[Any, Any]


def entry(topic: Topic, key: str, value: dict[str, Any]) -> Entry:
    """A record as the service reads it."""
    return Entry(topic, 0, 0, 0, key, orjson.dumps(value))


def records() -> list[Entry]:
    """A claim, its flag, who posted it and a community, all with texts that want out."""
    told = flag("r/1/a", ID, claim=ROOT, reasons=REASONS, spread=SPREAD, risk_low=0.6, risk_high=0.9)
    known = claim(ID, flagged=True, rulings=RATED, raters_disagree=True, verdict="false", expected_growth_24h=20.0)
    return [
        entry(CLAIM_SCORES, ID, known),
        entry(CLAIM_SCORES, "open", claim("open", expected_growth_24h=40.0, low=0.01, high=0.99, score=0.5)),
        entry(FLAGS, ID, told),
        entry(SOURCE_SCORES, NASTY, source(NASTY)),
        entry(SOURCE_SCORES, "new", source("new", right=1, wrong=0, credibility=0.5)),
        entry(COMMUNITIES, NASTY, community(NASTY)),
    ]


@pytest.fixture
def tokens() -> dict[str, str]:
    """Name → token, where some are set up."""
    return {}


@pytest.fixture
def service(tmp_path: Path, request: pytest.FixtureRequest, tokens: dict[str, str]) -> Service:
    """A service that holds the records and has read all there is; with the mark `tokens` it takes them."""
    settings = Settings(broker="none:1")
    if request.node.get_closest_marker("tokens"):
        lines = []
        for name, scopes in (("ana", [Scope.READ, Scope.RULE]), ("ben", [Scope.READ]), ("bot", [Scope.RULE])):
            tokens[name], line = made(name, scopes)
            lines.append(line)
        (tmp_path / "tokens").write_text("\n".join(lines))
        settings = settings.replace(api_tokens_file=str(tmp_path / "tokens"), api_rate_per_minute=30)
    service = Service(settings)
    service.store.apply(records())
    service.caught_up = True
    return service


@pytest.fixture
async def client(service: Service) -> AsyncIterator[Client]:
    """The pages of that service."""
    async with TestClient(TestServer(application(service, service.settings, site(service)))) as opened:
        yield opened
    service.lists.close()
    service.store.close()


async def text(client: Client, path: str, status: int = 200, **cookies: str) -> str:
    """A page."""
    answer = await client.get(path, cookies=cookies, allow_redirects=False)
    found: str = await answer.text()
    assert answer.status == status, (path, found)
    return found


CLAIM = f"/claims/{quote(ID, safe='')}"
PAGES = ("/", "/queue", "/claims?state=any", CLAIM, f"/sources/{quote(NASTY, safe='')}", "/communities")


@pytest.mark.parametrize("path", PAGES)
async def test_what_posts_and_raters_write_is_escaped_on_every_page(client: Client, path: str) -> None:
    page = await text(client, path)
    assert "<script>alert" not in page
    assert '<b>"' not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    # Data of charts is no markup either.
    for data in re.findall(r'<script type="application/json">(.*?)</script>', page, re.S):
        assert not set("<>&'") & set(data)


async def test_a_link_of_a_post_is_followed_over_the_web_alone_and_tells_nobody_where_from(client: Client) -> None:
    page = await text(client, CLAIM)
    assert '<a href="https://news.example/a?b=&lt;c&gt;" rel="noopener noreferrer nofollow ugc">' in page
    assert "javascript:alert(1)" in page
    assert 'href="javascript' not in page


@pytest.mark.parametrize("path", [*PAGES, "/sign-in", "/claims/unheard-of"])
async def test_every_page_lets_nothing_in_from_outside(client: Client, path: str) -> None:
    answer = await client.get(path)
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert not re.search(r"https?:|unsafe|\*", POLICY)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    loaded = re.findall(r'<(?:link|script|img)[^>]* (?:href|src)="([^"]+)"', await answer.text())
    assert loaded
    assert all(each.startswith("/assets/") for each in loaded)
    assert " style=" not in await answer.text()


async def test_what_pages_load_is_there_and_kept_for_good(client: Client) -> None:
    page = await text(client, "/")
    for address in set(re.findall(r'"(/assets/[^"]+)"', page)):
        answer = await client.get(address)
        assert answer.status == 200
        assert "immutable" in answer.headers["Cache-Control"]
    assert (await client.get("/assets/0000000000000000/pages.css")).status == 404
    assert (await client.get("/assets/0000000000000000/..%2fsite.py")).status == 404


async def test_little_evidence_reads_so_and_never_as_one_half(client: Client) -> None:
    for path in ("/claims/open", "/sources/new"):
        page = await text(client, path)
        assert "not enough evidence" in page
        assert "50\xa0%" not in page


def test_no_figure_is_certain() -> None:
    assert (share(0.0), share(1.0), share(0.5)) == ("under\xa01\xa0%", "over\xa099\xa0%", "50\xa0%")


async def test_without_tokens_anybody_reads_and_nobody_writes(client: Client) -> None:
    page = await text(client, CLAIM)
    assert "<textarea" not in page
    assert "Confirm" not in page
    assert "credence rule" in page
    answer = await client.post("/decision", data={"flag_id": "r/1/a", "decision": "confirmed"})
    assert answer.status == 403


async def test_raters_who_disagree_and_their_reasons_are_shown(client: Client) -> None:
    page = await text(client, CLAIM)
    assert "raters disagree" in page
    assert "fact-check" in page


async def test_an_unknown_id_is_a_page_that_says_so(client: Client) -> None:
    assert "No claim &#39;unheard-of&#39; is known." in await text(client, "/claims/unheard-of", 404)
    assert "has the id" in await text(client, "/find?id=unheard-of", 404)
    assert (await client.get("/find", params={"id": "open"}, allow_redirects=False)).headers[
        "Location"
    ] == "/claims/open"


async def test_a_mistyped_address_is_a_page_for_browsers_and_a_problem_for_programs(client: Client) -> None:
    person = await client.get("/claim/open", headers={"Accept": "text/html,*/*"})
    assert (person.status, person.content_type) == (404, "text/html")
    assert "is not served" in await person.text()
    for path, accepted in (("/claim/open", "*/*"), ("/v1/nothing", "text/html")):
        program = await client.get(path, headers={"Accept": accepted})
        assert (program.status, program.content_type) == (404, "application/problem+json")


async def test_the_front_page_says_who_paused_flags_and_why(client: Client, service: Service) -> None:
    done = {"control": "pause", "by": "ann", "note": NASTY, "at_ms": T0_MS}
    rule = {"rule": "risk-cascade", "shadow": False, "precision": 0.8, "controls": {"switch": done}}
    for state in ("running", "paused"):
        service.switches.knows([rule | {"state": state}])
        page = await text(client, "/")
        assert ('<b class="bad">risk-cascade is paused</b>' in page) is (state == "paused")
        assert "pause by <bdi>ann</bdi>" in page
        assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", True), ("?state=past", False), ("?state=any&decided=any", True), ("?rule=r", True), ("?rule=s", False),
        ("?rule=&lang=", True), ("?lang=en", True), ("?lang=de", False), ("?min_priority=71", False),
        ("?decided=yes", False),
    ],
)  # fmt: skip
async def test_each_filter_of_the_queue_is_an_address(client: Client, query: str, shown: bool) -> None:
    assert ("data-flag" in await text(client, f"/queue{query}")) is shown


async def test_what_is_no_filter_is_a_page_that_says_so(client: Client) -> None:
    assert "State is one of standing, past, any." in await text(client, "/queue?state=nonsense", 400)


@pytest.mark.tokens
async def test_who_is_not_signed_in_is_led_there_and_back(client: Client, tokens: dict[str, str]) -> None:
    answer = await client.get("/queue?state=past", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in?next=%2Fqueue%3Fstate%3Dpast")
    wrong = await client.post("/sign-in", data={"token": "credence_guessed", "next": "/queue"})
    assert wrong.status == 401
    assert "unknown" in await wrong.text()
    fields = {"token": tokens["ana"], "next": "/queue?state=past"}
    right = await client.post("/sign-in", data=fields, allow_redirects=False)
    assert (right.status, right.headers["Location"]) == (303, "/queue?state=past")
    cookie = right.headers["Set-Cookie"]
    for said in ("HttpOnly", "SameSite=Strict", "Path=/"):
        assert said in cookie
    away = await client.post("/sign-in", data=fields | {"next": "//evil.example"}, allow_redirects=False)
    assert away.headers["Location"] == "/"


@pytest.mark.tokens
async def test_who_follows_a_link_of_another_site_is_asked_once_more_from_here(client: Client) -> None:
    answer = await client.get("/queue", headers={"Sec-Fetch-Site": "cross-site"}, allow_redirects=False)
    assert answer.status == 200
    assert '<meta http-equiv="refresh" content="0">' in await answer.text()
    again = await client.get("/queue", headers={"Sec-Fetch-Site": "same-origin"}, allow_redirects=False)
    assert again.status == 303


@pytest.mark.tokens
async def test_pages_obey_scopes_and_programs_are_not_let_in_by_a_cookie(
    client: Client, tokens: dict[str, str]
) -> None:
    assert "<textarea" in await text(client, CLAIM, **{COOKIE: tokens["ana"]})
    assert "<textarea" not in await text(client, CLAIM, **{COOKIE: tokens["ben"]})
    assert "lacks the scope read" in await text(client, "/", 403, **{COOKIE: tokens["bot"]})
    json = await client.get("/v1/flags", cookies={COOKIE: tokens["ana"]})
    assert json.status == 401
    refused = await client.post(
        "/decision", data={"form_key": form_key(tokens["ben"])}, cookies={COOKIE: tokens["ben"]}
    )
    assert refused.status == 403


@pytest.mark.tokens
async def test_a_form_of_another_site_is_refused(client: Client, tokens: dict[str, str]) -> None:
    fields = {"flag_id": "r/1/a", "decision": "confirmed", "form_key": form_key(tokens["ana"])}
    cookies = {COOKIE: tokens["ana"]}
    cross = await client.post("/decision", data=fields, cookies=cookies, headers={"Sec-Fetch-Site": "cross-site"})
    assert cross.status == 403
    older = await client.post("/decision", data=fields, cookies=cookies, headers={"Origin": "https://evil.example"})
    assert older.status == 403
    keyless = await client.post("/decision", data=fields | {"form_key": form_key("guessed")}, cookies=cookies)
    assert keyless.status == 403
    assert "load the page again" in await keyless.text()
    login = await client.post("/sign-in", data={"token": tokens["ben"]}, headers={"Sec-Fetch-Site": "cross-site"})
    assert login.status == 403


@pytest.mark.tokens
async def test_pages_and_wrong_tokens_count_towards_the_rate(client: Client, tokens: dict[str, str]) -> None:
    statuses = [(await client.get("/", cookies={COOKIE: tokens["ana"]})).status for _ in range(31)]
    assert (statuses[0], statuses[-1]) == (200, 429)
    guesses = [(await client.post("/sign-in", data={"token": "x"})).status for _ in range(31)]
    assert (guesses[0], guesses[-1]) == (401, 429)


def test_every_page_is_named_in_metrics() -> None:
    assert {route.name for route in ROUTES} <= set(API_ROUTES)
