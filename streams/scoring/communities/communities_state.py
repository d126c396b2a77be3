"""State of the communities stage: who took part in what of late, and what that says about who belongs together.

It reads what the other stages write down for it (first stances of sources that have joined another claim before, and
settled claims), keeps the latest of them, and now and then looks at all of it afresh: which accounts act as one
(`coordination`), which keep the same company (`communities`), how those communities fare (`health`, `vitals`). Nothing
is carried from one look to the next but names, so the state is small, and a pure function of the log.

Memory: `window` participations of 27 bytes, and the sources and claims in them. A source that drops out of the window
leaves its cluster.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import xxhash

from streams.contract.record_dicts import CommunityDict
from streams.scoring.communities.assignment import keep_names, map_sources
from streams.scoring.communities.coordination import CoordinationConfig, Participations, find_clusters
from streams.scoring.communities.vitals import View, vitals
from streams.scoring.config import ScoringConfig
from streams.scoring.dispatch import reads
from streams.scoring.effects import Effects
from streams.scoring.numeric import Ints, distinct
from streams.scoring.partition import PartitionState, communities_table
from streams.tables.blocks import Block, Column
from streams.tables.field import Field
from streams.tables.table import Table

_FIRST = np.zeros(1, np.int64)


@dataclass(frozen=True, slots=True)
class GroupsConfig:
    """How much is remembered, and how often it is looked at.

    Attributes:
        window: participations remembered, the latest.
        every: a look for clusters is due after so many new participations, or after a sixteenth of those remembered if
            that is more.
        communities: K, how many communities are looked for where events name none; 0: none, and no health.
        health_every: so many looks for clusters go by between two looks at communities and their health.
    """

    window: int = 1 << 19
    every: int = 2_000
    communities: int = 12
    health_every: int = 5
    coordination: CoordinationConfig = field(default_factory=CoordinationConfig)


LOOK_FIELDS = {
    "taken": Field("i8", "participations that came"),
    "looked": Field("i8", "those that the last look had seen"),
    "looks": Field("i8", "looks so far"),
}
MEMBER_FIELDS = {
    "n": Field("i4", "participations in the window"),
    "cl": Field("u8", "copy-cluster that was assigned, 0 none"),
    "found": Field("i1", "community that the last look found, by its number, 0 none"),
    "named": Field("i4", "community that it named last", "row"),
}
CLAIM_FIELDS = {
    "n": Field("i4", "participations in the window"),
    "f": Field("i1", "finding: +1 false, −1 true, 0 none"),
    "t": Field("i8", "time of the first ruling", "ms"),
}
WINDOW_FIELDS = {
    "s": Field("i4", "who took part", "row"),
    "c": Field("i4", "in which claim", "row"),
    "t": Field("i8", "when", "ms"),
    "x": Field("i1", "with which stance, a code"),
}


class GroupsState(PartitionState):
    """Folds "joined" and "settled" blocks; answers with "assign" blocks and health records by community."""

    def __init__(
        self, config: ScoringConfig | None = None, partition: int = 0, groups: GroupsConfig | None = None
    ) -> None:
        super().__init__(config, partition)
        self.groups = groups or GroupsConfig()
        self.communities = communities_table()
        self.looks = Table("looks", LOOK_FIELDS, integers=True)
        self.members = Table("members", MEMBER_FIELDS)
        self.claims = Table("joined_claims", CLAIM_FIELDS)
        self.window = Table("window", WINDOW_FIELDS, integers=True)
        self.looks.ensure([0])
        self.tables = (self.clock, self.communities, self.looks, self.members, self.claims, self.window)

    def end(self, effects: Effects) -> None:
        """Look afresh, once enough has come."""
        if self._fresh() >= max(self.groups.every, len(self.window) // 16):
            self._look(effects)

    def _fresh(self) -> int:
        """Participations that no look has seen."""
        return int(self.looks["taken"][0] - self.looks["looked"][0])

    @reads("tick")
    def _pass_time(self, block: Block, cursor: int, effects: Effects) -> None:
        """When nothing more comes for now, look at what has come."""
        if block.meta.get("flush") and self._fresh():
            self._look(effects)

    # --- the window ----------------------------------------------------------------------------------------------

    @reads("joined")
    def _join(self, block: Block, cursor: int, effects: Effects) -> None:
        for lo in range(0, len(block), self.groups.window):
            self._take(block.take(np.arange(lo, min(len(block), lo + self.groups.window))), effects)

    def _take(self, block: Block, effects: Effects) -> None:
        """Let participations into the window, in the places of the oldest."""
        members, claims, window = self.members, self.claims, self.window
        taken = int(self.looks["taken"][0])
        slots = (taken + np.arange(len(block))) % self.groups.window
        self._forget(slots[taken + np.arange(len(block)) >= self.groups.window], effects)
        source_rows, _ = members.ensure(block["s"])
        claim_rows, _ = claims.ensure(block["c"])
        rows, _ = window.ensure(slots)
        for name, values in (("s", source_rows), ("c", claim_rows), ("t", block["t"]), ("x", block["x"])):
            window[name][rows] = values
        named, _ = self.communities.ensure(block["m"])
        members["named"][source_rows] = np.where(named > 0, named, members["named"][source_rows])
        np.add.at(members["n"], source_rows, 1)
        np.add.at(claims["n"], claim_rows, 1)
        self.looks["taken"][0] += len(block)
        for table, changed in ((members, source_rows), (claims, claim_rows), (window, rows), (self.looks, _FIRST)):
            table.touch(changed)

    def _forget(self, slots: Ints, effects: Effects) -> None:
        """Let participations go, and sources and claims that have no others."""
        if not slots.size:
            return
        members, claims, window = self.members, self.claims, self.window
        rows = window.find(slots)
        source_rows, claim_rows = window["s"][rows].astype(np.int64), window["c"][rows].astype(np.int64)
        np.subtract.at(members["n"], source_rows, 1)
        np.subtract.at(claims["n"], claim_rows, 1)
        members.touch(source_rows)
        claims.touch(claim_rows)
        gone = distinct(source_rows)
        gone = gone[members["n"][gone] == 0]
        self._assign(gone[members["cl"][gone] > 0], np.uint64(0), effects)
        members.free(gone)
        over = distinct(claim_rows)
        claims.free(over[claims["n"][over] == 0])
        window.free(rows)

    @reads("settled")
    def _settle(self, block: Block, cursor: int, effects: Effects) -> None:
        rows = self.claims.find(block["c"])
        known = np.flatnonzero(rows >= 0)
        self.claims["f"][rows[known]], self.claims["t"][rows[known]] = block["f"][known], block["t"][known]
        self.claims.touch(rows[known])

    # --- a look at all of it -------------------------------------------------------------------------------------

    def _look(self, effects: Effects) -> None:
        looks = self.looks
        looks["looked"][0] = looks["taken"][0]
        looks["looks"][0] += 1
        looks.touch(_FIRST)
        took_part = self.participations()
        self._find_clusters(took_part, effects)
        if self.groups.communities and int(looks["looks"][0]) % self.groups.health_every == 1:
            self._find_communities(took_part, effects)

    def participations(self) -> Participations:
        """The window in order of arrival, by rows of `members` and `claims`."""
        taken, size, window = int(self.looks["taken"][0]), len(self.window), self.window
        rows = window.find((taken - size + np.arange(size)) % self.groups.window)
        return Participations(
            window["s"][rows].astype(np.int64), window["c"][rows].astype(np.int64), window["t"][rows], window["x"][rows]
        )

    def _find_clusters(self, took_part: Participations, effects: Effects) -> None:
        members = self.members
        clusters = np.zeros(members.size, np.uint64)
        used: set[int] = set()
        for found in self.clusters(took_part):
            name = self._name_cluster(found, used)
            used.add(name)
            clusters[found] = name
        moved = np.flatnonzero(clusters != members["cl"][: members.size])
        self._assign(moved, clusters[moved], effects)

    def clusters(self, took_part: Participations) -> list[Ints]:
        """Rows of the members of each cluster, the largest first."""
        return find_clusters(took_part, self.members.size, self.groups.coordination)

    def _name_cluster(self, rows: Ints, used: set[int]) -> int:
        """The id that most members already bear, unless a larger part has it; else one made from a member's name."""
        known = self.members["cl"][rows]
        values, counts = np.unique(known[known > 0], return_counts=True)
        for value in values[np.argsort(-counts, kind="stable")].tolist():
            if value not in used:
                return int(value)
        return xxhash.xxh3_64_intdigest(min(self.members.keys_of(rows))) | 2

    def _assign(self, rows: Ints, clusters: npt.NDArray[np.uint64] | np.uint64, effects: Effects) -> None:
        """Tell the sources stage which cluster these sources are in now; 0 for none."""
        if not rows.size:
            return
        self.members["cl"][rows] = clusters
        self.members.touch(rows)
        columns: dict[str, Column] = {"s": self.members.categorical(rows), "cl": self.members["cl"][rows]}
        effects.blocks.append(Block("assign", "", 0, columns, {"version": self.seq}))

    def _find_communities(self, took_part: Participations, effects: Effects) -> None:
        members, k = self.members, self.groups.communities
        n = members.size
        found, viewpoint = map_sources(
            took_part.source, took_part.claim, n, self.claims.size, k, self.groups.coordination.joined_min
        )
        before = members["found"][:n].astype(np.int64)
        found = keep_names(before, found, k) if before.any() else found
        members["found"][:n] = found
        members.touch(members.rows())
        names, _ = self.communities.ensure([f"m{i:02d}" for i in range(1, k + 1)])
        named = members["named"][:n].astype(np.int64)
        community = np.where(named > 0, named, np.where(found > 0, names[np.maximum(found, 1) - 1], 0))
        view = View(took_part, community, viewpoint, self.claims["f"], self.claims["t"])
        common = {"core_version": self.core_version, "version": self.seq, "as_of_ms": self.now_ms}
        for row, record in vitals(view).items():
            name = str(self.communities.key(row))
            told: dict[str, Any] = {"v": 1, "community_id": name, **record, **common}
            effects.scores[name] = cast("CommunityDict", told)
