"""The core under test: the very state classes that the agents run, driven in event time without a broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from streams.agents.intake.copied_text import copy_hash
from streams.contract.record_dicts import ReasonDict, SourceScoreDict
from streams.evaluate.cascades import CascadeSet, Codes, Corrections, Small
from streams.evaluate.forks import Shared
from streams.evaluate.protocol import Batch, Flag
from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.claims.flag_writing import FlagContext, Flags
from streams.scoring.communities.communities_state import GroupsConfig, GroupsState
from streams.scoring.communities.coordination import Participations
from streams.scoring.config import ScoringConfig
from streams.scoring.dispatch import BlockCore, follow
from streams.scoring.effects import Effects
from streams.scoring.numeric import Ints
from streams.scoring.parameters.parameters_state import Learner
from streams.scoring.signals.registry import PRIOR_WEIGHTS
from streams.scoring.sources.sources_state import SourcesState
from streams.tables.blocks import Block, Column, concat
from streams.tables.categorical import Categorical

Floats = npt.NDArray[np.float64]

BLOCK_ROWS = 4096
GROUPS = GroupsConfig(communities=0)
RATER = "evaluate"


class Core:
    """One partition of each stage; what one sends the other arrives before the next log record.

    Args:
        data: the set, for the names of its codes; its rows are taken only as they are fed.
        config: of the core; the defaults unless given.
        groups: how copy-clusters are looked for, None if not at all. Communities move no score: none are looked for.
        without: signals of the risk that are switched off.
        learner: the parameters stage, that in force unless given.
    """

    name = "ours"
    probabilistic = True

    def __init__(
        self,
        data: CascadeSet,
        config: ScoringConfig | None = None,
        groups: GroupsConfig | None = GROUPS,
        without: Sequence[str] = (),
        learner: Learner | None = None,
    ) -> None:
        self.config = config or ScoringConfig()
        self.sources = _Sources(self.config, 0)
        self.claims = _Claims(self.config, 0)
        self.learner = learner or Learner()
        self.groups: GroupsState | None = _Groups(self.config, 0, groups) if groups else None
        self._columns = _Names(data)
        self._flags: dict[str, Flag] = {}
        self._code = {name: code for code, name in enumerate(data.claim_ids)}
        self._corrections, self._corrected = data.corrections, 0
        self._sequence = 0
        self._now_ms = 0
        if (
            without or tuple(self.learner.prior.tolist()) != PRIOR_WEIGHTS
        ):  # the first version says so, before any event
            off = Block("params", "", 0, {}, {"values": {f"risk_{name}": 0.0 for name in without}})
            for version in self.learner.apply(off, self._now_ms).blocks:
                self._send(version)

    def feed(self, batch: Batch) -> None:
        """Send the events through both stages, in blocks of at most 4,096 rows."""
        for lo in range(batch.lo, batch.hi, BLOCK_ROWS):
            hi = min(batch.hi, lo + BLOCK_ROWS)
            self._correct(int(batch.of.t_ms[lo]))
            self._now_ms = max(self._now_ms, int(batch.of.t_ms[hi - 1]))
            block = self._columns.block(batch.of, lo, hi, batch.asserted[lo - batch.lo : hi - batch.lo])
            self._send(block)

    def rule(self, claims: Codes, verdicts: Small, at_ms: int | Ints) -> None:
        """Send the rulings to the claims stage; its credits reach the sources, their new stamps the claims."""
        self._correct(int(np.min(at_ms)))
        self._now_ms = max(self._now_ms, int(np.max(at_ms)))
        n = len(claims)
        names = [self._columns.claims[c] for c in claims.tolist()]
        columns: dict[str, Column] = {
            "c": Categorical.of(names),
            "id": [f"ruling/{name}" for name in names],
            "ver": np.ones(n, np.int64),
            "verdict": verdicts.astype(np.int8),
            "rater": [RATER] * n,
            "t": np.broadcast_to(np.asarray(at_ms, np.int64), n),
            "kind": ["fact-check"] * n,
            "event": [""] * n,
            "url": [""] * n,
            "note": [""] * n,
            "h": np.zeros(n, np.uint64),
        }
        self._send(Block("rulings", "r/0", self._next(), columns))

    def predict(self, claims: Codes, at_ms: int) -> tuple[Floats, Floats]:
        """Risk in log-odds and the public score; a ruling on the claim itself is left out of both."""
        self._correct(at_ms)
        now = self.claims.read([self._columns.claims[c] for c in claims.tolist()], rulings=False)
        return np.asarray(now["risk_z"], np.float64), np.asarray(now["score"], np.float64)

    def _correct(self, before_ms: int) -> None:
        """Send the deletes and updates before a time that have not been sent."""
        corrections, lo = self._corrections, self._corrected
        self._corrected = max(lo, int(np.searchsorted(corrections.t_ms, before_ms)))
        if self._corrected > lo:
            self._now_ms = max(self._now_ms, int(corrections.t_ms[self._corrected - 1]))
            self._send(corrections_block(corrections, lo, self._corrected))

    def aside(self, withheld: Codes) -> None:
        """None: what one verdict teaches reaches every score, so a world without it must be run anew."""

    def flags(self) -> Sequence[Flag]:
        """First flag of each claim."""
        return list(self._flags.values())

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _send(self, block: Block) -> None:
        """Apply a block, and everything that follows from it, in the order in which it was sent."""
        for core, effects in follow(block, self._now_ms, self._readers):
            for flag in effects.flags:
                if flag["action"] == "raise":
                    code = self._code[flag["subject"]["id"]]
                    self._flags.setdefault(flag["subject"]["id"], Flag(code, int(flag["event_time_ms"])))
            for table in core.tables:
                table.disregard()

    def _readers(self, kind: str) -> tuple[BlockCore, ...]:
        if kind == "params":
            return self.sources, self.claims
        if kind == "lessons":
            return (self.learner,)
        if kind == "joined":
            return (self.groups,) if self.groups is not None else ()
        if kind == "settled":
            return ()  # verdicts say how communities fare, and those move no score
        return (self.sources,) if kind in ("events", "credits", "assign") else (self.claims,)


def corrections_block(corrections: Corrections, lo: int, hi: int) -> Block:
    """Deletes and updates lo ≤ i < hi as an "events" block."""
    ids, texts = list(corrections.event_ids[lo:hi]), corrections.texts[lo:hi]
    hashes = np.fromiter(map(xxhash.xxh3_64_intdigest, ids), np.uint64, hi - lo)
    columns: dict[str, Column] = {
        "s": Categorical.of(corrections.user_ids[lo:hi]),
        "c": Categorical.constant("", hi - lo),
        "i": ids,
        "e": hashes,
        "h": hashes,
        "kind": corrections.kind[lo:hi],
        "x": corrections.stance[lo:hi],
        "t": corrections.t_ms[lo:hi],
        "m": Categorical.constant("", hi - lo),
        "g": np.fromiter(map(copy_hash, texts), np.uint64, hi - lo),
        "r": np.fromiter(map(bool, texts), np.int8, hi - lo),
        "said": Categorical.constant("", hi - lo),
    }
    return Block("events", "e/0", np.arange(lo, hi), columns)


class _Sources(SourcesState):
    """The sources stage without its score records, which nobody reads here; no state depends on them."""

    def records(self, rows: Ints) -> dict[str, SourceScoreDict]:
        """None."""
        return {}


class _Claims(ClaimsState):
    """The claims stage without score records, and without the reasons of flags, the same way."""

    def __init__(self, config: ScoringConfig, partition: int) -> None:
        super().__init__(config, partition)
        self.flags = _Flags(self.data, self.communities, self.clock)

    def _publish(self, rows: Ints, effects: Effects) -> None:
        """Nobody."""


class _Flags(Flags):
    """Flags without reasons."""

    def _reasons(self, reading: Any, risk: float, action: int, context: FlagContext) -> list[ReasonDict]:
        """None."""
        return []


class _Groups(GroupsState):
    """The communities stage, which takes participations in when a look is due, and looks once for all forks.

    No ruling changes who joined what, so all forks of a world see the same. As long as nobody has to leave the window,
    it does not matter whether participations enter it at once or block by block.
    """

    def __init__(self, config: ScoringConfig, partition: int, groups: GroupsConfig) -> None:
        super().__init__(config, partition, groups)
        self._looks: Shared[list[Ints]] = Shared()
        self._waiting: list[Block] = []

    def apply(self, block: Block, append_ms: int, cursor: int = 0) -> Effects:
        """Take in a "joined" block, now or together with later ones."""
        columns = {name: c.used() if isinstance(c, Categorical) else c for name, c in block.columns.items()}
        self._waiting.append(Block(block.kind, block.up, block.origin, columns))
        taken = int(self.looks["taken"][0]) + sum(map(len, self._waiting))
        fresh = taken - int(self.looks["looked"][0])
        *before, last = self._waiting
        if taken > self.groups.window:  # somebody leaves: that must not happen before those who wait have come
            if before:
                super().apply(concat(before), append_ms)
            self._waiting = []
            return super().apply(last, append_ms)
        if fresh < max(self.groups.every, taken // 16):
            return Effects()
        joined, self._waiting = concat(self._waiting), []
        return super().apply(joined, append_ms)

    def clusters(self, took_part: Participations) -> list[Ints]:
        """Rows of the members of each cluster, the largest first."""
        seen = (took_part.source, took_part.claim, took_part.t_ms, took_part.stance, np.array([self.members.size]))
        return self._looks.once(seen, lambda: super(_Groups, self).clusters(took_part))


class _Names:
    """Columns of a set as blocks want them: names for codes, hashes for ids."""

    def __init__(self, data: CascadeSet) -> None:
        self.users = list(data.user_ids)
        self.claims = list(data.claim_ids)
        self._communities = list(data.communities)

    def block(self, data: CascadeSet, lo: int, hi: int, asserted: Small) -> Block:
        """Rows lo ≤ i < hi as an "events" block. Queries and comments keep their code: they assert nothing."""
        ids = list(data.event_ids[lo:hi])
        hashes = np.fromiter(map(xxhash.xxh3_64_intdigest, ids), np.uint64, hi - lo)
        given = data.stance[lo:hi]
        columns: dict[str, Column] = {
            "s": Categorical(self.users, data.user[lo:hi]).used(),
            "c": Categorical(self.claims, data.claim[lo:hi]).used(),
            "i": ids,
            "e": hashes,
            "h": hashes,
            "kind": data.kind[lo:hi],
            "x": np.where(asserted > 0, asserted, given).astype(np.int8),
            "t": data.t_ms[lo:hi],
            "m": Categorical(self._communities, data.community[lo:hi]),
            "g": data.text_hash[lo:hi],
            "r": np.fromiter((not p for p in data.parent[lo:hi]), np.int8, hi - lo) * (data.kind[lo:hi] == 0),
            "said": Categorical.constant("", hi - lo),
        }
        return Block("events", "e/0", np.arange(lo, hi), columns)
