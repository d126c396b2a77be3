"""Speed of the scoring core alone, on one core: sources, claims, verdicts and their credits; no broker, no JSON.

    python -m load_tests.bench.core_alone DIR [--rows 4096] [--repeat 3]

DIR is a set of cascades, or `synthetic:clean`. Prints events a CPU-second, best of the repeats.
"""

from __future__ import annotations

import argparse
import gc
import time

import numpy as np

from streams.evaluate.cascades import CascadeSet
from streams.evaluate.evaluation import load
from streams.evaluate.ours import _Names
from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.config import ScoringConfig
from streams.scoring.dispatch import follow
from streams.scoring.sources.sources_state import SourcesState
from streams.tables.blocks import Block, Column
from streams.tables.categorical import Categorical

DAY_MS = 86_400_000


def blocks_of(data: CascadeSet, rows: int) -> list[Block]:
    """The set as "events" blocks, each followed by the rulings that fall due, in order of event time."""
    names, rulings = _Names(data), data.rulings(DAY_MS)
    out, released = [], 0
    for lo in range(0, len(data), rows):
        hi = min(len(data), lo + rows)
        out.append(names.block(data, lo, hi, data.asserted[lo:hi]))
        due = int(np.searchsorted(rulings.t_ms, data.t_ms[hi - 1], side="right"))
        if due > released:
            out.append(
                _rulings(data, rulings.claim[released:due], rulings.verdict[released:due], rulings.t_ms[released:due])
            )
            released = due
    return out


def _rulings(data: CascadeSet, claim: np.ndarray, verdict: np.ndarray, t_ms: np.ndarray) -> Block:
    ids, n = [data.claim_ids[c] for c in claim.tolist()], len(claim)
    columns: dict[str, Column] = {
        "c": Categorical.of(ids), "id": ids, "ver": np.ones(n, np.int64), "verdict": verdict.astype(np.int8),
        "rater": ["bench"] * n, "t": t_ms, "kind": ["fact-check"] * n, "event": [""] * n, "url": [""] * n,
        "note": [""] * n, "h": np.zeros(n, np.uint64),
    }  # fmt: skip
    return Block("rulings", "r/0", 0, columns)


def cpu_seconds(blocks: list[Block]) -> float:
    """CPU time to fold the blocks, and everything that follows from them, into one partition of each stage."""
    sources, claims = SourcesState(ScoringConfig(), 0), ClaimsState(ScoringConfig(), 0)
    start, now_ms = time.process_time(), 1
    for first in blocks:
        now_ms += 100
        for _ in follow(first, now_ms, lambda kind: [core for core in (sources, claims) if kind in core.KINDS]):
            pass
    return time.process_time() - start


def measured(name: str, rows: int = 4096, repeat: int = 3) -> dict[str, float]:
    """Events a CPU-second on a set, in blocks of so many events: the best of the repeats."""
    data = load(name)
    blocks = blocks_of(data, rows)
    gc.collect()
    gc.freeze()
    best = min(cpu_seconds(blocks) for _ in range(repeat))
    return {"events": len(data), "rows": rows, "events_per_s": round(len(data) / best)}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a set of cascades, or synthetic:clean")
    parser.add_argument("--rows", type=int, default=4096, help="events in a block")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    found = measured(options.data, options.rows, options.repeat)
    each = 1e6 / found["events_per_s"]
    print(f"{found['events']} events, blocks of {options.rows}: {found['events_per_s']:,.0f} events/s ({each:.2f} µs)")


if __name__ == "__main__":
    main()
