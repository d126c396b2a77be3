"""Where a log is cut into records and fetches changes nothing: the same rows in the same order give the same state.

To the last bit, with the moments of decisions: what was flagged, told, kept for lessons, settled and forgotten. What is
published of a claim or source is the last of a record, and may be less of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.contract.codes import DELETE, UPDATE
from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.config import ScoringConfig
from streams.scoring.partition import PartitionState
from streams.scoring.sources.sources_state import SourcesState
from streams.tables.blocks import Block, make
from tests.scoring.builders import (
    CLAIMS,
    DAY_MS,
    NOW_MS,
    SOURCES,
    Ruling,
    difference,
    events_block,
    histories,
    in_pieces,
    rulings_block,
    said,
)

Core = TypeVar("Core", bound=PartitionState)
T0 = 1_600_000_000_000
HOUR_MS = 3_600_000

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


def folded(state: Core, log: list[Block], cuts: list[int] | None = None) -> tuple[Core, list[Any]]:
    """The state after a log, one record half a day, and its flags; with cuts, the rows of a record lie in several."""
    flags, quiet = list[Any](), list[Any]()
    for number, block in enumerate(log):
        pieces = [block]
        if cuts is not None and len(block):
            pieces = [block.take(np.array(rows)) for rows in in_pieces(range(len(block)), cuts)]
        for piece in pieces:
            for effects in state.steps(piece, NOW_MS + number * DAY_MS // 2):
                flags += effects.flags
                quiet += effects.shadow
    flags += quiet
    for flag in flags:  # each names all rulings of the record
        flag["rulings"] = flag["raters_disagree"] = None
        flag["reasons"] = [{**why, "evidence_ids": []} if why["code"] == "ruling" else why for why in flag["reasons"]]
    return state, flags


@settings(max_examples=100, deadline=None)
@given(logs(), st.lists(st.integers(0, 30), max_size=4), st.booleans())
def test_sources_do_not_depend_on_where_their_log_is_cut(log: list[Block], cuts: list[int], forgetful: bool) -> None:
    config = FORGETFUL if forgetful else ScoringConfig()
    whole, _ = folded(SourcesState(config), log)
    for pieces in (cuts, list(range(64))):
        cut, _ = folded(SourcesState(config), log, pieces)
        for table in (*whole.tables, *cut.tables):
            if table.name == "clock":  # records of credits count one each: scores go out for each
                table["seq"][0] = 0
        assert difference(whole, cut) == 0


# --- claims -----------------------------------------------------------------------------------------------------------

EAGER = replace(ScoringConfig(), flag_min_participants=2, flag_ripe_ms=0, settle_step=3, publish_step=2)
stances, hours = st.sampled_from([0, 1, 1, 2, 2, 3, 4]), st.integers(-2, 60)
stamps = st.tuples(
    st.integers(1, 9), st.floats(-2, 3), st.floats(-2, 3), st.sampled_from([0, 0, 7]), st.integers(0, 2),
    st.integers(0, 2), st.floats(-1, 2),
)  # fmt: skip


def stamp_columns(drawn: Sequence[Any]) -> dict[str, list[Any]]:
    """Columns of stamps."""
    sequence, support, denial, cluster, record, band, history = map(list, zip(*drawn, strict=True))
    return {
        "z": sequence, "w": support, "v": denial, "cl": cluster, "known": record, "band": band,
        "hist0": history, "hist30": history,
    }  # fmt: skip


@st.composite
def stamped(draw: Any, first: int) -> Block:
    """Events, numbered from `first` on, with what the sources stage says of their sources."""
    row = st.tuples(
        st.sampled_from(SOURCES), st.sampled_from(CLAIMS), st.integers(0, 2), stances, hours,
        st.sampled_from(["", "left"]), st.sampled_from([0, 77]), st.booleans(), stamps,
    )  # fmt: skip
    rows = draw(st.lists(row, min_size=1, max_size=12))
    source, claim, kind, stance, hour, community, text, root, stamp = zip(*rows, strict=True)
    number = range(first, first + len(rows))
    columns = {
        "s": source, "c": claim, "i": [str(n) for n in number], "e": number, "kind": kind, "x": stance,
        "t": [T0 + h * HOUR_MS for h in hour], "m": community, "g": text,
        "r": [int(k == 0 and r) for k, r in zip(kind, root, strict=True)], **stamp_columns(stamp),
        "said": [said(f"words of {n}") if k == 0 and r else "" for n, k, r in zip(number, kind, root, strict=True)],
    }  # fmt: skip
    return make("stamped", "s/0", 0, columns)


@st.composite
def of_claims(draw: Any) -> list[Block]:
    """What a partition of claims reads."""
    log: list[Block] = [draw(stamped(1))]
    told = [*zip(log[0]["s"], log[0]["c"], log[0]["e"].tolist(), strict=True)]
    kinds = st.sampled_from(
        ["stamped", "stamped", "corrections", "corrections", "restamp", "rulings", "params", "tick"]
    )
    for number, kind in enumerate(draw(st.lists(kinds, max_size=10))):
        if kind == "stamped":
            log.append(draw(stamped(len(told) + 1)))
            told += zip(log[-1]["s"], log[-1]["c"], log[-1]["e"].tolist(), strict=True)
        elif kind == "corrections":
            about = draw(st.lists(st.sampled_from(told), min_size=1, max_size=8))
            change = st.tuples(st.sampled_from([DELETE, UPDATE]), hours, stances, st.sampled_from([None, 0, 77]))
            changes = [draw(change) for _ in about]
            columns = {
                "s": [s for s, _, _ in about], "c": [c for _, c, _ in about], "e": [e for _, _, e in about],
                "i": [f"{number}-{n}" for n in range(len(about))], "kind": [k for k, _, _, _ in changes],
                "t": [T0 + h * HOUR_MS for _, h, _, _ in changes], "x": [x for _, _, x, _ in changes],
                "g": [g or 0 for _, _, _, g in changes], "r": [int(g is not None) for _, _, _, g in changes],
                "said": ["" if g is None else said(f"edit {number}") for _, _, _, g in changes],
            }  # fmt: skip
            log.append(make("corrections", "s/0", 0, columns))
        elif kind == "restamp":
            about = draw(st.lists(st.sampled_from(told), min_size=1, max_size=8))
            drawn = [draw(stamps) for _ in about]
            named = {"s": [s for s, _, _ in about], "c": [c for _, c, _ in about]}
            log.append(make("restamp", "s/0", 0, {**named, **stamp_columns(drawn)}))
        elif kind == "rulings":
            ruling = st.builds(
                Ruling, st.sampled_from([*CLAIMS, "unheard"]), st.integers(0, 3),
                hours.map(lambda h: T0 + h * HOUR_MS), st.sampled_from("ab"), st.integers(1, 3),
            )  # fmt: skip
            log.append(rulings_block(draw(st.lists(ruling, min_size=1, max_size=6))))
        elif kind == "params":
            switches = {
                "flag_z": st.sampled_from([-3.0, 0.0, 1.0]), "flags_killed": st.sampled_from([0.0, 0.0, 1.0]),
                "trial_z": st.sampled_from([-3.0, 1.0]), "flags_an_hour": st.sampled_from([0.0, 1.0, 200.0]),
                "flags_standing": st.sampled_from([1.0, 200.0]), "flags_paused": st.sampled_from([0.0, 0.0, 1.0]),
            }  # fmt: skip
            values = draw(st.fixed_dictionaries(switches))
            log.append(Block("params", "p/0", 0, {}, {"version": number + 1, "values": values}))
        else:
            log.append(Block("tick", "k/0", 0, {}, {"t": 0, "flush": draw(st.booleans())}))
    return log


@settings(max_examples=150, deadline=None)
@given(of_claims(), st.lists(st.integers(0, 30), max_size=4), st.booleans())
def test_claims_and_their_flags_do_not_depend_on_where_their_log_is_cut(
    log: list[Block], cuts: list[int], forgetful: bool
) -> None:
    config = replace(EAGER, sweep_ms=1, sweep_step=2, claim_expiry_ms=2 * DAY_MS) if forgetful else EAGER
    whole, flags = folded(ClaimsState(config), log)
    for pieces in (cuts, list(range(64))):
        cut, moved = folded(ClaimsState(config), log, pieces)
        assert difference(whole, cut) == 0
        assert moved == flags
