"""A seeded social world for the demo, tests and load: cascades of claims whose truth is known to nobody in it.

`make_world` draws it, `write_world` writes it in the layout that every command reads: `events.csv`, `claims.csv`, and
beside them `world.json` with the hidden truth, which only a closing report may open.

    python -m streams.datasets.social_world --size small --seed 3 /tmp/world
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streams.datasets.social_cascades import Cascade, Crowd, grow
from streams.datasets.social_people import (
    MEMBER_KINDS,
    START_MS,
    Bools,
    Claims,
    Floats,
    Ints,
    Members,
    WorldSettings,
    community_names,
    draw_claims,
    draw_members,
)

SIZES = {
    "demo": WorldSettings(),
    "tiny": WorldSettings(events=900, members=250, claims=16, days=10, botnets=1, bots=8, stories=2),
    "small": WorldSettings(events=5_000, members=700, claims=60, days=20, botnets=2, bots=12, stories=3),
    "large": WorldSettings(events=400_000, members=40_000, claims=2_500, days=60, botnets=8, bots=40, stories=8),
}
EVENT_COLUMNS = (
    "ts", "kind", "claim_id", "event_id", "parent_id", "user_id", "stance", "community_id", "text",
)  # fmt: skip
CLAIM_COLUMNS = ("claim_id", "label", "root_user", "root_ts", "n_events", "text")


@dataclass(frozen=True)
class World:
    """A drawn world: rows in the order in which they arrive, and what they do not say.

    Attributes:
        seed, settings: what it was drawn from; the same two give the same world.
        rows: events as EVENT_COLUMNS, in order of arrival: a late one stands after later ones, a repeat stands twice.
        members, claims: the hidden truth.
        claim_ids: by index of `claims`.
        first_ms: time of the first event of each claim.
    """

    seed: int
    settings: WorldSettings
    rows: list[tuple[str, ...]]
    members: Members
    claims: Claims
    claim_ids: list[str]
    first_ms: list[int]

    def __len__(self) -> int:
        return len(self.rows)


def make_world(settings: WorldSettings | str = "demo", seed: int = 7) -> World:
    """Draw a world; `settings` may name one of SIZES. KeyError for an unknown name."""
    s = SIZES[settings] if isinstance(settings, str) else settings
    rng = np.random.default_rng(seed)
    members, claims = draw_members(s, rng), draw_claims(s, rng)
    crowd = Crowd(s, members, rng)
    cascades = [grow(crowd, claims, c) for c in range(s.claims)]
    claim_ids = [f"{slug}" for slug in claims.slug]
    rows, t_ms = _rows(s, members, claim_ids, cascades, rng)
    arrival = _arrivals(s, t_ms, rng)
    repeated = np.flatnonzero(rng.random(t_ms.size) < s.repeat_share)
    again = arrival[repeated] + rng.exponential(30_000.0, repeated.size)
    order = np.argsort(np.concatenate([arrival, again]), kind="stable")
    source = np.concatenate([np.arange(t_ms.size), repeated])[order]
    return World(
        seed=seed,
        settings=s,
        rows=[rows[i] for i in source.tolist()],
        members=members,
        claims=claims,
        claim_ids=claim_ids,
        first_ms=[min(cascade.t_ms) for cascade in cascades],
    )


def _rows(
    s: WorldSettings, members: Members, claim_ids: list[str], cascades: list[Cascade], rng: np.random.Generator
) -> tuple[list[tuple[str, ...]], Ints]:
    """All events as rows, and their times; some bear a clock that runs before their parent's."""
    names, times = community_names(s), list[int]()
    rows: list[tuple[str, ...]] = []
    ids = rng.permutation(sum(len(cascade.member) for cascade in cascades)).tolist()
    for claim_id, cascade in zip(claim_ids, cascades, strict=True):
        first = len(rows)
        skewed = rng.random(len(cascade.member)) < s.skew_share
        for i, who in enumerate(cascade.member):
            parent = cascade.parent[i]
            at = cascade.t_ms[i]
            if parent > 0 and skewed[i]:
                at = max(cascade.t_ms[0], cascade.t_ms[parent] - 45_000)
            times.append(at)
            rows.append(
                (
                    f"{at / 1000:.3f}",
                    cascade.kind[i],
                    claim_id,
                    f"e{ids[first + i]:07d}",
                    f"e{ids[first + parent]:07d}" if parent >= 0 else "",
                    members.name[who],
                    cascade.stance[i],
                    names[members.community[who]],
                    cascade.text[i],
                )
            )
    return rows, np.array(times, np.int64)


def _arrivals(s: WorldSettings, t_ms: Ints, rng: np.random.Generator) -> Floats:
    """When each event arrives: at its time, but for the share that comes late, an hour on average."""
    late: Bools = rng.random(t_ms.size) < s.late_share
    delay: Floats = np.minimum(rng.exponential(3_600_000.0, t_ms.size), 20 * 3_600_000.0)
    return t_ms + late * delay


def write_world(world: World, directory: Path) -> Path:
    """Write `events.csv`, `claims.csv` and `world.json` into the directory, which is made if need be; returns it."""
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "events.csv", "w", newline="", encoding="utf-8") as file:
        events = csv.writer(file, lineterminator="\n")
        events.writerow(EVENT_COLUMNS)
        events.writerows(world.rows)
    sizes: dict[str, int] = {}
    roots: dict[str, str] = {}
    for row in world.rows:
        sizes[row[2]] = sizes.get(row[2], 0) + 1
        if row[1] == "post" and not row[4]:
            roots[row[2]] = row[5]
    claims = world.claims
    with open(directory / "claims.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(CLAIM_COLUMNS)
        for c, claim_id in enumerate(world.claim_ids):
            label = ("true" if claims.true[c] else "false") if claims.ruled[c] else "unverified"
            at = f"{claims.t0_ms[c] / 1000:.3f}"
            table.writerow((claim_id, label, roots[claim_id], at, sizes[claim_id], claims.text[c]))
    (directory / "world.json").write_text(json.dumps(hidden_truth(world), indent=1) + "\n", encoding="utf-8")
    return directory


def hidden_truth(world: World) -> dict[str, Any]:
    """What only a closing report may know: the truth of every claim, the kind of every member, the lone source."""
    members, claims = world.members, world.claims
    names = community_names(world.settings)
    return {
        "seed": world.seed,
        "settings": asdict(world.settings),
        "start_ms": START_MS,
        "lone_source": {
            "source_id": members.name[members.lone],
            "claims": [c for i, c in enumerate(world.claim_ids) if claims.story[i]],
        },
        "claims": {
            claim_id: {
                "truth": "true" if claims.true[c] else "false",
                "ruled": bool(claims.ruled[c]),
                "first_ms": world.first_ms[c],
                "home": names[claims.home[c]],
                "slanted": bool(claims.slanted[c]),
                "hard": bool(claims.hard[c]),
                "botnet": int(claims.net[c]),
            }
            for c, claim_id in enumerate(world.claim_ids)
        },
        "sources": {
            name: {"kind": MEMBER_KINDS[members.kind[i]], "community": names[members.community[i]]}
            for i, name in enumerate(members.name)
        },
    }


def main() -> None:
    """Write a world from the command line."""
    parser = argparse.ArgumentParser(description="Write a seeded social world. Example: %(prog)s --size small DIR")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--size", choices=SIZES, default="demo")
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    world = make_world(asked.size, asked.seed)
    print(f"{write_world(world, asked.directory)}: {len(world):,} events, {len(world.claim_ids)} claims")


if __name__ == "__main__":
    main()
