"""What a flag says of the claim's root: the words as they read now, from the post to the record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from streams.agents.intake.careful import Limits
from streams.agents.intake.events import decode_events
from streams.contract.codes import DELETE, POST, UPDATE
from streams.contract.words import ROOT_TEXT_CHARS_MAX
from streams.scoring.claims.root_words import ROOTS_KEPT
from streams.scoring.config import ScoringConfig
from tests.agents.intake.fetched import fetched
from tests.scoring.builders import DAY_MS, NOW_MS, Event, Pipeline, difference, rebuilt, said

AT_MS = NOW_MS - DAY_MS
EAGER = ScoringConfig(flag_ripe_ms=0, flag_min_participants=1)
POSTED = Event(
    "ana", "c", "first", AT_MS, kind=POST, root=1, said=said("The bridge is shut", "https://a.example/1", "en")
)
TOLD = {
    "event_id": "first", "author_id": "ana", "posted_at_ms": AT_MS, "text": "The bridge is shut",
    "url": "https://a.example/1", "lang": "en",
}  # fmt: skip


def flagging(config: ScoringConfig = EAGER) -> Pipeline:
    """A pipeline in which every claim is flagged at once."""
    line = Pipeline(config)
    line.params(1, risk_bias=9.0)
    return line


def told(line: Pipeline) -> dict[str, Any]:
    """What the newest flag record says of the root."""
    found: dict[str, Any] = line.flags[-1]["claim"]
    return found


def edit(text: str, hours: int, id_: str = "first", url: str = "") -> Event:
    return Event("ana", "", id_, AT_MS + hours * 3_600_000, 0, UPDATE, root=1, said=said(text, url))


def delete(event: Event) -> Event:
    return Event(event.source, "", event.id, AT_MS + DAY_MS // 2, 0, DELETE)


def test_the_words_of_a_post_reach_the_flag_through_the_intake_cut_and_no_reply_carries_any() -> None:
    post = {
        "v": 1, "id": "p1", "kind": "post", "source_id": "ana", "occurred_at_ms": AT_MS, "text": "é" * 600,
        "url": "https://a.example/p1", "lang": "fr",
    }  # fmt: skip
    reply = {**post, "id": "r1", "kind": "reply", "root_id": "p1", "source_id": "ben"}
    block, rejects = decode_events([fetched(post), fetched(reply, offset=1)], 3, Limits())
    assert not rejects
    assert block["said"][1] == ""
    line = flagging()
    line.feed(block)
    text = told(line)["text"]
    assert text == "é" * (ROOT_TEXT_CHARS_MAX - 1) + "…"
    assert told(line) == {
        "event_id": "p1", "author_id": "ana", "posted_at_ms": AT_MS, "text": text, "url": "https://a.example/p1",
        "lang": "fr",
    }  # fmt: skip


def test_a_claim_that_is_flagged_before_its_root_comes_has_its_words_from_then_on() -> None:
    line = flagging()
    line.events([Event("ben", "c", "answer", AT_MS + 1000)])
    assert told(line) == {}
    count = len(line.flags)
    line.events([POSTED, Event("eve", "c", "more", AT_MS + 2000)])
    assert [flag["action"] for flag in line.flags[count:]] == ["update"]
    assert told(line) == TOLD


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_the_latest_edit_holds_in_whatever_order_it_all_comes(order: tuple[int, int, int]) -> None:
    all_of_it = [POSTED, edit("It is open again", 2), edit("Is it shut?", 1, url="https://a.example/2")]
    line = flagging()
    for i in order:
        line.events([all_of_it[i]])
    line.events([Event("ben", "c", "answer", AT_MS + 3 * DAY_MS)])
    assert told(line)["text"] == "It is open again"
    updates = line.sources.corrections.updates
    assert updates.texts("said").of(updates.rows()) == [""] * 2  # what came on is not kept there


def test_an_edit_of_a_flagged_claim_is_told_at_once_and_one_of_a_reply_is_not() -> None:
    line = flagging()
    line.events([POSTED, Event("ana", "c", "later", AT_MS + 1000)])
    count = len(line.flags)
    line.events([edit("It is open again", 1)])
    (renewed,) = line.flags[count:]
    assert (renewed["action"], renewed["claim"]["text"]) == ("update", "It is open again")
    assert renewed["claim"]["url"] == TOLD["url"]  # which the edit did not bring
    assert renewed["claim_version"] == line.scores["c"]["version"]
    line.events([edit("What I said", 2, id_="later")])
    assert len(line.flags) == count + 1


def test_an_edit_gives_words_to_a_root_that_had_none() -> None:
    line = flagging()
    line.events([replace(POSTED, said="")])
    assert "text" not in told(line)
    line.events([edit("The bridge is shut", 1)])
    assert told(line)["text"] == "The bridge is shut"


def test_a_delete_takes_the_words_away_and_the_next_post_becomes_the_root() -> None:
    line = flagging()
    next_ = replace(POSTED, source="ben", id="second", t=AT_MS + 1000, said=said("Bridge shut!"))
    line.events([POSTED, next_, Event("eve", "c", "answer", AT_MS + 2000)])
    assert told(line) == TOLD
    line.events([delete(POSTED)])
    assert (told(line)["author_id"], told(line)["text"]) == ("ben", "Bridge shut!")
    line.events([delete(next_)])
    assert told(line) == {}
    assert len(line.claims.data.words) == 0
    line.events([POSTED])  # for good
    assert len(line.claims.data.words) == 0


def test_a_delete_that_came_first_leaves_no_words() -> None:
    line = flagging()
    line.events([edit("It is open again", 1)])
    line.events([delete(POSTED)])
    updates = line.sources.corrections.updates
    assert updates.texts("said").of(updates.rows()) == [""]
    line.events([POSTED])
    assert len(line.claims.data.words) == 0


def test_few_posts_of_a_claim_are_kept_and_all_go_with_it() -> None:
    line = flagging()
    many = [replace(POSTED, source=f"s{i}", id=f"p{i}", t=AT_MS - i, said=said(f"words {i}")) for i in range(9)]
    line.events(many)
    assert line.claims.data.words["roots"][0] == ROOTS_KEPT
    assert told(line)["text"] == "words 8"
    assert difference(rebuilt(line.claims), line.claims) == 0
    line.now_ms += 40 * DAY_MS
    line.tick()
    line.tick()
    assert len(line.claims.data.claims) == len(line.claims.data.words) == 0


@pytest.mark.parametrize("words", ["{", "null", '["a"]', "[1, 2, 3]", '{"a": 1}'])
def test_words_that_no_intake_wrote_are_none(words: str) -> None:
    line = flagging()
    line.events([replace(POSTED, said=words)])
    assert told(line) == {name: TOLD[name] for name in ("event_id", "author_id", "posted_at_ms")}
