"""Whatever the cleaner leaves of a changelog, reading it in order gives the state that was written."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.engine.journal import Entry, Journal, Outgoing
from streams.engine.replica import Fence
from streams.tables import table as columns
from streams.tables.table import Table

FIELDS = {"n": "i8", "w": "f8", "name": "text"}


def tables() -> tuple[Table, Table]:
    return Table("one", FIELDS), Table("two", {"b": "i1"}, integers=True)


def compacted(log: list[Entry], dirty_from: int) -> list[Entry]:
    """The log as a cleaner leaves it that has reached `dirty_from`: the last value of a key, tombstones gone."""
    last = {key: i for i, (key, _) in enumerate(log)}
    return [e for i, e in enumerate(log) if i >= dirty_from or (last[e[0]] == i and e[1] is not None)]


def recover(log: list[Entry]) -> tuple[tuple[Table, Table], Fence | None, list[Outgoing]]:
    state = tables()
    journal = Journal(state)
    fence = None
    for key, value in log:
        fence = journal.read(key, value) or fence
    journal.recovered()
    return state, fence, journal.outbox


def entry(journal: Journal, fence: Fence, outbox: list[Outgoing]) -> list[Entry]:
    return [*(change.seal() for change in journal.changes()), journal.fence(fence, outbox)]


def mutate(state: tuple[Table, Table], rng: random.Random) -> None:
    one, two = state
    keys = [f"k{rng.randrange(40)}" for _ in range(rng.randrange(1, 9))]
    at, _ = one.ensure(keys)
    one["n"][at] += 1
    one["w"][at] = rng.random()
    for row in at.tolist():
        one.texts("name")[row] = str(rng.random())
    one.touch(at)
    other, _ = two.ensure([rng.randrange(30) for _ in range(3)])
    two["b"][other] = rng.randrange(100)
    two.touch(other)
    if rng.random() < 0.3:
        one.free(np.unique(at)[:2])


@given(st.integers(0, 10_000), st.integers(1, 60))
@settings(max_examples=60)
def test_recovery_from_a_compacted_log_gives_the_state(seed: int, batches: int) -> None:
    rng = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "SEGMENT_ROWS", 8)
        state = tables()
        journal = Journal(state, slack_bytes=200)
        log: list[Entry] = []
        for number in range(batches):
            mutate(state, rng)
            log += entry(journal, Fence(offset=number), [Outgoing("t", number, b"k", None)])
        found, fence, outbox = recover(compacted(log, rng.randrange(len(log) + 1)))
    assert [a.difference(b) for a, b in zip(state, found, strict=True)] == [0.0, 0.0]
    assert fence == Fence(offset=batches - 1)
    assert outbox == [Outgoing("t", batches - 1, b"k", None)]


def test_old_deltas_get_tombstones_so_that_the_log_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "SEGMENT_ROWS", 8)
    rng = random.Random(1)
    state = tables()
    journal = Journal(state, slack_bytes=200)
    log: list[Entry] = []
    for number in range(400):
        mutate(state, rng)
        log += entry(journal, Fence(offset=number), [])
    deltas = [key for key, _ in compacted(log, len(log)) if key.startswith(b"dz/")]
    assert len(deltas) < 60


def test_a_recovered_table_gives_new_keys_the_rows_that_the_original_would() -> None:
    one = Table("one", FIELDS)
    one.ensure(["a", "b", "c", "d"])
    one.free(np.array([2, 0]))
    twin = Table("one", FIELDS)
    twin.apply(one.segment(0))
    twin.recovered()
    assert one.ensure(["x", "y", "z"])[0].tolist() == twin.ensure(["x", "y", "z"])[0].tolist()


def test_an_entry_without_changes_holds_the_fence_alone() -> None:
    state = tables()
    journal = Journal(state)
    mutate(state, random.Random(3))
    entry(journal, Fence(), [])
    assert [key for key, _ in entry(journal, Fence(offset=4), [])] == [b"f"]


def test_an_outbox_comes_back_as_it_was_whatever_its_records_have() -> None:
    records = [
        Outgoing("a", 0, b"k", b"v"),
        Outgoing("a", 0, b"", b""),
        Outgoing("a", 1, None, b"v"),
        Outgoing("b", 1, b"k", None),
        Outgoing("a", 0, b"k", b"w"),
        Outgoing("a", 0, None, None),
    ]
    journal = Journal([])
    key, value = journal.fence(Fence(3), records)
    assert journal.read(key, value) == Fence(3)
    assert journal.outbox == records
