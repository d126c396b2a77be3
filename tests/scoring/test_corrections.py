"""What is taken back was never said, and what is edited was said that way, in whatever order it all arrives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.contract.codes import DELETE, UPDATE
from streams.ops.tally import Tally
from streams.tables.blocks import Block
from tests.scoring.builders import (
    DAY_MS,
    Event,
    Pipeline,
    Ruling,
    claim_view,
    event_lists,
    in_pieces,
    kernels,
)

HOUR_MS = 3_600_000
T0 = 1_600_000_000_000
PART_E = 3  # in PART_VALUES


class Held(Pipeline):
    """A pipeline in which a source's stamp is a function of its name alone."""

    def _apply(self, state: Any, block: Block) -> list[Block]:
        out = super()._apply(state, block)
        for sent in out:
            if sent.kind == "stamped":
                hold(sent)
        return out


def hold(block: Block) -> None:
    number = np.array([int(name[1:]) for name in block["s"]])
    weight = np.round(np.sin(number * 1.7) + 0.6, 3)
    block.columns |= {
        "w": weight, "v": np.round(weight * 0.7, 3), "z": np.ones(len(block), np.int64),
        "cl": np.where(number % 4 == 3, 99, 0).astype(np.uint64),
        "band": (number % 3).astype(np.int8), "known": (number % 3 > 0).astype(np.int8),
        "hist0": np.round(weight - 1, 3), "hist30": np.round(weight - 1.1, 3),
    }  # fmt: skip


def delete(event: Event, hours: float = 100) -> Event:
    return Event(event.source, "", event.id, T0 + int(hours * HOUR_MS), 0, DELETE)


def update(event: Event, hours: float, stance: int = 0, text: int | None = None) -> Event:
    brings = int(text is not None)
    return Event(event.source, "", event.id, T0 + int(hours * HOUR_MS), stance, UPDATE, "", text or 0, brings)


@st.composite
def corrected(draw: Any) -> tuple[list[Event], list[Event]]:
    """Events, some of them posts at a root; and deletes and updates, one of them perhaps of what nobody said."""
    events = [replace(e, root=int(e.kind == 0 and draw(st.booleans()))) for e in draw(event_lists())]
    changes = draw(
        st.lists(
            st.tuples(
                st.integers(0, len(events) - 1),
                st.sampled_from([DELETE, UPDATE, UPDATE]),
                st.integers(-1, 60),
                st.sampled_from([0, 1, 2, 3]),
                st.sampled_from([None, 0, 77, 79]),
            ),
            max_size=12,
        )
    )
    out = []
    for at, kind, hours, stance, text in changes:
        out.append(delete(events[at], hours) if kind == DELETE else update(events[at], hours, stance, text))
    strange = replace(delete(events[0]), source="u7x"[: 2 + draw(st.integers(0, 1))], id="never said")
    return events, [*out, *([strange] if draw(st.booleans()) and strange.source == "u7" else [])]


def as_it_reads(events: list[Event], changes: list[Event]) -> list[Event]:
    """The events as if they had been said as they read in the end."""
    out = []
    for event in events:
        own = [c for c in changes if (c.source, c.id) == (event.source, event.id)]
        if any(c.kind == DELETE for c in own):
            continue
        stances = sorted((c.t, c.stance) for c in own if c.stance)
        texts = sorted((c.t, c.text) for c in own if c.root)
        stance, text = (stances[-1][1] if stances else event.stance), (texts[-1][1] if texts else event.text)
        out.append(replace(event, stance=stance, text=text))
    return out


def standing(line: Pipeline) -> dict[str, Any]:
    """The order-free part of the claims that have an event, and of the participants that have one."""
    view = claim_view(line.claims)
    empty = {key for key, values in view.items() if values[0 if "/" not in key else PART_E] == 0}
    return {key: values for key, values in view.items() if key not in empty}


def counts(line: Pipeline) -> dict[str, tuple[int, int]]:
    table = line.sources.sources
    found = {str(s): (int(table["events"][row]), int(table["claims"][row])) for s, row in table.items()}
    return {source: numbers for source, numbers in found.items() if numbers != (0, 0)}


def scattered(items: list[Event], random: Any, cuts: list[int], line: Pipeline) -> Pipeline:
    order = list(items)
    random.shuffle(order)
    for piece in in_pieces(order, cuts):
        line.events(list(piece))
    return line


