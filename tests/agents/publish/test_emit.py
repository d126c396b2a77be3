"""What a stage refuses leaves it as a dead letter that says where the record is."""

from __future__ import annotations

import orjson
import pytest
from aiokafka import ConsumerRecord

from streams.agents.publish.emit import CommunitiesEmitter, ParametersEmitter, StageEmitter
from streams.contract import metrics, topics
from streams.contract.settings import Settings
from streams.engine.replica import Applied
from streams.engine.stage import Emitter
from streams.scoring.effects import Effects
from streams.scoring.parameters.parameters_state import Learner
from streams.tables.blocks import Block


def test_a_parameter_that_is_no_number_is_in_the_dead_letters_and_the_stage_goes_on() -> None:
    settings = Settings()
    given = Block("params", "o/0", 1, {}, {"values": {"risk_slow": float("nan"), "flags_paused": 1.0}})
    step = Applied(7, 1_700_000_000_000, given, Learner().apply(given, 0))
    *versions, letter = ParametersEmitter(settings)(0, [step], [], lambda: 1)
    assert len(versions) == 2 * settings.partitions
    assert letter.topic == topics.DEAD_LETTERS.name(settings)
    assert letter.value is not None
    told = orjson.loads(letter.value)
    assert (told["code"], told["stage"], told["offset"]) == ("out_of_range", "parameters", 7)
    assert told["topic"] == topics.LESSONS.name(settings)
    assert "risk_slow" in told["detail"]


def test_a_ruling_that_was_held_in_vain_is_a_letter_about_the_record_that_held_it() -> None:
    settings = Settings()
    emit = StageEmitter(
        settings, "claims", topics.BY_CLAIM.name(settings), "c", topics.BY_SOURCE, "s", topics.CLAIM_SCORES
    )
    effects = Effects(outlived=[("r/3", 41, "unknown_claim", "ruling r1 of rater desk: no event of claim c came")])
    (letter,) = emit(1, [Applied(7, 1_700_000_000_000, Block("tick", "t/1", 5), effects)], [], lambda: 1)
    assert letter.value is not None
    told = orjson.loads(letter.value)
    assert (told["topic"], told["partition"], told["offset"]) == (topics.RULINGS.name(settings), 3, 41)
    assert (told["code"], told["stage"]) == ("unknown_claim", "claims")


SETTINGS = Settings()
SOURCES = StageEmitter(
    SETTINGS, "sources", topics.BY_SOURCE.name(SETTINGS), "s", topics.BY_CLAIM, "c", topics.SOURCE_SCORES
)


@pytest.mark.parametrize(
    ("stage", "topic", "emit"),
    [
        ("sources", topics.BY_SOURCE, SOURCES),
        ("parameters", topics.LESSONS, ParametersEmitter(SETTINGS)),
        ("communities", topics.PARTICIPATION, CommunitiesEmitter(SETTINGS)),
    ],
)
def test_what_no_stage_of_ours_wrote_is_a_letter_of_every_stage_and_counted(
    stage: str, topic: topics.Topic, emit: Emitter
) -> None:
    def counted() -> float:
        return metrics.REGISTRY.get_sample_value("credence_dead_letters_total", {"code": "foreign_record"}) or 0.0

    before = counted()
    strange = ConsumerRecord(topic.name(SETTINGS), 0, 9, 1_700_000_000_000, 1, b"k", b"hello", None, 1, 5, ())
    (letter,) = emit(0, [], [(strange, "no block")], lambda: 1)
    assert letter.value is not None
    told = orjson.loads(letter.value)
    assert (told["code"], told["stage"], told["detail"]) == ("foreign_record", stage, "no block")
    assert (told["topic"], told["offset"], told["raw_length"]) == (topic.name(SETTINGS), 9, 5)
    assert counted() == before + 1
