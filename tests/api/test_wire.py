"""`credence api` at its socket: whatever comes in, an answer that can be read, as problem+json, without versions."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from streams.api import asked, connection
from streams.api.connection import Runner
from streams.api.route import methods
from streams.api.routes import ROUTES, application
from streams.api.service import Service
from streams.contract.settings import Settings
from streams.kafka import provision
from tests.api.serving import Api
from tests.scores import claim, flag, publish

BATCH = "/v1/claims:batchGet"


def packed(data: bytes) -> bytes:
    """The same bytes at every time of day: they are part of a test's name."""
    return gzip.compress(data, mtime=0)


GZIP = "Content-Encoding: gzip\r\n"
IDS = b'{"ids": ["a"]}'


@dataclass(frozen=True)
class Answer:
    """What came back over a socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    def problem(self) -> dict[str, Any]:
        """The body, which must be a problem of this status, and tell no version."""
        found: dict[str, Any] = json.loads(self.body)
        assert self.headers["content-type"] == "application/problem+json"
        assert (found["status"], self.headers["server"]) == (self.status, "credence")
        assert found["title"]
        assert found["detail"]
        return found


def parse(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    return Answer(
        int(status.split()[1]), {k.lower(): v.strip() for k, _, v in (li.partition(":") for li in lines)}, body
    )


@pytest.fixture(scope="module")
def api(broker: str) -> Iterator[Api]:
    """A service with a claim and a page of flags and more, ready."""
    settings = Settings(broker=broker, namespace=f"wire{uuid.uuid4().hex[:8]}.", partitions=1)
    provision.create(broker, settings)
    publish(settings, [claim("a"), claim("é/ü"), *(flag(f"f{n}", "a", priority=n % 7) for n in range(30))])
    running = Api(settings, CREDENCE_PARTITIONS="1")
    running.becomes("/readyz", lambda status, _: status == 200)
    yield running
    assert running.end() == 0
    assert "Traceback" not in running.said


def send(api: Api, data: bytes) -> Answer:
    """Send bytes as they are and read until the other side closes."""
    host, port = api.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 20) as link:
        link.sendall(data)
        found = b""
        while got := link.recv(1 << 16):
            found += got
    return parse(found)


def ask(api: Api, method: str, path: str, headers: str = "", body: bytes | None = None) -> Answer:
    length = "" if body is None else f"Content-Length: {len(body)}\r\n"
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}{length}\r\n"
    return send(api, head.encode("latin-1") + (body or b""))


@pytest.mark.parametrize("path", ["/v1/claims/a", "/v1/claims/none", "/v1/flags", "/healthz", "/openapi.json"])
def test_head_answers_as_get_without_a_body(api: Api, path: str) -> None:
    head, got = ask(api, "HEAD", path), ask(api, "GET", path)
    unlike = {"date", "ratelimit"}
    assert (head.status, head.body) == (got.status, b"")
    assert {k: v for k, v in head.headers.items() if k not in unlike} == {
        k: v for k, v in got.headers.items() if k not in unlike
    }


@pytest.mark.parametrize(("method", "path"), [route[:2] for route in ROUTES])
def test_options_names_the_methods_of_every_path(api: Api, method: str, path: str) -> None:
    answer = ask(api, "OPTIONS", path.replace("{id}", "a"))
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["allow"].split(", ") == list(methods(method))
    refused = ask(api, "DELETE", path.replace("{id}", "a"))
    assert refused.status == 405
    assert sorted(refused.headers["allow"].split(",")) == sorted(methods(method))
    refused.problem()


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (GZIP, packed(IDS), 200),
        ("Content-Encoding: X-GZIP, identity\r\n", packed(IDS[:5]) + packed(IDS[5:]), 200),
        ("Content-Encoding: identity\r\n", IDS, 200),
        (GZIP, IDS, 400),
        (GZIP, packed(IDS)[:-6], 400),
        (GZIP, packed(IDS) + b"rest", 400),
        (GZIP, b"", 400),
        (GZIP, packed(b" " * 50_000_000), 413),
        (GZIP, packed(b" " * asked.BODY_MAX) * 2, 413),
        ("", b" " * (asked.BODY_MAX + 1), 413),
        ("Content-Encoding: br\r\n", IDS, 415),
        ("Content-Encoding: gzip, gzip\r\n", packed(packed(IDS)), 415),
        ("Content-Encoding: \xff\xfe\r\n", IDS, 415),
        ("Transfer-Encoding: chunked\r\n", b"e\r\n" + IDS + b"\r\n0\r\n\r\n", 200),
        ("Transfer-Encoding: gzip, chunked\r\n", b"e\r\n" + IDS + b"\r\n0\r\n\r\n", 501),
    ],
)
def test_a_body_is_unpacked_within_bounds_or_refused_for_what_it_is(
    api: Api, headers: str, body: bytes, status: int
) -> None:
    length = "" if "Transfer" in headers else f"Content-Length: {len(body)}\r\n"
    head = f"POST {BATCH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}{length}\r\n".encode("latin-1")
    answer = send(api, head + body)
    assert answer.status == status
    if status == 200:
        assert [each["claim_id"] for each in json.loads(answer.body)["claims"]] == ["a"]
    else:
        answer.problem()
    assert ("accept-encoding" in answer.headers) is (status == 415)


@pytest.mark.parametrize(
    ("body", "unknown"),
    [
        (b'{"ids": ["\\u0000", "", "a", "a"]}', ["\x00", ""]),
        (json.dumps({"ids": ["x" * 100_000] * 1_000})[: 20 * 100_000].encode(), None),
        (b'{"ids": [["a"]]}', None),
        (b'{"ids": ' + b"[" * 200_000, None),
        (b'{"ids": ["\\ud800"]}', None),
        (b'{"ids": ["\xff"]}', None),
        (b'{"ids": {"a": 1}}', None),
        (b"\xef\xbb\xbf", None),
        (b"", None),
        (b"null", None),
        (json.dumps({"ids": ["a"] * 1_001}).encode(), None),
    ],
)
def test_a_batch_is_answered_or_refused_as_a_whole(api: Api, body: bytes, unknown: list[str] | None) -> None:
    answer = ask(api, "POST", BATCH, body=body)
    if unknown is None:
        assert answer.status == 400
        answer.problem()
    else:
        assert json.loads(answer.body)["unknown"] == unknown


LONG = "y" * 20_000


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (f"GET /v1/claims/{LONG} HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (f"GET /healthz?{LONG} HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (f"GET /healthz HTTP/1.1\r\nHost: x\r\nX: {LONG}\r\n\r\n", 431),
        (f"GET /healthz HTTP/1.1\r\nHost: x\r\n{LONG}: x\r\n\r\n", 431),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\n" + "X: y\r\n" * 500 + "\r\n", 431),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\nConnection: close\r\n\r\n", 417),
        ("GET /nowhere HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\nConnection: close\r\n\r\n", 417),
        ("garbage\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01", 400),
        ("\x00" * 64, 400),
        ("GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        ("GET /healthz HTTP/1.1\r\n\r\n", 400),
        ("GET http://[x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\nbroken line\r\n\r\n", 400),
        (f"POST {BATCH} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (f"POST {BATCH} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nxxxxx", 400),
        (f"POST {BATCH} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (f"POST {BATCH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (f"POST {BATCH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        ("CONNECT x:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        ("TRACE /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
    ],
)
def test_what_is_no_request_is_a_problem_too_and_ends_the_connection(api: Api, data: str, status: int) -> None:
    answer = send(api, data.encode("latin-1"))
    assert answer.status == status
    answer.problem()


def test_a_body_whose_chunks_break_off_after_it_began_is_400_once(api: Api) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 20) as link:
        link.sendall(f"POST {BATCH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n".encode() + IDS[:5])
        link.settimeout(0.3)
        with pytest.raises(TimeoutError):  # it is waited for
            link.recv(1)
        link.settimeout(20)
        link.sendall(b"\r\nzz\r\n")
        found = b""
        while got := link.recv(1 << 16):
            found += got
    assert found.count(b"\r\n\r\n") == 1
    answer = parse(found)
    assert answer.status == 400
    answer.problem()


def test_requests_sent_at_once_are_answered_in_order(api: Api) -> None:
    one = "GET /v1/claims/{} HTTP/1.1\r\nHost: x\r\n{}\r\n"
    names = ["a", "none"] * 40
    data = "".join(one.format(name, "Connection: close\r\n" * (i == 79)) for i, name in enumerate(names))
    host, port = api.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 20) as link:
        link.sendall(data.encode())
        found = b""
        while got := link.recv(1 << 16):
            found += got
    assert [int(each.split()[0]) for each in found.split(b"HTTP/1.1 ")[1:]] == [200, 404] * 40


@pytest.mark.parametrize(
    "query",
    [
        "limit=5&limit=6", "limt=5", "=1", "limit=", "limit=1e2", "limit=+5", "limit=%205", "limit=1_0", "limit=5.0",
        "limit=%D9%A3", "limit=%ff", "limit=0", "limit=-1", "min_priority=-1", "min_priority=" + "9" * 6_000,
        "cursor=101:x", "cursor=x", "cursor=%ff", "cursor=00", "cursor=4051800000000000f", "cursor=4051800000000000FF",
        "state=gone", "rule=%20", "rule=", "since=-1", "max_lag_ms=soon", "sort=risk",
    ],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_400(api: Api, query: str) -> None:
    answer = ask(api, "GET", f"/v1/flags?{query}")
    assert answer.status == 400
    answer.problem()


@pytest.mark.parametrize("path", ["/v1/flags", "/v1/flags?state=any", "/v1/claims", "/v1/claims?sort=growth"])
@pytest.mark.parametrize(
    "cursor",
    ["4018000000000000", "4018000000000000ff", "0" * 16, "f" * 16, "7ff0000000000000", "7ff8000000000000",
     "4018000000000000" "00610a", "4018000000000000" + "c3" * 1_900],
)  # fmt: skip
def test_every_cursor_that_the_document_allows_is_a_place_in_the_list(api: Api, path: str, cursor: str) -> None:
    answer = ask(api, "GET", f"{path}{'&' if '?' in path else '?'}cursor={cursor}")
    assert answer.status == 200
    if path == "/v1/flags" and cursor.startswith("4018"):
        assert all(each["priority"] <= 6 for each in json.loads(answer.body)["flags"])


def test_pages_of_flags_leave_nothing_out_and_say_nothing_twice(api: Api) -> None:
    found: list[str] = []
    cursor = ""
    while True:
        page = json.loads(ask(api, "GET", f"/v1/flags?limit=7&cursor={cursor}").body)
        found += [each["flag_id"] for each in page["flags"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert len(found) == 30
    assert set(found) == {f"f{n}" for n in range(30)}


@pytest.mark.parametrize(
    "id_", ["%00", "%ff", "%ed%a0%80", "a%2Fb", "..", "%2e%2e", "%", "%zz", "%F0%9F%98%80" * 500, "a%0d%0aX:%20y"]
)
def test_an_id_of_any_characters_is_looked_for(api: Api, id_: str) -> None:
    answer = ask(api, "GET", f"/v1/claims/{id_}")
    assert answer.status == 404
    assert "is known" in answer.problem()["detail"]
    assert "x" not in answer.headers
    assert json.loads(ask(api, "GET", "/v1/claims/%C3%A9%2F%C3%BC").body)["claim_id"] == "é/ü"


@pytest.mark.parametrize("accept", ["text/html", "application/xml;q=0.9", "*/*", "nonsense", "application/json;q=0"])
def test_what_a_client_accepts_changes_nothing(api: Api, accept: str) -> None:
    for path, status in (("/v1/claims/a", 200), ("/v1/claims/none", 404)):
        assert ask(api, "GET", path, f"Accept: {accept}\r\n").status == status


async def served() -> tuple[Runner, int]:
    """A service that follows nothing, in this process."""
    from aiohttp import web

    settings = Settings(broker="127.0.0.1:1")
    service = Service(settings)
    app = application(service, settings)

    async def stop(_: web.Application) -> None:
        await service.stop()

    app.on_cleanup.append(stop)
    runner = Runner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, runner.addresses[0][1]


async def test_a_body_that_does_not_come_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "BODY_S", 0.2)
    runner, port = await served()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST {BATCH} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n".encode())
        answer = parse(await asyncio.wait_for(reader.readuntil(b"}"), 10))
        assert answer.status == 408
        answer.problem()
        writer.close()
        await writer.wait_closed()
    finally:
        await runner.cleanup()


async def test_a_request_that_dribbles_in_loses_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "IDLE_S", 0.5)
    runner, port = await served()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        dribble = asyncio.create_task(_dribble(writer))
        assert await asyncio.wait_for(reader.read(), 10) == b""
        dribble.cancel()
        await asyncio.gather(dribble, return_exceptions=True)
    finally:
        await runner.cleanup()


async def _dribble(writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: ")
    while True:
        await asyncio.sleep(0.1)
        writer.write(b"x")