@settings(max_examples=250, deadline=None)
@given(corrected(), st.randoms(use_true_random=False), st.lists(st.integers(0, 60), max_size=6))
def test_in_any_order_and_however_often_the_claims_are_those_of_a_stream_that_was_right_at_once(
    said: tuple[list[Event], list[Event]], random: Any, cuts: list[int]
) -> None:
    events, changes = said
    right = Held()
    if clean := as_it_reads(events, changes):
        right.events(clean)
    again = [*events, *changes, *random.choices([*events, *changes], k=5)]
    line = scattered(again, random, cuts, Held())
    assert not line.dead
    assert standing(line) == standing(right)
    assert counts(line) == counts(right)
    live = [c for c in standing(right) if "/" not in c]
    for claim in live:
        assert kernels(line.claims)[claim] == pytest.approx(kernels(right.claims)[claim], rel=1e-9, abs=1e-12)
    if live:
        one, other = line.claims.read(live), right.claims.read(live)
        for name in ("score_z", "risk_z", "evidence"):
            assert one[name] == pytest.approx(other[name], rel=1e-9, abs=1e-9)
        assert np.abs(one["signals"] - other["signals"]).max() < 1e-9
    for claim in live:
        why = line.claims.explain(claim)
        told = [*why["contributions"], *why["score"]["reasons"], *why["risk"]["reasons"]]
        cited = {e for reason in told for e in reason["evidence_ids"]}
        assert cited <= {e.id for e in clean}


WORDS = ("post", "reshare", "reply", "reaction", "report", "follow", "delete", "update")
STANCES = (None, "support", "deny", "query", "comment")


def plainly(events: list[Event]) -> Tally:
    tally = Tally()
    for e in events:
        kind, stance = WORDS[e.kind], STANCES[e.stance]
        kind = kind if stance or e.kind else "reply"  # a post without stance would support
        record = {"id": e.id, "kind": kind, "source_id": e.source, "claim_id": e.claim, "stance": stance}
        record["occurred_at_ms"] = e.t
        tally.take(record, e.t)
    return tally


@settings(max_examples=150, deadline=None)
@given(
    corrected(),
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from([1, 2, 3]), st.integers(-1, 70)),
        max_size=3,
        unique_by=lambda r: r[0],
    ),
    st.randoms(use_true_random=False),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_a_plain_count_over_the_input_finds_the_same_numbers_verdicts_and_all(
    said: tuple[list[Event], list[Event]], ruled: list[tuple[int, int, int]], random: Any, cuts: list[int]
) -> None:
    events, changes = said
    rulings = [Ruling(f"c{claim}", verdict, T0 + hours * HOUR_MS) for claim, verdict, hours in ruled]
    line = Held()
    for ruling in rulings[::2]:
        line.rule(ruling)
    scattered([*events, *changes, *events[:3], *changes[:3]], random, cuts, line)
    for ruling in rulings[1::2]:
        line.rule(ruling)
    verdicts = {r.claim: (r.t, {1: 1, 2: -1}[r.verdict]) for r in rulings if r.verdict < 3}
    counted = plainly([*events, *changes]).count(verdicts)
    found = {c: v for c, v in claim_view(line.claims).items() if "/" not in c and v[0]}
    assert {c: tuple(v[:6]) for c, v in found.items()} == {c: n.numbers for c, n in counted.claims.items()}
    backwards = Held()
    backwards.events([*changes, *events][::-1])
    backwards.rule(*rulings)
    for source, own in counted.sources.items():
        assert line.source(source, "joined_false", "joined_true") == backwards.source(
            source, "joined_false", "joined_true"
        )
        assert line.source(source, "events", "claims", "right", "wrong") == [
            own.events, len(own.claims), own.right, own.wrong,
        ]  # fmt: skip


def test_what_a_verdict_credited_stays_settled_and_what_was_taken_back_before_it_earns_nothing() -> None:
    early, late = Event("early", "c", "1", T0), Event("late", "c", "1", T0)
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        line = Pipeline()
        steps = [
            lambda line=line: line.events([early, late, Event("third", "c", "1", T0)]),
            lambda line=line: line.events([delete(early, 1), delete(late, 3)]),
            lambda line=line: line.rule(Ruling("c", 2, T0 + 2 * HOUR_MS)),
        ]
        for step in order:
            steps[step]()
        assert line.source("early", "events", "right", "wrong", "joined_false") == [0, 0, 0, 0]
        assert line.source("late", "events", "right", "wrong", "joined_false") == [0, 0, 1, 1]
        assert line.claims.read(["c"])["participants"][0] == 1


