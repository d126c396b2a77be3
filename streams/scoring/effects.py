"""What applying a log record asks the engine to do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TypeAlias

from streams.contract.record_dicts import ClaimScoreDict, CommunityDict, FlagDict, SourceScoreDict
from streams.tables.blocks import Block

ScoreDict: TypeAlias = ClaimScoreDict | SourceScoreDict | CommunityDict


@dataclass(slots=True)
class Effects:
    """Everything that leaves a stage because of one log record.

    Attributes:
        blocks: rows for other stages; the engine fills in `up` and `origin` and routes rows by column "c"
            ("s" for credits).
        scores: key → score record; `version` rises with every record of a key.
        flags: flag records without their `trace_id`, deduplicated downstream by (flag_id, revision).
        shadow: the same of rules in shadow, and of flags that a budget holds back: they reach no queue.
        dead: (row of the block, reason code, detail) for rows that were refused.
        outlived: (upstream, origin there, reason code, detail) for rows of earlier log records that are refused now.
        rulings: how often each fate was a ruling's.
        next_cursor: if not None, apply the same block again with this cursor before any later record.
        lessons: "lessons" blocks for the parameters stage.
        participation: "joined" and "settled" blocks for the communities stage.
        ruled_in: of each ruling taken in, the community in which its claim began; counted, never sent.
        settled: of each claim that verdicts settled, its risk when it was an hour old and whether it is false; counted.
        repeats: rows dropped because the very same event had been seen.
    """

    blocks: list[Block] = field(default_factory=list)
    scores: dict[str, ScoreDict] = field(default_factory=dict)
    flags: list[FlagDict] = field(default_factory=list)
    shadow: list[FlagDict] = field(default_factory=list)
    dead: list[tuple[int, str, str]] = field(default_factory=list)
    outlived: list[tuple[str, int, str, str]] = field(default_factory=list)
    rulings: Counter[str] = field(default_factory=Counter)
    next_cursor: int | None = None
    repeats: int = 0
    lessons: list[Block] = field(default_factory=list)
    participation: list[Block] = field(default_factory=list)
    ruled_in: list[str] = field(default_factory=list)
    settled: list[tuple[float, bool]] = field(default_factory=list)

    def tell_flag(self, record: FlagDict, quiet: bool) -> None:
        """A flag record leaves; a quiet one for no queue."""
        (self.shadow if quiet else self.flags).append(record)
