"""The change feed: nothing is lost over reconnects and restarts, and who is slow or gone is let go."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from streams.contract import topics
from streams.contract.settings import Settings
from streams.kafka import provision
from tests.api.serving import Api
from tests.scores import claim, flag, publish, source

PATH = "/v1/changes"


class Feed:
    """A caller of the change feed, who may hang up at any event."""

    def __init__(self, api: Api, query: str = "", last_event_id: str = "") -> None:
        host, port = api.url.removeprefix("http://").split(":")
        self.connection = http.client.HTTPConnection(host, int(port), timeout=60)
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        self.connection.request("GET", PATH + query, headers=headers)
        self.response = self.connection.getresponse()
        self.last_event_id = last_event_id

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Names and data of events as they come; heartbeats have no name."""
        found: dict[str, str] = {}
        while line := self.response.readline().decode():
            if line != "\n":
                name, _, value = line.rstrip("\n").partition(": ")
                found[name] = value
                continue
            self.last_event_id = found.get("id", self.last_event_id)
            if "event" in found:
                yield found["event"], json.loads(found["data"])
            found = {}

    def hang_up(self) -> str:
        """Close the connection; returns the last event's id."""
        self.connection.close()
        return self.last_event_id


@pytest.fixture
def installation(broker: str) -> Settings:
    """An installation without records."""
    settings = Settings(broker=broker, namespace=f"feed{uuid.uuid4().hex[:8]}.", partitions=3)
    provision.create(broker, settings)
    return settings


def served(settings: Settings) -> Api:
    """A service of that installation, ready."""
    api = Api(settings, CREDENCE_PARTITIONS=str(settings.partitions))
    api.becomes("/readyz", lambda status, _: status == 200)
    return api


def test_nothing_is_lost_over_ten_reconnects_and_a_restart(installation: Settings) -> None:
    """A caller who hangs up in the middle of what comes, again and again, hears of every version."""
    api = served(installation)
    wanted = {(f"c{n % 40}", n + 1) for n in range(2_000)}
    first = Feed(api)
    assert next(first.events())[0] == "begin"
    last = first.hang_up()
    publishing = threading.Thread(
        target=lambda: [
            publish(installation, [claim(f"c{n % 40}", version=n + 1) for n in range(k, k + 100)])
            for k in range(0, 2_000, 100)
        ]
    )
    publishing.start()
    heard: set[tuple[str, int]] = set()
    hang_ups = 0
    while heard != wanted:
        feed = Feed(api, last_event_id=last)
        assert feed.response.status == 200
        for event, data in feed.events():
            if event == "claim":
                heard.add((data["id"], data["record"]["version"]))
            if heard == wanted or (hang_ups < 10 and len(heard) >= 150 * (hang_ups + 1)):
                break
        last = feed.hang_up()
        hang_ups += 1
        if hang_ups == 5:
            assert api.end() == 0
            api = served(installation)
    publishing.join()
    assert hang_ups > 10
    assert api.end() == 0
    assert "Traceback" not in api.said


def test_a_feed_tells_what_was_asked_for_as_the_routes_tell_it(installation: Settings) -> None:
    api = served(installation)
    try:
        publish(installation, [claim("old"), source("s")])
        everything = Feed(api, "?subjects=claims,sources&start=beginning").events()
        seen = {data["id"]: data for event, data in (next(everything) for _ in range(3)) if event != "begin"}
        assert seen.keys() == {"old", "s"}
        api.becomes("/v1/claims/old", lambda status, _: status == 200)
        assert seen["old"]["record"] == api.get("/v1/claims/old")[1]
        flags = Feed(api, "?subjects=flags")
        events = flags.events()
        assert next(events)[0] == "begin"
        publish(installation, [flag("f", "a"), claim("thin", low=0.02, high=0.97), (topics.CLAIM_SCORES, "old", None)])
        event, data = next(events)
        assert (event, data["record"]["flag_id"]) == ("flag", "f")
        later = {data["id"]: data["record"] for _, data in (next(everything) for _ in range(2))}
        assert later["old"] is None
        assert (later["thin"]["score"], later["thin"]["assessment"]) == (None, "not enough evidence")
    finally:
        assert api.end() == 0
    # It ends with a word, and not only with the connection.
    assert next(events)[0] == "end"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?subjects=rumours", 400),
        ("?subjects=", 400),
        ("?subjects=claims,claims", 400),
        ("?start=then", 400),
        ("?last_event_id=nonsense", 400),
        ("?last_event_id=flags:00000000:0.0.0", 400),
        ("?last_event_id=claims:00000000:0.0.0;flags:00000000:0.0.0", 410),
    ],
)
def test_a_feed_that_cannot_be_is_refused(installation: Settings, query: str, status: int) -> None:
    api = served(installation)
    try:
        assert api.get(PATH + query)[0] == status
        assert api.ask(PATH, "HEAD")[0] == 200
    finally:
        api.end()


def test_who_takes_nothing_is_cut_with_a_word_and_loses_nothing(
    installation: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = installation.replace()
    publish(settings, [claim(f"c{n}", core_version="x" * 900) for n in range(20_000)])
    code = "import streams.api.changes as c; c.SLOW_S = 1.0; from streams.cli.api import api; api()"
    api = Api(settings, code=code, CREDENCE_PARTITIONS="3")
    try:
        api.becomes("/readyz", lambda status, _: status == 200, within_s=60)
        host, port = api.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 20) as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            link.sendall(f"GET {PATH}?start=beginning HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            api.becomes("/healthz", lambda *_: "a change feed was cut" in api.said, within_s=60)
        assert "goes on" in api.said
        feed = Feed(api, "?start=beginning")
        heard: set[str] = set()
        for event, data in feed.events():
            if event == "claim":
                heard.add(data["id"])
                if len(heard) == 20_000:
                    break
        feed.hang_up()
    finally:
        assert api.end() == 0