def test_an_edit_after_the_verdict_moves_the_claim_and_earns_nothing() -> None:
    line = Pipeline()
    said = Event("a", "c", "1", T0)
    line.events([said, update(said, 1, stance=2)])
    line.rule(Ruling("c", 2, T0 + 2 * HOUR_MS))
    assert line.source("a", "right", "wrong") == [1, 0]
    line.events([update(said, 3, stance=1)])
    assert line.source("a", "right", "wrong") == [1, 0]
    assert (line.claims.read(["c"])["supports"][0], line.claims.read(["c"])["denies"][0]) == (1, 0)


def test_an_edit_of_the_text_keeps_the_stance_and_an_older_edit_changes_nothing() -> None:
    line = Pipeline()
    said = Event("a", "c", "1", T0, stance=2, text=77)
    line.events([said, update(said, 2, stance=3), update(said, 3, text=78), update(said, 1, stance=1, text=79)])
    parts = line.claims.data.parts
    assert (parts["stance"][0], parts["text"][0]) == (3, 78)


def test_a_delete_alone_begins_nothing_and_is_forgotten_after_a_day() -> None:
    line = Pipeline()
    ghost = Event("ghost", "c", "1", T0)
    line.events([delete(ghost)])
    assert len(line.sources.sources) == len(line.claims.data.claims) == 0
    assert not line.scores
    assert len(line.sources.corrections.corrected) == 1
    line.now_ms += 2 * DAY_MS
    line.tick()
    assert len(line.sources.corrections.corrected) == 0


def test_what_was_taken_back_is_taken_back_for_as_long_as_its_claim_is_known() -> None:
    line = Pipeline()
    said = Event("a", "c", "1", T0)
    line.events([said, update(said, 1, stance=2), delete(said, 2)])
    line.now_ms += 20 * DAY_MS
    line.events([said, delete(said, 2), Event("b", "c", "2", T0)])
    assert line.repeats == 2
    assert line.claims.read(["c"])["events"].tolist() == [1]
    line.now_ms += 40 * DAY_MS
    line.tick()
    line.tick()
    assert len(line.sources.corrections.corrected) == len(line.sources.corrections.updates) == 0
    assert len(line.claims.data.edits) == len(line.claims.data.parts) == 0


def test_a_delete_is_a_matter_of_its_source_and_takes_back_every_event_of_that_id() -> None:
    line = Pipeline()
    line.events([Event("a", "c", "1"), Event("b", "c", "1"), Event("a", "d", "0"), Event("a", "d", "1", stance=2)])
    line.events([replace(delete(Event("a", "c", "1")), claim="elsewhere")])
    read = line.claims.read(["c", "d"])
    assert (read["events"].tolist(), read["denies"].tolist()) == ([1, 1], [0, 0])
    assert line.source("a", "events", "claims") == [1, 1]


def test_a_claim_without_a_post_that_stands_loses_its_flag_and_gets_none_until_somebody_posts() -> None:
    line = Pipeline()
    for version, prior in ((1, 8.0), (2, 8.0)):
        line.params(version, risk_bias=prior, flag_z=0.0)
    root = Event("a", "c", "root", T0, kind=0, root=1)
    answers = [Event(f"u{i}", "c", f"e{i}", T0 + i, 0) for i in range(8)]
    line.events([root, *answers])
    assert [f["action"] for f in line.flags] == ["raise"]
    line.events([delete(root)])
    assert [(f["action"], f["retracted_because"]) for f in line.flags[1:]] == [("retract", "posts-gone")]
    line.events([Event("late", "c", "answer", T0 + 9, 0)])
    assert len(line.flags) == 2
    line.events([Event("b", "c", "again", T0 + 10, kind=0)])
    assert line.flags[2]["action"] == "raise"


def test_a_claim_of_which_everything_was_taken_back_says_so_and_stands_empty() -> None:
    line = Pipeline()
    root = Event("a", "c", "root", T0, kind=0, root=1)
    line.events([root, Event("b", "c", "1", T0 + 5)])
    line.events([delete(root), delete(Event("b", "c", "1"))])
    told = line.scores["c"]
    assert [told[name] for name in ("events", "participants", "supports", "denies", "score")] == [0, 0, 0, 0, 0.5]
    assert line.claims.explain("c")["contributions"] == []
    line.events([Event("d", "c", "2", T0 + 1)])
    read = line.claims.read(["c"])
    assert [read[name][0] for name in ("events", "first_event_ms", "last_event_ms")] == [1, T0 + 1, T0 + 1]
