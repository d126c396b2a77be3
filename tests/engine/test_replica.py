"""A replica applies every row of its log exactly once, whatever is repeated in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.engine.replica import Fence, Replica
from streams.tables.block_wire import decode, encode
from streams.tables.blocks import Block
from tests.engine.toy import Counter, rows


def replay(records: list[Block | None]) -> Replica:
    replica = Replica(Counter())
    for offset, block in enumerate(records):
        for _ in replica.step(offset, 0, block):
            pass
    return replica


def counts(replica: Replica) -> dict[str, int]:
    table = replica.core.tables[0]
    return {str(key): int(table["n"][row]) for key, row in table.items()}


def test_rows_at_or_below_the_origin_already_seen_are_dropped() -> None:
    replica = replay([rows("e/0", [0, 1, 2]), rows("e/0", [1, 2, 3])])
    assert sum(counts(replica).values()) == 4


def test_the_same_origin_of_another_upstream_is_not_a_repeat() -> None:
    replica = replay([rows("e/0", [0, 1]), rows("e/1", [0, 1])])
    assert sum(counts(replica).values()) == 4


def test_a_record_that_is_no_block_moves_the_fence_and_nothing_else() -> None:
    replica = replay([rows("e/0", [0]), None])
    assert replica.fence.offset == 1
    assert sum(counts(replica).values()) == 1


def test_a_record_at_or_below_the_fence_is_skipped() -> None:
    replica = replay([rows("e/0", [0])])
    assert list(replica.step(0, 0, rows("e/9", [0]))) == []


def test_a_record_in_steps_keeps_its_cursor_until_the_last_step() -> None:
    replica = Replica(Counter())
    fences = [
        (replica.fence.offset, replica.fence.cursor, dict(replica.fence.seen))
        for _ in replica.step(0, 0, rows("e/0", range(8), steps=4))
    ]
    assert fences == [(-1, 1, {}), (-1, 2, {}), (-1, 3, {}), (0, 0, {"e/0": 7})]


def test_a_record_in_steps_continues_at_the_cursor_of_the_fence() -> None:
    whole = replay([rows("e/0", range(8), steps=4)])
    broken = Replica(Counter())
    steps = broken.step(0, 0, rows("e/0", range(8), steps=4))
    next(steps), next(steps)
    resumed = Replica(broken.core)
    resumed.fence = Fence.decode(broken.fence.encode())
    for _ in resumed.step(0, 0, rows("e/0", range(8), steps=4)):
        pass
    assert counts(resumed) == counts(whole)
    assert resumed.fence == whole.fence


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.data())
def test_cutting_the_rows_into_other_blocks_with_repeats_changes_nothing(sizes: list[int], data: st.DataObject) -> None:
    total = sum(sizes)
    once = replay([rows("e/0", range(total))])
    blocks, at = [], 0
    for size in sizes:
        back = data.draw(st.integers(0, at))
        blocks.append(decode(encode(rows("e/0", range(back, at + size)))))
        at += size
    assert counts(replay(blocks)) == counts(once)
