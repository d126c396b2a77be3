"""What the log of a partition means. The live stage and `verify` replay it by the same code.

The state of a partition is a function of its log alone. A `Replica` applies log records in offset order, skips those
that its fence has seen, and yields the effects of each. It does no IO and reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import orjson

from streams.tables.blocks import Block

if TYPE_CHECKING:  # it brings the compiler, which a reader of blocks does without
    from streams.tables.table import Table


class Effects(Protocol):
    """All that the engine must know of a core's effects: whether the log record needs another step."""

    @property
    def next_cursor(self) -> int | None: ...


EffectsT = TypeVar("EffectsT", bound=Effects)
EffectsT_co = TypeVar("EffectsT_co", bound=Effects, covariant=True)


class Core(Protocol[EffectsT_co]):
    """State of one partition of a stage, and what a log record does to it.

    `apply` is a deterministic function of the state, the block and its arguments. When the effects carry a
    `next_cursor`, `apply` is called again with the same block and that cursor before any later record.
    """

    @property
    def tables(self) -> Sequence[Table]: ...

    def apply(self, block: Block, append_ms: int, cursor: int = 0) -> EffectsT_co: ...


@dataclass(slots=True)
class Fence:
    """How far a partition's log has been applied.

    Attributes:
        offset: last log offset applied in full; −1 before the first.
        cursor: step at which the record after `offset` continues; 0 if it has not begun.
        seen: upstream partition → last origin applied.
        sent: sequence of the last block sent to later stages.
    """

    offset: int = -1
    cursor: int = 0
    seen: dict[str, int] = field(default_factory=dict)
    sent: int = 0

    def encode(self) -> bytes:
        """As JSON."""
        return orjson.dumps({"offset": self.offset, "cursor": self.cursor, "seen": self.seen, "sent": self.sent})

    @staticmethod
    def decode(data: bytes) -> Fence:
        """Inverse of `encode`."""
        return Fence(**orjson.loads(data))


@dataclass(slots=True, frozen=True)
class Applied(Generic[EffectsT_co]):
    """One step of one log record: the rows that were new, and what they did."""

    offset: int
    append_ms: int
    block: Block
    effects: EffectsT_co


class Replica(Generic[EffectsT]):
    """The state of a partition and its fence."""

    def __init__(self, core: Core[EffectsT]) -> None:
        self.core = core
        self.fence = Fence()

    def step(self, offset: int, append_ms: int, block: Block | None) -> Iterator[Applied[EffectsT]]:
        """Apply one log record, step by step. The fence is moved before each step is yielded.

        Args:
            offset: offset of the record. At or below the fence, the record is skipped.
            append_ms: the broker's append time of the record, ms since the epoch.
            block: its rows. None, for a record that is no block, only moves the fence.
        """
        fence = self.fence
        if offset <= fence.offset:
            return
        new = None if block is None else block.after(fence.seen.get(block.up, -1))
        if new is None:
            fence.offset, fence.cursor = offset, 0
            return
        cursor: int | None = fence.cursor
        while cursor is not None:
            effects = self.core.apply(new, append_ms, cursor)
            cursor = effects.next_cursor
            if cursor is None:
                fence.offset, fence.cursor = offset, 0
                fence.seen[new.up] = new.last_origin()
            else:
                fence.cursor = cursor
            yield Applied(offset, append_ms, new, effects)

    def skip(self, offset: int) -> bool:
        """Move the fence past offsets that hold no record, up to this one; whether it moved."""
        moved = offset > self.fence.offset
        if moved:
            self.fence.offset, self.fence.cursor = offset, 0
        return moved
