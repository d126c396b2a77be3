"""What leaves each stage, by the stage's own wiring: each kind of effect as its records, keys, partitions and names."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from itertools import count
from typing import Any

import numpy as np
import orjson
import pytest
from aiokafka import ConsumerRecord

from streams.agents.publish import monitor
from streams.agents.publish.ruling_share import TopShare
from streams.contract import metrics, topics
from streams.contract.settings import Settings
from streams.contract.topics import Topic, partition_of
from streams.engine.journal import Outgoing, seal
from streams.engine.replica import Applied
from streams.scoring.effects import Effects
from streams.scoring.parameters.parameters_state import Learner
from streams.tables.block_wire import decode
from streams.tables.blocks import Block, make
from streams.worker.stages import STAGES, stage_specs

SETTINGS = Settings(namespace="test.", partitions=4)
SPECS = stage_specs(SETTINGS)
APPENDED_MS = 1_700_000_000_000
PARTITION = 2
EVERY = [stage.name for stage in STAGES]

IDS = [f"id{i}" for i in range(12)]
STAMP: dict[str, Any] = {
    "w": 0.5,
    "v": 0.5,
    "z": 1,
    "cl": 0,
    "band": 0,
    "hist0": 0,
    "hist30": 0,
    "known": 0,
}


def restamp(claims: list[str], source: str = "s", weight: float = 0.5) -> Block:
    n = len(claims)
    stamp = {name: [value] * n for name, value in (STAMP | {"w": weight}).items()}
    return make("restamp", "", 0, {"s": [source] * n, "c": claims, **stamp})


def corrections(claims: list[str]) -> Block:
    n = len(claims)
    numbers = {name: [1] * n for name in ("e", "kind", "x", "t", "g", "r")}
    return make("corrections", "", 0, {"s": ["s"] * n, "c": claims, "i": [""] * n, "said": [""] * n, **numbers})


def credits(sources: list[str]) -> Block:
    n = len(sources)
    numbers = {name: [1] * n for name in ("ver", "y", "stance", "q", "f", "t")}
    return make("credits", "", 0, {"s": sources, "c": ["c"] * n, **numbers})


def assign(sources: list[str], cluster: int = 7) -> Block:
    return make("assign", "", 0, {"s": sources, "cl": [cluster] * len(sources)})


def lessons(claim: str) -> Block:
    numbers = {name: [1] for name in ("h", "f", "t", "n", "L", "A", "al", "w")}
    return make("lessons", "", 0, {"c": [claim], "sig": [[]], "rw": [[]], **numbers})


def joined(source: str) -> Block:
    return make("joined", "", 0, {"s": [source], "c": ["c"], "t": [1], "x": [1], "m": [""]})


def settled(claim: str) -> Block:
    return make("settled", "", 0, {"c": [claim], "f": [1], "t": [1]})


def step(effects: Effects, block: Block | None = None, offset: int = 7) -> Applied:
    return Applied(offset, APPENDED_MS, Block("tick", "t/2", 5) if block is None else block, effects)


def emitted(stage: str, *steps: Applied, rejected: tuple[tuple[ConsumerRecord, str], ...] = ()) -> list[Outgoing]:
    """What leaves partition 2 of the stage; the next origin is 41."""
    return SPECS[stage].emit(PARTITION, steps, rejected, count(41).__next__)


def on(topic: Topic, outgoing: list[Outgoing]) -> list[Outgoing]:
    return [record for record in outgoing if record.topic == topic.name(SETTINGS)]


def blocks(outgoing: list[Outgoing]) -> list[tuple[int, Block]]:
    """(partition, block) as they are sent; loose ones are sealed first."""
    return [(record.partition, decode(record.value)) for record in seal(outgoing)]


def values(outgoing: list[Outgoing]) -> list[dict[str, Any]]:
    return [orjson.loads(record.value or b"") for record in outgoing]


def counted(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


# --- blocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "target", "column", "up", "of"),
    [
        ("sources", topics.BY_CLAIM, "c", "s/2", restamp),
        ("claims", topics.BY_SOURCE, "s", "c/2", credits),
        ("communities", topics.BY_SOURCE, "s", "g/2", assign),
    ],
)
def test_rows_go_to_the_partition_that_owns_their_key_under_one_origin(
    stage: str, target: Topic, column: str, up: str, of: Callable[[list[str]], Block]
) -> None:
    outgoing = emitted(stage, step(Effects(blocks=[of(IDS[:5])])), step(Effects(blocks=[of(IDS[5:])])))
    assert on(target, outgoing) == outgoing
    assert {(record.key, record.loose) for record in outgoing} == {(None, True)}
    sent = blocks(outgoing)
    assert [(partition, block.up, block.origin) for partition, block in sent] == [(p, up, 41) for p in range(4)]
    assert {p: list(block[column]) for p, block in sent} == {
        p: [i for i in IDS if partition_of(i, 4) == p] for p in range(4)
    }


def test_a_partition_that_owns_no_row_gets_nothing_and_empty_blocks_take_no_origin() -> None:
    outgoing = emitted("claims", step(Effects(blocks=[credits([])])), step(Effects(blocks=[credits(["id0"])])))
    ((partition, block),) = blocks(outgoing)
    assert (partition, block.origin, len(block)) == (partition_of("id0", 4), 41, 1)


def test_kinds_leave_in_their_order_each_under_the_next_origin_and_of_new_stamps_the_last_is_sent() -> None:
    first, second = restamp(["c1", "c1", "c2"], weight=0.1), restamp(["c1"], weight=0.9)
    outgoing = emitted("sources", step(Effects(blocks=[first, corrections(["c1"])])), step(Effects(blocks=[second])))
    sent = [block for _, block in blocks(outgoing)]
    assert {(block.kind, block.origin) for block in sent} == {("corrections", 41), ("restamp", 42)}
    assert sent[0].kind == "corrections"
    stamps = {claim: w for b in sent if b.kind == "restamp" for claim, w in zip(b["c"], b["w"].tolist(), strict=True)}
    assert stamps == {"c1": 0.9, "c2": 0.1}
    assert sum(len(block) for block in sent if block.kind == "restamp") == 2


def test_each_version_of_the_parameters_goes_whole_to_every_partition_that_uses_them() -> None:
    versions = [Block("params", "", 0, {}, {"version": v, "values": {"mu": 0.5}}) for v in (1, 2)]
    outgoing = emitted("parameters", step(Effects(blocks=versions)))
    assert {(record.key, record.loose) for record in outgoing} == {(None, False)}
    for topic in (topics.BY_SOURCE, topics.BY_CLAIM):
        sent = blocks(on(topic, outgoing))
        assert [(p, b.up, b.origin, b.meta["version"]) for p, b in sent] == [
            (p, "p/2", 40 + v, v) for v in (1, 2) for p in range(4)
        ]


@pytest.mark.parametrize(("stage", "up"), [("sources", "s/2"), ("claims", "c/2")])
def test_lessons_and_participation_go_to_the_one_partition_of_theirs(stage: str, up: str) -> None:
    one = Effects(lessons=[lessons("c1")], participation=[settled("c1"), joined("a")])
    two = Effects(lessons=[lessons("c2")], participation=[joined("b"), settled("c2")])
    outgoing = emitted(stage, step(one), step(two))
    assert {(record.key, record.partition, record.loose) for record in outgoing} == {(None, 0, False)}
    taught = [block for _, block in blocks(on(topics.LESSONS, outgoing))]
    assert [(b.kind, b.up, b.origin, list(b["c"])) for b in taught] == [
        ("lessons", up, 41, ["c1"]), ("lessons", up, 42, ["c2"]),
    ]  # fmt: skip
    joining, settling = (block for _, block in blocks(on(topics.PARTICIPATION, outgoing)))
    assert (joining.kind, joining.up, joining.origin, list(joining["s"])) == ("joined", up, 43, ["a", "b"])
    assert (settling.kind, settling.up, settling.origin, list(settling["c"])) == ("settled", up, 44, ["c1", "c2"])


def test_clusters_that_sources_are_told_are_counted() -> None:
    before = [counted("credence_assignments_total", cluster=cluster) for cluster in ("joined", "left")]
    emitted("communities", step(Effects(blocks=[assign(["a", "b"]), assign(["c"], cluster=0)])))
    after = [counted("credence_assignments_total", cluster=cluster) for cluster in ("joined", "left")]
    assert np.subtract(after, before).tolist() == [2, 1]


# --- scores and flags ------------------------------------------------------------------------------------------------

SCORES: dict[str, tuple[Topic, dict[str, Any]]] = {
    "sources": (topics.SOURCE_SCORES, {"credibility": 0.5, "right": 0, "wrong": 0}),
    "claims": (topics.CLAIM_SCORES, {"score": 0.5, "enough_evidence": True}),
    "communities": (topics.COMMUNITIES, {"enough_evidence": True, **dict.fromkeys(metrics.VITAL_SIGNS, 0.5)}),
}


@pytest.mark.parametrize("stage", SCORES)
def test_of_several_scores_of_a_key_the_last_is_sent_on_the_stages_own_partition(stage: str) -> None:
    topic, record = SCORES[stage]
    one = Effects(scores={"a": record | {"version": 1}, "b": record | {"version": 1}})
    two = Effects(scores={"a": record | {"version": 2}})
    outgoing = emitted(stage, step(one), step(two, offset=8))
    assert on(topic, outgoing) == outgoing
    assert {(record.partition, record.loose) for record in outgoing} == {(PARTITION, False)}
    sent = {record.key: value["version"] for record, value in zip(outgoing, values(outgoing), strict=True)}
    assert sent == {b"a": 2, b"b": 1}
    assert len(outgoing) == 2


def test_a_stage_that_has_nothing_to_say_sends_nothing() -> None:
    for stage in EVERY:
        assert emitted(stage, step(Effects())) == []


def test_every_flag_is_sent_under_its_claim_with_the_log_record_that_moved_it() -> None:
    flag = {"action": "update", "severity": "low", "subject": {"type": "claim", "id": "c1"}, "event_time_ms": 5}
    one, two = Effects(flags=[flag | {"revision": 1}]), Effects(flags=[flag | {"revision": 2}])
    outgoing = on(topics.FLAGS, emitted("claims", step(one), step(two, offset=8)))
    assert [(record.partition, record.key) for record in outgoing] == [(PARTITION, b"c1")] * 2
    assert [(flag["revision"], flag["trace_id"]) for flag in values(outgoing)] == [
        (1, "test.trust.by-claim.v1/2/7"), (2, "test.trust.by-claim.v1/2/8"),
    ]  # fmt: skip


# --- letters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["sources", "claims"])
@pytest.mark.parametrize(("kind", "topic"), [("e", topics.EVENTS), ("r", topics.RULINGS)])
def test_a_row_that_is_refused_is_a_letter_about_the_record_of_the_input_that_held_it(
    stage: str, kind: str, topic: Topic
) -> None:
    block = Block("events", f"{kind}/3@1f3c9a2e", np.array([90, 95]))
    before = counted("credence_dead_letters_total", stage=stage, code="id_conflict")
    (record,) = emitted(stage, step(Effects(dead=[(1, "id_conflict", "it came before")]), block))
    (letter,) = values([record])
    assert (record.topic, record.partition) == (topics.DEAD_LETTERS.name(SETTINGS), PARTITION)
    assert record.key == f"{topic.name(SETTINGS)}/3/95@1f3c9a2e".encode()
    assert letter == {
        "v": 1, "code": "id_conflict", "detail": "it came before", "topic": topic.name(SETTINGS), "partition": 3,
        "offset": 95, "topic_id": "1f3c9a2e", "append_ms": APPENDED_MS, "stage": stage,
    }  # fmt: skip
    assert counted("credence_dead_letters_total", stage=stage, code="id_conflict") == before + 1


@pytest.mark.parametrize("stage", EVERY)
def test_what_is_refused_of_another_stages_block_is_a_letter_about_that_log_record_and_a_warning(
    stage: str, caplog: pytest.LogCaptureFixture
) -> None:
    block = Block("params", "p/0", 9, {}, {"version": 1, "values": {}})
    with caplog.at_level(logging.WARNING):
        (record,) = emitted(stage, step(Effects(dead=[(0, "out_of_range", "mu is nan")]), block))
    (letter,) = values([record])
    topic = SPECS[stage].input_topic
    assert (letter["topic"], letter["partition"], letter["offset"]) == (topic, PARTITION, 7)
    assert record.key == f"{topic}/2/7".encode()
    assert (letter["code"], letter["stage"]) == ("out_of_range", stage)
    assert f"{stage}: mu is nan" in caplog.text


def test_a_ruling_that_was_held_in_vain_is_a_letter_about_the_record_that_held_it() -> None:
    effects = Effects(outlived=[("r/3", 41, "unknown_claim", "ruling r1 of rater desk: no event of claim c came")])
    (letter,) = values(emitted("claims", step(effects)))
    assert (letter["topic"], letter["partition"], letter["offset"]) == (topics.RULINGS.name(SETTINGS), 3, 41)
    assert (letter["code"], letter["stage"]) == ("unknown_claim", "claims")


def test_a_parameter_that_is_no_number_is_in_the_dead_letters_and_the_stage_goes_on() -> None:
    given = Block("params", "o/0", 1, {}, {"values": {"risk_slow": float("nan"), "flags_paused": 1.0}})
    *versions, letter = emitted("parameters", Applied(7, APPENDED_MS, given, Learner().apply(given, 0)))
    assert len(versions) == 2 * SETTINGS.partitions
    (told,) = values([letter])
    assert (told["code"], told["stage"], told["offset"]) == ("out_of_range", "parameters", 7)
    assert "risk_slow" in told["detail"]


@pytest.mark.parametrize("stage", EVERY)
def test_what_no_stage_of_ours_wrote_is_a_letter_of_every_stage_with_its_bytes_and_counted(stage: str) -> None:
    topic = SPECS[stage].input_topic
    before = counted("credence_dead_letters_total", stage=stage, code="foreign_record")
    strange = ConsumerRecord(topic, PARTITION, 9, APPENDED_MS, 1, b"k", b"hello", None, 1, 5, ())
    (record,) = emitted(stage, rejected=((strange, "no block"),))
    (letter,) = values([record])
    assert record.key == f"{topic}/2/9".encode()
    assert (letter["code"], letter["stage"], letter["detail"]) == ("foreign_record", stage, "no block")
    assert (letter["topic"], letter["offset"], letter["raw_length"], letter["key_length"]) == (topic, 9, 5, 1)
    assert counted("credence_dead_letters_total", stage=stage, code="foreign_record") == before + 1


# --- counts ----------------------------------------------------------------------------------------------------------


def test_repeats_and_fates_of_rulings_are_counted() -> None:
    names = (("credence_repeats_total", {"stage": "claims"}), ("credence_rulings_total", {"fate": "held"}))
    before = [counted(name, **labels) for name, labels in names]
    emitted("claims", step(Effects(repeats=3, rulings=Counter(held=2))))
    assert np.subtract([counted(name, **labels) for name, labels in names], before).tolist() == [3, 2]


def test_raters_and_outcomes_are_counted_and_nothing_of_them_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for window in ("_RATERS", "_COMMUNITIES"):  # what other tests heard may have filled them
        monkeypatch.setattr(monitor, window, TopShare())
    false = "credence_settled_false_total"
    before = counted(false, risk="0.8-1.0")
    ruling = Block("rulings", "r/0", 1, {"rater": ["desk"]})
    assert emitted("claims", step(Effects(ruled_in=["north"]), ruling)) == []
    assert emitted("parameters", step(Effects(settled=[(0.9, True)]))) == []
    assert (counted("credence_ruling_window_rulings"), counted(false, risk="0.8-1.0")) == (1, before + 1)


def test_blocks_that_stem_from_input_say_when_it_came_into_kafka() -> None:
    stamped = step(Effects(blocks=[restamp(["c1"])]), Block("credits", "c/0", 5, {}, {"arrived_ms": 1234}))
    ((_, dated),) = blocks(emitted("sources", stamped))
    ((_, undated),) = blocks(emitted("sources", step(Effects(blocks=[restamp(["c1"])]))))
    assert (dated.meta, undated.meta) == ({"arrived_ms": 1234}, {})


def test_flags_for_no_queue_go_to_a_topic_of_their_own_and_are_counted_by_rule() -> None:
    held = {"flag_id": "f", "subject": {"id": "c1"}, "rule_id": "risk-cascade/1", "action": "hold"}
    before = counted("credence_shadow_flags_total", rule="risk-cascade", action="hold")
    outgoing = emitted("claims", step(Effects(shadow=[held])))
    assert on(topics.FLAGS, outgoing) == []
    (record,) = on(topics.SHADOW_FLAGS, outgoing)
    assert orjson.loads(record.value) == held | {"trace_id": "test.trust.by-claim.v1/2/7"}
    assert counted("credence_shadow_flags_total", rule="risk-cascade", action="hold") == before + 1


def test_every_effect_has_a_test_here() -> None:
    # An effect that is added to Effects is to be sent by the emitter, and tested above.
    assert {field.name for field in fields(Effects)} == {
        "blocks", "scores", "flags", "dead", "outlived", "rulings", "next_cursor", "repeats", "lessons",
        "participation", "ruled_in", "settled", "shadow",
    }  # fmt: skip


def test_stages_are_named_as_the_contract_names_the_readers_of_their_topics() -> None:
    assert [(stage.reads, stage.name) for stage in STAGES] == [(topic, topic.reader) for topic in topics.BETWEEN]
