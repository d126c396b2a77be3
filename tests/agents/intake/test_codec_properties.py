"""Whatever the bytes: the decoder never raises, loses nothing, and agrees with a plain reading of the schema."""

from __future__ import annotations

import random
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from load_tests.hostile import EVENT_MENDS, good_event, good_ruling, mutated
from streams.agents.intake.careful import Limits
from streams.agents.intake.events import decode_events
from streams.agents.intake.rulings import decode_rulings
from streams.agents.publish.letters import of_reject
from streams.tables import block_wire
from tests.agents.intake.fetched import EVENT, NOW_MS, RULING, fetched
from tests.agents.intake.hostile_inputs import events, run
from tests.agents.intake.reference_codec import reference_row

LIMITS = Limits()

seeds = st.integers(0, 2**32)
keys = st.one_of(st.none(), st.binary(max_size=4))


def check(value: bytes | None, key: bytes | None) -> None:
    block, rejects = decode_events([fetched(value, offset=5, key=key)], 3, LIMITS)
    expected = reference_row(value, key, NOW_MS)
    assert len(block) + len(rejects) == 1
    if expected is None:
        assert rejects, f"taken, but the reference refuses it: {value!r}"
        orjson.dumps(of_reject(rejects[0], "social.events.v1", 3, "intake"))
    else:
        assert not rejects, f"{rejects[0].code} {rejects[0].detail}, but the reference takes it: {value!r}"
        assert {name: block[name][0] for name in expected} == expected
        assert block_wire.encode(block_wire.decode(block_wire.encode(block))) == block_wire.encode(block)


@given(st.binary(max_size=300), keys)
def test_any_bytes_are_a_row_or_a_reject(value: bytes, key: bytes | None) -> None:
    check(value, key)


@settings(max_examples=400)
@given(events, keys)
def test_any_object_is_read_as_the_reference_reads_it(event: dict[str, Any], key: bytes | None) -> None:
    check(orjson.dumps(event), key)


@settings(max_examples=400)
@given(seeds)
def test_any_mutation_of_a_good_event_is_read_as_the_reference_reads_it(seed: int) -> None:
    rng = random.Random(seed)
    check(mutated(rng, orjson.dumps(good_event(rng, NOW_MS))), None)


@settings(max_examples=400)
@given(st.sampled_from(sorted(EVENT_MENDS)), seeds)
def test_what_is_mended_is_read_as_the_reference_reads_it(name: str, seed: int) -> None:
    rng = random.Random(seed)
    value = EVENT_MENDS[name](rng, NOW_MS)[1]
    check(value, None)
    check(mutated(rng, value), None)


@settings(max_examples=50)
@given(st.lists(st.one_of(st.binary(max_size=20), events.map(orjson.dumps)), max_size=30))
def test_a_record_is_read_the_same_in_any_company(batch: list[bytes]) -> None:
    records = [fetched(value, offset=offset) for offset, value in enumerate(batch)]
    block, rejects = decode_events(records, 3, LIMITS)
    alone = [decode_events([record], 3, LIMITS) for record in records]
    assert [(r.record.offset, r.code) for r in rejects] == [(r.record.offset, r.code) for _, rs in alone for r in rs]
    assert block.origin.tolist() == [o for b, _ in alone for o in b.origin.tolist()]
    for name, column in block.columns.items():
        assert list(column) == [cell for b, _ in alone for cell in b[name]]


@settings(max_examples=300)
@given(seeds)
def test_any_mutation_of_a_ruling_is_a_row_or_a_reject(seed: int) -> None:
    rng = random.Random(seed)
    value = orjson.dumps(good_ruling(rng, NOW_MS))
    block, rejects = decode_rulings([fetched(mutated(rng, value)), fetched(value, offset=1)], 0, LIMITS)
    assert len(block) + len(rejects) == 2
    assert block.origin.tolist()[-1] == 1


def test_the_examples_of_these_tests_are_valid() -> None:
    assert reference_row(orjson.dumps(EVENT), None, NOW_MS) is not None
    assert not decode_rulings([fetched(RULING)], 0, LIMITS)[1]


def test_thousands_of_hostile_inputs_are_each_what_they_must_become() -> None:
    """`python -m tests.agents.intake.hostile_inputs` does the same with a million."""
    tally = run(20_000, 3)
    assert tally.faults == []
    assert tally.rows.total() + tally.letters.total() == tally.inputs.total() == 20_000
    assert len(tally.letters) > 15
    assert len(tally.mended) == 4
