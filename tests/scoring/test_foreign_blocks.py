"""What `decode` lets through ends no core: bytes of real blocks, changed at random, through every stage."""

from __future__ import annotations

import random
from typing import Any

from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.communities.communities_state import GroupsState
from streams.scoring.config import ScoringConfig
from streams.scoring.parameters.parameters_state import Learner
from streams.scoring.signals.registry import SIGNALS
from streams.scoring.sources.sources_state import SourcesState
from streams.tables.block_wire import NotABlockError, decode, pack
from streams.tables.blocks import Block, make
from streams.tables.compression import compress
from tests.scoring.builders import NOW_MS, Event, Pipeline, Ruling

MUTATIONS = 4_000


class Overheard(Pipeline):
    """A pipeline that keeps every block that a stage was given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.heard: list[Block] = []

    def _apply(self, state: SourcesState | ClaimsState, block: Block) -> list[Block]:
        self.heard.append(Block(block.kind, block.up or "x/0", block.origin, block.columns, block.meta))
        return super()._apply(state, block)


def blocks() -> list[Block]:
    """One block at least of every kind that a stage reads."""
    line = Overheard()
    line.events([Event(f"s{i % 7}", f"c{i % 3}", f"e{i}", stance=i % 5, kind=i % 4, community="m") for i in range(40)])
    line.rule(Ruling("c0", 1, NOW_MS - 9), Ruling("c1", 2, NOW_MS - 9))
    line.events([Event("s1", "", "e1", kind=6, stance=0), Event("s2", "", "e2", kind=7, text=9, root=1)])
    line.events([Event(f"s{i % 7}", "", f"e{i}", kind=7 - i % 2, stance=i % 3) for i in range(3, 12)])
    line.params(1, risk_slow=0.3)
    line.tick(flush=True)
    lesson: dict[str, Any] = {"c": ["c", "c"], "h": [1, 0], "f": [1, 1], "rw": [[], [1] * 18], "t": [1, 1], "n": [9, 9]}
    lesson |= {"L": [0.5, 0.0], "A": [0.5, 0.0], "al": [0.1, 0.0], "sig": [[0.5] * len(SIGNALS), []], "w": [0, 4]}
    return [
        *line.heard,
        make("lessons", "c/0", 5, lesson, signals=list(SIGNALS)),
        make("joined", "s/0", 5, {"s": ["a", "b"], "c": ["c", "d"], "t": [1, 2], "x": [1, 1], "m": ["", ""]}),
        make("settled", "c/0", 5, {"c": ["c"], "f": [1], "t": [1]}),
        make("assign", "g/0", 5, {"s": ["s1"], "cl": [7]}),
    ]


def test_a_changed_block_is_refused_or_folded_and_never_ends_a_stage() -> None:
    rng, found = random.Random(4), blocks()
    config = ScoringConfig()
    cores: list[Any] = [SourcesState(config, 0), ClaimsState(config, 0), Learner(), GroupsState(config, 0)]
    assert {kind for core in cores for kind in core.KINDS} == {block.kind for block in found}
    folded = 0
    for _ in range(MUTATIONS):
        packed = bytearray(pack(rng.choice(found)))
        for _ in range(rng.randrange(4)):
            packed[rng.randrange(len(packed))] = rng.choice([rng.randrange(256), 0, 255])
        try:
            block = decode(compress(bytes(packed)))
        except NotABlockError:
            continue
        folded += 1
        for core in cores:
            if block.kind in core.KINDS:
                for _ in core.steps(block, NOW_MS):
                    pass
    assert MUTATIONS // 10 < folded < MUTATIONS
