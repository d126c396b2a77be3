"""Lists with filters and pages, and how answers leave: tags, packing, how long they keep."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from streams.api.freshness import Waiting
from streams.api.replies import takes_gzip
from streams.contract.attention import DAY_MS
from streams.contract.settings import Settings
from streams.kafka import provision
from tests.api.serving import Api
from tests.scores import claim, community, flag, publish, source

CLAIMS = 25
HEARD_MS = 1_790_000_000_000
SILENT = 23  # which was expected to grow two days ago


@pytest.fixture(scope="module")
def api(broker: str) -> Iterator[Api]:
    """A service with a page of everything, ready."""
    settings = Settings(broker=broker, namespace=f"lists{uuid.uuid4().hex[:8]}.", partitions=2)
    provision.create(broker, settings)
    publish(
        settings,
        [
            *(
                claim(
                    f"c{n:02}", risk=n / CLAIMS, expected_growth_24h=float(n * 7 % CLAIMS), flagged=n % 5 == 0,
                    verdict="false" if n % 3 == 0 else None, last_event_ms=HEARD_MS - 2 * DAY_MS * (n == SILENT),
                    **({"low": 0.02, "high": 0.98} if n == 1 else {}),
                )
                for n in range(CLAIMS)
            ),
            *(source(f"s{n:02}", events=n) for n in range(12)),
            *(community(f"m{n:02}", members=n, enough_evidence=n > 1) for n in range(5)),
            *(
                flag(f"rule/{n}", f"c{n:02}", priority=n, rule_id=f"rule{n % 2}/1", detected_at_ms=1_000 + n,
                     claim={"lang": "de" if n % 2 else "en"}, community="harbour" if n % 4 else None)
                for n in range(10)
            ),
            *(flag(f"rule/{n}", f"c{n:02}", revision=2, action="retract", priority=0, detected_at_ms=2_000 - n,
                   rule_id=f"rule{n % 2}/1", enough_evidence=False) for n in range(4)),
        ],
    )  # fmt: skip
    running = Api(settings, CREDENCE_PARTITIONS="2")
    running.becomes("/readyz", lambda status, b: status == 200 and b["flags"] == 10 and b["claims"] == CLAIMS)
    yield running
    assert running.end() == 0
    assert "Traceback" not in running.said


def pages(api: Api, path: str, field: str) -> list[dict[str, Any]]:
    """All entries of a list, a small page at a time."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        status, page, _ = api.get(f"{path}{'&' if '?' in path else '?'}limit=4&cursor={cursor}")
        assert status == 200
        assert len(page[field]) <= 4
        found += page[field]
        cursor = page["next_cursor"]
    return found


def names(api: Api, path: str, field: str, id_: str) -> list[str]:
    return [each[id_] for each in pages(api, path, field)]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", sorted(range(CLAIMS), reverse=True)),
        ("?sort=growth", sorted({*range(CLAIMS)} - {SILENT}, key=lambda n: -(n * 7 % CLAIMS))),
        ("?state=settled", [n for n in range(CLAIMS - 1, -1, -1) if n % 3 == 0]),
        ("?state=open&flagged=yes", [20, 10, 5]),
        ("?flagged=no&state=settled", [24, 21, 18, 12, 9, 6, 3]),
        ("?lang=de", [9, 7, 5, 3, 1]),
        ("?lang=fr", []),
        ("?community=harbour", [9, 7, 6, 5, 3, 2, 1]),
        ("?community=harbour&lang=en&sort=growth", [6, 2]),
    ],
)
def test_claims_are_listed_by_risk_or_growth_and_filtered(api: Api, query: str, wanted: list[int]) -> None:
    assert names(api, f"/v1/claims{query}", "claims", "claim_id") == [f"c{n:02}" for n in wanted]


