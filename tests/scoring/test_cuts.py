"""Where a log is cut into records and fetches changes nothing: the same rows in the same order give the same state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.scoring.config import ScoringConfig
from streams.scoring.sources.sources_state import SourcesState
from streams.tables.blocks import Block, make
from tests.scoring.builders import DAY_MS, NOW_MS, SOURCES, difference, events_block, histories, in_pieces

FORGETFUL = replace(
    ScoringConfig(), sweep_ms=1, sweep_step=2, claim_expiry_ms=2 * DAY_MS, applied_expiry_ms=3 * DAY_MS,
    lateness_ms=DAY_MS,
)  # fmt: skip


@st.composite
def credit_blocks(draw: Any) -> list[Block]:
    """Credits of a few sources for a few claims, in any order of their versions."""
    row = st.tuples(
        st.sampled_from(SOURCES[:4]), st.sampled_from(["c0", "c1"]), st.integers(1, 4), st.sampled_from([-1, 0, 1]),
        st.sampled_from([-1, 0, 1]), st.integers(1, 3), st.floats(0, 1), st.integers(0, 50),
    )  # fmt: skip
    out = []
    for rows in draw(st.lists(st.lists(row, min_size=1, max_size=6), max_size=4)):
        source, claim, version, outcome, finding, stance, expected, days = map(list, zip(*rows, strict=True))
        times = [1_600_000_000_000 + day * DAY_MS for day in days]
        columns = {
            "s": source, "c": claim, "ver": version, "y": outcome, "stance": stance, "q": expected, "f": finding,
            "t": times,
        }  # fmt: skip
        out.append(make("credits", "c/0", 0, columns))
    return out


@st.composite
def logs(draw: Any) -> list[Block]:
    """What a partition of sources reads."""
    items = [item for item in draw(histories()) if isinstance(item, Block | Sequence)]
    blocks = [item if isinstance(item, Block) else events_block(item) for item in items]
    blocks = [block for block in blocks if block.kind in SourcesState.KINDS] + draw(credit_blocks())
    draw(st.randoms(use_true_random=False)).shuffle(blocks)
    return blocks


def folded(log: list[Block], config: ScoringConfig, cuts: list[int] | None = None) -> SourcesState:
    """The state after a log, one record half a day; with cuts, the rows of each record lie in several."""
    state = SourcesState(config, 0)
    for number, block in enumerate(log):
        pieces = [block]
        if cuts is not None and block.kind in ("events", "credits"):
            pieces = [block.take(np.array(rows)) for rows in in_pieces(range(len(block)), cuts)]
        for piece in pieces:
            for _ in state.steps(piece, NOW_MS + number * DAY_MS // 2):
                pass
    return state


@settings(max_examples=100, deadline=None)
@given(logs(), st.lists(st.integers(0, 30), max_size=4), st.booleans())
def test_sources_do_not_depend_on_where_their_log_is_cut(log: list[Block], cuts: list[int], forgetful: bool) -> None:
    config = FORGETFUL if forgetful else ScoringConfig()
    whole = folded(log, config)
    for pieces in (cuts, list(range(64))):
        cut = folded(log, config, pieces)
        for table in (*whole.tables, *cut.tables):
            if table.name == "clock":  # records of credits count one each: scores go out for each
                table["seq"][0] = 0
        assert difference(whole, cut) == 0
