"""How blocks reach what takes them in: each core says once, at the method, which kind of block the method reads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, TypeVar

from streams.scoring.census import Census
from streams.scoring.config import ScoringConfig
from streams.scoring.effects import Effects
from streams.tables.blocks import COLUMNS, Block
from streams.tables.table import Table

Handler = TypeVar("Handler", bound=Callable[[Any, Block, int, Effects], None])


def reads(kind: str) -> Callable[[Handler], Handler]:
    """Say that a method of a core takes in the blocks of this kind (a key of COLUMNS): (block, cursor, effects)."""

    def marked(handler: Handler) -> Handler:
        handler.__dict__["reads"] = kind
        return handler

    return marked


class BlockCore:
    """What every core has: each kind of block that it reads has one method, marked `reads`, that takes it in.

    Args:
        config: constants of scoring; the defaults unless given.
        partition: whose state it is.

    Attributes:
        KINDS: the kinds of blocks that this core reads.
        tables: its whole state, in storage order.
    """

    KINDS: ClassVar[frozenset[str]] = frozenset()
    _handlers: ClassVar[dict[str, str]] = {}  # kind → name of the method
    tables: Sequence[Table]

    def __init__(self, config: ScoringConfig | None = None, partition: int = 0) -> None:
        self.config = config or ScoringConfig()
        self.partition = partition

    def __init_subclass__(cls) -> None:
        methods = [each for base in reversed(cls.__mro__) for each in vars(base).items()]
        cls._handlers = {method.reads: name for name, method in methods if hasattr(method, "reads")}
        if strange := cls._handlers.keys() - COLUMNS.keys():
            raise ValueError(f"no kinds of blocks: {', '.join(sorted(strange))}")
        cls.KINDS = frozenset(cls._handlers)

    def apply(self, block: Block, append_ms: int, cursor: int = 0) -> Effects:
        """Fold one log record; a function of state, record and append time alone. KeyError for a kind not read."""
        handler = getattr(self, self._handlers[block.kind])
        effects = Effects()
        self.begin(append_ms, effects)
        if len(block) or not COLUMNS[block.kind]:
            handler(block, cursor, effects)
        self.end(effects)
        return effects

    def steps(self, block: Block, append_ms: int) -> Iterator[Effects]:
        """Fold one log record whole; the effects of each step that it takes."""
        cursor: int | None = 0
        while cursor is not None:
            effects = self.apply(block, append_ms, cursor)
            cursor = effects.next_cursor
            yield effects

    def census(self) -> Census:
        """What this partition holds now, for those who watch."""
        return Census()

    def begin(self, append_ms: int, effects: Effects) -> None:
        """A log record, or a step of it, starts."""

    def end(self, effects: Effects) -> None:
        """A log record, or a step of it, was taken in: what is due now."""

    @reads("tick")
    def _pass_time(self, block: Block, cursor: int, effects: Effects) -> None:
        """Time passes in the log. Most cores do not wait for it."""


def follow(
    first: Block, now_ms: int, readers: Callable[[str], Iterable[BlockCore]]
) -> Iterator[tuple[BlockCore, Effects]]:
    """Apply a block, and everything that follows from it, in the order in which it was sent: stages without a broker.

    Args:
        now_ms: append time of all of it.
        readers: the cores that read a kind of block.
    """
    waiting = deque([first])
    while waiting:
        block = waiting.popleft()
        for core in readers(block.kind):
            for effects in core.steps(block, now_ms):
                waiting.extend((*effects.blocks, *effects.lessons, *effects.participation))
                yield core, effects