def test_sources_come_busiest_first_and_communities_largest_first(api: Api) -> None:
    assert names(api, "/v1/sources", "sources", "source_id") == [f"s{n:02}" for n in range(11, -1, -1)]
    communities = pages(api, "/v1/communities", "communities")
    assert [each["members"] for each in communities] == [4, 3, 2, 1, 0]
    assert [each["echo_index"] for each in communities[-2:]] == [None, None]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", [9, 8, 7, 6, 5, 4]),
        ("?state=past", [0, 1, 2, 3]),
        ("?state=any", [0, 1, 2, 3, 9, 8, 7, 6, 5, 4]),
        ("?rule=rule1/1", [9, 7, 5]),
        ("?rule=rule0&state=past", [0, 2]),
        ("?rule=rule", []),
        ("?since=1007", [9, 8, 7]),
        ("?state=any&since=1998", [0, 1, 2]),
        ("?min_priority=6", [9, 8, 7, 6]),
        ("?community=harbour&state=any", [1, 2, 3, 9, 7, 6, 5]),
        ("?community=town", []),
    ],
)
def test_flags_are_listed_standing_or_past_by_rule_and_since(api: Api, query: str, wanted: list[int]) -> None:
    assert names(api, f"/v1/flags{query}", "flags", "flag_id") == [f"rule/{n}" for n in wanted]


def test_a_flag_is_given_with_all_its_revisions(api: Api) -> None:
    status, found, _ = api.get("/v1/flags/rule%2F3")
    assert status == 200
    assert (found["revision"], [each["revision"] for each in found["revisions"]]) == (2, [1, 2])
    assert (found["score"], found["revisions"][0]["score"]) == (None, 0.2)
    assert api.get("/v1/flags/rule%2F99")[0] == 404


def test_little_evidence_has_no_figure_wherever_it_is_told(api: Api) -> None:
    batch = api.ask("/v1/claims:batchGet", "POST", b'{"ids": ["c01"]}')[1]
    listed = [each for each in pages(api, "/v1/claims", "claims") if each["claim_id"] == "c01"]
    history = api.get("/v1/claims/c01/history")[1]["points"]
    for found in (api.get("/v1/claims/c01")[1], *json.loads(batch)["claims"], *listed, *history):
        assert (found["score"], found["enough_evidence"]) == (None, False)


def test_an_answer_that_is_held_already_is_304_until_it_changes(api: Api) -> None:
    for path in ("/v1/claims/c02", "/v1/claims", "/v1/flags/rule%2F3"):
        status, _, headers = api.ask(path)
        tag = headers["ETag"]
        assert (status, headers["Cache-Control"]) == (200, "max-age=1, stale-while-revalidate=30")
        for held in (tag, f'"x", {tag}', tag.removeprefix("W/"), "*"):
            status, body, headers = api.ask(path, If_None_Match=held)
            assert (status, body, headers["ETag"]) == (304, b"", tag)
        assert api.ask(path, If_None_Match='W/"0000000000000000"')[0] == 200
    assert api.ask("/v1/claims/none", If_None_Match="*")[0] == 404


def test_long_answers_are_packed_for_those_who_take_it(api: Api) -> None:
    path = "/v1/claims?limit=25"
    plain, packed = api.ask(path), api.ask(path, Accept_Encoding="br, gzip")
    assert (plain[2]["Content-Encoding"], packed[2]["Content-Encoding"]) == (None, "gzip")
    assert gzip.decompress(packed[1]) == plain[1]
    assert len(packed[1]) < len(plain[1]) / 4
    assert packed[2]["ETag"] == plain[2]["ETag"]
    assert "Accept-Encoding" in packed[2]["Vary"]
    assert api.ask("/v1/claims/c02", Accept_Encoding="gzip")[2]["Content-Encoding"] is None
    assert not takes_gzip("gzip;q=0.000, *")


@pytest.mark.parametrize(
    "query", ["limit=5&limit=6", "sort=age", "state=closed", "flagged=1", "lang=a_b", "order=risk"]
)
def test_a_list_that_makes_no_sense_is_400(api: Api, query: str) -> None:
    status, problem, _ = api.get(f"/v1/claims?{query}")
    assert (status, problem["status"]) == (400, 400)
    assert query.split("=")[0] in problem["detail"]


def test_what_waits_is_as_old_as_the_first_that_waited() -> None:
    waiting = Waiting()
    assert waiting.look(100.0, applied=9, end=10) == 0.0
    assert waiting.look(101.0, applied=9, end=12) == 0.0
    assert waiting.look(103.0, applied=9, end=15) == 2.0
    assert waiting.look(104.0, applied=11, end=15) == 1.0
    assert waiting.look(105.0, applied=14, end=15) == 0.0
    assert waiting.look(200.0, applied=14, end=16, since_s=150.0) == 50.0
