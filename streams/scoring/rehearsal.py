"""A small stream through both cores, so that every compiled loop is ready before the first event comes.

    python -m streams.scoring.rehearsal

Compiles what has no machine code yet (a minute), and keeps it for every later start (half a second). `make install`
does it; so does an image of a container, with NUMBA_CPU_NAME=generic if it is to run on other makes of CPU.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from streams.contract.codes import DELETE, DENY, FALSE, NO_VERDICT, POST, REPLY, RESHARE, SUPPORT, TRUE, UPDATE
from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.communities.communities_state import GroupsConfig, GroupsState
from streams.scoring.config import DAY_MS, HOUR_MS, ScoringConfig
from streams.scoring.dispatch import follow
from streams.scoring.sources.sources_state import SourcesState
from streams.tables.blocks import Block, make
from streams.tables.compiled import anything_kept, kept_in

_T0_MS = 1_700_000_000_000
Said = tuple[str, str, str, int, int, int]  # source, claim, event, kind, stance, hours


def _events(rows: Sequence[Said]) -> Block:
    source, claim, event, kind, stance, hours = map(list, zip(*rows, strict=True))
    number = [int(name) + 1 for name in event]  # 0 stands for none
    return make(
        "events", "e/0", 0,
        {
            "s": source, "c": claim, "i": event, "e": number, "h": number, "kind": kind, "x": stance,
            "t": [_T0_MS + hour * HOUR_MS for hour in hours], "m": ["left" if n % 2 else "" for n in number],
            "g": [n % 3 for n in number], "r": [int(k in (POST, UPDATE)) for k in kind],
            "said": [f'["{name}", "", ""]' * int(k in (POST, UPDATE)) for name, k in zip(event, kind, strict=True)],
        },
    )  # fmt: skip


def _ruling(claim: str, verdict: int, version: int, hours: int) -> Block:
    told: dict[str, Sequence[Any]] = {name: [""] for name in ("event", "url", "note")}
    return make(
        "rulings", "r/0", 0,
        {
            **told, "c": [claim], "id": [f"{claim}/{version}"], "ver": [version], "verdict": [verdict],
            "rater": ["someone"], "t": [_T0_MS + hours * HOUR_MS], "kind": ["fact-check"], "h": [version],
        },
    )  # fmt: skip


def script() -> list[Block]:
    """Everything that can happen to a claim and to a source, in a few blocks."""
    crowd = [f"s{n}" for n in range(12)]
    first = [(s, "c1", str(n), RESHARE if n else POST, SUPPORT, n) for n, s in enumerate(crowd)]
    second = [(s, "c2", str(n + 20), REPLY, DENY if n % 2 else SUPPORT, 30 + n) for n, s in enumerate(crowd)]
    third = [(s, "c3", str(n + 40), POST, SUPPORT, 60 + n) for n, s in enumerate(crowd)]
    coins = {f"support_{truth}_{band}": value for truth, value in (("true", 0.9), ("false", 0.2)) for band in range(3)}
    return [
        _events(first),
        _events([*first[:2], ("s0", "c1", "100", REPLY, DENY, 3), ("s0", "", "100", DELETE, 0, 4)]),
        _events([("s1", "", "101", DELETE, 0, 4), ("s1", "c1", "101", REPLY, DENY, 3)]),
        _events([("s2", "", "2", UPDATE, DENY, 5), ("s3", "", "3", DELETE, 0, 5)]),
        make("assign", "g/0", 0, {"s": crowd[:5], "cl": [7] * 5}),
        _events(second),
        _ruling("c1", TRUE, 1, 40), _ruling("c2", FALSE, 1, 50),
        _events(third),
        Block("params", "p/0", 0, {}, {"version": 1, "values": {**coins, "flag_z": -9.0, "flags_an_hour": 0.0}}),
        _events([("s1", "c2", "70", REPLY, DENY, 74)]),
        Block("params", "p/0", 0, {}, {"version": 2, "values": {"flags_an_hour": 99.0}}),
        _events([("s0", "c4", "60", POST, SUPPORT, 75)]), _events([("s0", "", "60", DELETE, 0, 76)]),
        _ruling("c1", FALSE, 2, 70), _ruling("c2", NO_VERDICT, 2, 70), _ruling("c3", FALSE, 1, 80),
        Block("tick", "k/0", 0, {}, {"t": 0, "flush": True}),
    ]  # fmt: skip


def rehearse() -> tuple[SourcesState, ClaimsState]:
    """Both cores after the small stream and, much later, after all of it has expired."""
    config = ScoringConfig(flag_min_participants=1, publish_epsilon=0.0)
    cores = SourcesState(config, 0), ClaimsState(config, 0)
    now_ms = _T0_MS
    blocks = script()
    for block in [*blocks, *(blocks[-1] for _ in range(3))]:
        now_ms += HOUR_MS if block in blocks[:-1] else 100 * DAY_MS
        for _ in follow(block, now_ms, lambda kind: [core for core in cores if kind in core.KINDS]):
            pass
        if block is blocks[-2]:
            cores[1].explain("c3")
            cores[1].census()
        for core in cores:
            for table in core.tables:
                table.take_delta()
    _look_for_communities()
    for core in cores:
        again = type(core)(config, 0)
        for table, copy in zip(core.tables, again.tables, strict=True):
            for number in range(table.segments()):
                copy.apply(table.segment(number))
            copy.recovered()
    return cores


def _look_for_communities() -> None:
    """A look at forty who keep the same company."""
    who, where = [f"s{n % 40}" for n in range(400)], [f"c{n // 40}" for n in range(400)]
    core = GroupsState(groups=GroupsConfig(communities=2))
    joined: dict[str, Sequence[Any]] = {
        "s": who, "c": where, "t": [_T0_MS + n for n in range(400)], "x": [SUPPORT] * 400, "m": [""] * 400,
    }  # fmt: skip
    core.apply(make("joined", "j/0", 0, joined), _T0_MS)
    core.apply(Block("tick", "k/0", 0, {}, {"t": 0, "flush": True}), _T0_MS)


def prepare(say: Callable[[str], None]) -> None:
    """Have every compiled loop ready, and say so if that takes a while."""
    if not anything_kept():
        say(f"compiling the scoring core, once for this version and make of CPU: about a minute. Kept in {kept_in()}")
    rehearse()


def main() -> None:
    """Compile, and say how long it took."""
    began = time.monotonic()
    prepare(lambda sentence: print(sentence, flush=True))
    print(f"The scoring core is compiled and ready ({time.monotonic() - began:.0f} s).", file=sys.stderr)


if __name__ == "__main__":
    main()
