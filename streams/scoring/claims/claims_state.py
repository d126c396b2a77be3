"""State of one partition of stage "claims": ledger, corroboration, cascade, risk, rulings and flags of its claims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.contract.codes import CORRECTS_FROM, DENY, FALSE, POST, TRUE
from streams.contract.record_dicts import ClaimScoreDict
from streams.scoring import cascade
from streams.scoring.claims.claim_tables import ClaimTables
from streams.scoring.claims.edits import Edits
from streams.scoring.claims.explain import explain
from streams.scoring.claims.flags import FlagContext, Flags
from streams.scoring.claims.ledger import Ledger
from streams.scoring.claims.lessons import Lessons
from streams.scoring.claims.reading import VERDICTS, Reading, evidence_level, read, records, score_log_odds
from streams.scoring.claims.settlement import Rulings
from streams.scoring.config import ScoringConfig
from streams.scoring.dispatch import reads
from streams.scoring.effects import Effects
from streams.scoring.numeric import Floats, Ints, add_at, distinct, from_fixed, sigmoid
from streams.scoring.partition import PartitionState, communities_table
from streams.tables.blocks import Block, Column

_NEVER = np.iinfo(np.int64).max
FEW = 8  # claims whose participants are sooner looked for one after the other


class ClaimsState(PartitionState):
    """Folds stamped events, new stamps, rulings and parameters of the claims of one partition."""

    def __init__(self, config: ScoringConfig | None = None, partition: int = 0) -> None:
        super().__init__(config, partition)
        self.communities = communities_table()
        self.data = ClaimTables()
        self.ledger = Ledger(self.data, self.config)
        self.edits = Edits(self.data, self.ledger)
        self.rulings = Rulings(self.data)
        self.lessons = Lessons(self.data, self.config)
        self.flags = Flags(self.data, self.clock)
        self.tables = (self.clock, self.params_values, self.communities, *self.data.all())

    def end(self, effects: Effects) -> None:
        """Forget what has expired."""
        if self.sweep_due():
            self._sweep(effects)

    # --- rows of other stages ------------------------------------------------------------------------------------

    @reads("stamped")
    def _fold_events(self, block: Block, cursor: int, effects: Effects) -> None:
        if not len(block):
            return
        claims, parts, t_ms = self.data.claims, self.data.parts, block["t"]
        claim_rows, _ = claims.ensure(block["c"])
        name_rows, _ = self.data.names.ensure(block["s"])
        part_rows, made = parts.ensure((claim_rows << 32) | name_rows)
        touched = distinct(claim_rows)
        self.lessons.note(touched, t_ms, claim_rows, self.params)
        empty = touched[claims["events"][touched] == 0]
        claims["first"][empty], claims["last"][empty] = _NEVER, 0
        before_ms, first_ms = claims["last"][touched], claims["first"][touched]
        add_at(claims["events"], claim_rows, 1)
        np.minimum.at(claims["first"], claim_rows, t_ms)
        np.maximum.at(claims["last"], claim_rows, t_ms)
        claims["seen"][touched] = self.now_s
        claims.touch(touched)
        if (claims["first"][touched] < first_ms).any():
            self.ledger.began_otherwise(touched[claims["first"][touched] < first_ms])
        if made.size:
            self._admit(part_rows, made, claim_rows, name_rows)
        cascade.fold(claims, touched, claim_rows, t_ms, before_ms)
        cascade.fold_start(claims, touched, claim_rows, t_ms, first_ms)
        bare = touched[claims["bare"][touched] > 0]
        if bare.size:
            claims["bare"][claim_rows[block["kind"] == POST]] = 0
        q = self._own_stance(claim_rows, block["x"])
        named, _ = self.communities.ensure(block["m"])
        changed = self.ledger.fold(block, claim_rows, part_rows, made, named, q)
        self._decide(touched, effects)
        self._credit_late(changed, effects)

    def _admit(self, part_rows: Ints, made: Ints, claim_rows: Ints, name_rows: Ints) -> None:
        """New participants: who they are."""
        parts = self.data.parts
        parts["c"][part_rows], parts["s"][part_rows] = claim_rows, name_rows
        add_at(self.data.names["parts"], parts["s"][made], 1)
        self.data.names.touch(parts["s"][made].astype(np.int64))

    def _own_stance(self, claim_rows: Ints, stance: npt.NDArray[np.int8]) -> Floats:
        """q: P(own stance is right) from the state before this block, rulings apart."""
        known, weight = (from_fixed(self.data.claims[name][claim_rows]) for name in ("L", "A"))
        true: Floats = sigmoid(score_log_odds(known, weight, self.params))
        return np.where(stance == DENY, 1.0 - true, true)

    def _known(self, block: Block) -> tuple[Block, Ints, Ints]:
        """The rows of a block about participants that are known, and rows of these and of their claims."""
        claim_rows, name_rows = self.data.claims.find(block["c"]), self.data.names.find(block["s"])
        keys = np.where((claim_rows >= 0) & (name_rows >= 0), (claim_rows << 32) | name_rows, -1)
        part_rows = self.data.parts.find(keys)
        known = np.flatnonzero(part_rows >= 0)
        if known.size < len(block):
            block, part_rows, claim_rows = block.take(known), part_rows[known], claim_rows[known]
        return block, part_rows, claim_rows

    @reads("restamp")
    def _restamp(self, block: Block, cursor: int, effects: Effects) -> None:
        block, part_rows, claim_rows = self._known(block)
        if not part_rows.size:
            return
        self.ledger.restamp(block, part_rows)
        touched = distinct(claim_rows)
        self.data.claims.touch(touched)
        self._decide(touched, effects)

    @reads("corrections")
    def _correct(self, block: Block, cursor: int, effects: Effects) -> None:
        block, part_rows, claim_rows = self._known(block.take(np.flatnonzero(block["kind"] >= CORRECTS_FROM)))
        if not part_rows.size:
            return
        changed = self.edits.fold(block, part_rows, self._own_stance(claim_rows, block["x"]))
        touched = distinct(claim_rows)
        self.data.claims.touch(touched)
        self._decide(touched, effects)
        self._credit_late(changed, effects)

    @reads("params")
    def _take_version(self, block: Block, cursor: int, effects: Effects) -> None:
        """A parameter version arrives; one that kills flags retracts all that stand, in steps."""
        if cursor == 0:
            self.take_params(block)
        if self.params.flags_killed <= 0:
            return
        raised = np.flatnonzero(self.data.claims["flag"][: self.data.claims.size] > 0)
        self._decide(raised[: self.config.publish_step], effects)
        if len(raised) > self.config.publish_step:
            effects.next_cursor = cursor + 1

    # --- rulings and credits -------------------------------------------------------------------------------------

    @reads("rulings")
    def _rule(self, block: Block, cursor: int, effects: Effects) -> None:
        claims = self.data.claims
        if cursor == 0 and len(block):
            rows, _ = claims.ensure(block["c"])
            claims["seen"][rows] = self.now_s
            changed = self.rulings.fold(block, rows, self.seq, effects)
            lessons = self.lessons.settled(np.asarray(changed, np.int64), self.params)
            effects.participation += self._settled(np.asarray(changed, np.int64))
            if lessons is not None:
                effects.lessons.append(lessons)
            touched = distinct(rows)
            claims.touch(touched)
            self._decide(touched, effects, publish_all=True)
        rows, step = self._creditors(cursor), self.config.settle_step
        self._credit(rows[:step], effects, again=True)
        if len(rows) > step:
            effects.next_cursor = int(rows[step])
            return
        paid = np.flatnonzero(claims["owed"][: claims.size])
        claims["owed"][paid] = 0
        claims.touch(paid)

    def _creditors(self, cursor: int) -> Ints:
        """Participants, from row `cursor` on, of claims whose credits are owed."""
        parts, owed = self.data.parts, self.data.claims["owed"][: self.data.claims.size]
        owner, owing = parts["c"][cursor : parts.size], owed.nonzero()[0].tolist()
        if len(owing) > FEW:
            mine = owed[owner] > 0
        else:  # comparing a column with a number takes a fraction of the time of looking up every row's claim
            mine = np.zeros(len(owner), bool)
            for claim in owing:
                mine |= owner == claim
        rows = mine.nonzero()[0] + cursor
        live: Ints = rows[parts["z"][rows] > 0]
        return live

    def _settled(self, rows: Ints) -> list[Block]:
        """What the communities stage is told of claims whose verdict changed."""
        if not rows.size:
            return []
        claims = self.data.claims
        verdict = claims["verdict"][rows]
        finding = np.where(verdict == FALSE, 1, np.where(verdict == TRUE, -1, 0)).astype(np.int8)
        columns: dict[str, Column] = {"c": claims.categorical(rows), "f": finding, "t": claims["ruled"][rows]}
        return [Block("settled", "", 0, columns)]

    def _credit_late(self, part_rows: Ints, effects: Effects) -> None:
        """Who joins, or changes, a settled claim is credited at once."""
        settled = self.data.claims["verdict"][self.data.parts["c"][part_rows]] > 0
        if settled.any():
            self._credit(part_rows[settled], effects, again=False)

    def _credit(self, rows: Ints, effects: Effects, again: bool) -> None:
        """Credits for participants whose outcome is not the one sent last; with `again` also where it is the same."""
        if not rows.size:
            return
        claims, parts = self.data.claims, self.data.parts
        owner = parts["c"][rows]
        verdict, ruled = claims["verdict"][owner], claims["ruled"][owner]
        found = self.edits.outcomes(rows, ruled)
        stance, q = found.stance, found.q
        decided = (verdict == TRUE) | (verdict == FALSE)
        # Who denies takes the other side: denying a falsehood is no taking part in it.
        side = np.where(found.there, np.where(found.side == DENY, -1, 1), 0)
        f = (np.where(verdict == FALSE, 1, np.where(verdict == TRUE, -1, 0)) * side).astype(np.int8)
        right = (stance != DENY) == (verdict == TRUE)
        y = np.where(decided & (stance > 0), np.where(right, 1, -1), 0).astype(np.int8)
        stance = np.where(y != 0, stance, 0)
        differs = (y != parts["cy"][rows]) | (f != parts["cf"][rows]) | (stance != parts["cx"][rows])
        send = np.flatnonzero(differs | ((y != 0) | (f != 0)) if again else differs)
        if not send.size:
            return
        rows, owner = rows[send], owner[send]
        before = (parts["cy"][rows], parts["cx"][rows])
        lesson = self.lessons.tallies(rows, before, (y[send], stance[send].astype(np.int8)))
        if lesson is not None:
            effects.lessons.append(lesson)
        parts["cy"][rows], parts["cf"][rows], parts["cx"][rows] = y[send], f[send], stance[send]
        parts.touch(rows)
        columns: dict[str, Column] = {
            "s": self.data.names.categorical(parts["s"][rows]),
            "c": claims.categorical(owner),
            "ver": claims["sver"][owner],
            "y": y[send],
            "stance": stance[send].astype(np.int8),
            "q": np.round(q[send], 4),
            "f": f[send],
            "t": ruled[send],
        }
        effects.blocks.append(Block("credits", "", 0, columns))

    # --- what leaves ---------------------------------------------------------------------------------------------

    def _context(self) -> FlagContext:
        return FlagContext(self.config, self.params, self.core_version, self.now_ms, self.seq)

    def _decide(self, rows: Ints, effects: Effects, publish_all: bool = False) -> None:
        """Flags and score records of touched claims: once for each log record."""
        claims, config = self.data.claims, self.config
        rows = rows[(claims["events"][rows] > 0) | (claims["told"][rows] > 0) | (claims["flag"][rows] > 0)]
        if not rows.size:
            return
        reading = read(self.data, rows, config, self.params)
        flags = self.flags.decide(reading, self._context())
        effects.flags.extend(flags)
        self._tell(reading, publish_all or bool(flags), effects)

    def _tell(self, reading: Reading, everything: bool, effects: Effects) -> None:
        """Score records of the claims read that moved materially, or of all."""
        claims, config, rows = self.data.claims, self.config, reading.rows
        told = claims["told"][rows]
        moved = (
            (told == 0)
            | (np.abs(reading.score_z - claims["told_score"][rows]) > config.publish_epsilon)
            | (np.abs(reading.risk_z - claims["told_risk"][rows]) > config.publish_epsilon)
            | (claims["events"][rows] > told * (1.0 + config.publish_growth))
            | (claims["events"][rows] == 0)
        )
        if everything:
            moved[:] = True
        picked = moved.nonzero()[0]
        if picked.size:
            self._publish(reading.take(picked), effects)

    def _publish(self, reading: Reading, effects: Effects) -> None:
        claims, rows = self.data.claims, reading.rows
        claims["told"][rows] = claims["events"][rows]
        claims["told_score"][rows], claims["told_risk"][rows] = reading.score_z, reading.risk_z
        claims.touch(rows)
        effects.scores.update(self.records(reading))

    def records(self, reading: Reading) -> dict[str, ClaimScoreDict]:
        """Score records of read claims, by claim id; changes no state."""
        return records(self.data, reading, self.config, self._common())

    def _common(self) -> dict[str, Any]:
        return {"v": 1, "core_version": self.core_version, "as_of_ms": self.now_ms, "version": self.seq}

    @reads("tick")
    def _pass_time(self, block: Block, cursor: int, effects: Effects) -> None:
        """Expired flags are retracted and counts that moved immaterially go out on a tick."""
        everything = bool(block.meta.get("flush"))
        claims, config = self.data.claims, self.config
        expired = np.asarray(self.flags.expired(self._context()), np.int64)
        if expired.size:
            reading = read(self.data, expired, config, self.params)
            effects.flags.extend(self.flags.expire(reading, self._context()))
            self._publish(reading, effects)
        size = claims.size
        stale = claims["events"][:size] != claims["told"][:size]
        if not everything:
            stale &= claims["seen"][:size].astype(np.int64) * 1000 <= self.now_ms - config.publish_idle_ms
        rows = np.flatnonzero(stale)
        if rows.size:
            self._publish(read(self.data, rows[: config.publish_step], config, self.params), effects)
        if everything and len(rows) > config.publish_step:
            effects.next_cursor = 1

    # --- reads, for queries and evaluation -----------------------------------------------------------------------

    def read(self, claim_ids: Sequence[str], rulings: bool = True) -> dict[str, npt.NDArray[Any]]:
        """Scores of claims as they stand; no state changes.

        Args:
            claim_ids: claims to read; one that is unknown reads as a claim without any participant.
            rulings: with False, rulings on these very claims are left out (what they taught sources is not).

        Returns:
            arrays over the claims: score, low, high, risk in (0, 1); score_z, risk_z (nats); evidence (effective
            independent weight); enough_evidence, known (bool); events, participants, supports, denies, queries,
            comments, first_event_ms, last_event_ms, verdict (0 none, 1 true, 2 false, 3 mixed), flagged; signals
            (claims × risk.SIGNALS).
        """
        found = self.data.claims.find(claim_ids)
        if not self.data.claims.size:
            raise KeyError("no claims yet")
        rows = np.maximum(found, 0)
        claims = self.data.claims
        reading = read(self.data, rows, self.config, self.params, rulings)
        out: dict[str, npt.NDArray[Any]] = {
            "score": sigmoid(reading.score_z),
            "low": sigmoid(reading.score_z - 1.645 * reading.spread),
            "high": sigmoid(reading.score_z + 1.645 * reading.spread),
            "risk": sigmoid(reading.risk_z),
            "score_z": reading.score_z,
            "risk_z": reading.risk_z,
            "evidence": reading.weight,
            "enough_evidence": evidence_level(reading, claims["verdict"][rows], self.config),
            "signals": reading.signals,
            "known": found >= 0,
        }
        for name, field in (
            ("events", "events"), ("participants", "parts"), ("supports", "n1"), ("denies", "n2"), ("queries", "n3"),
            ("comments", "n4"), ("first_event_ms", "first"), ("last_event_ms", "last"), ("verdict", "verdict"),
        ):  # fmt: skip
            out[name] = claims[field][rows]
        out["flagged"] = claims["flag"][rows] > 0
        return out

    def explain(self, claim_id: str) -> dict[str, Any]:
        """Why a claim scores as it does: exact contributions, ranked; KeyError for an unknown claim."""
        row = self.data.claims.find_one(claim_id)
        if row < 0:
            raise KeyError(claim_id)
        return {
            **explain(self.data, row, self.config, self.params, self.communities),
            "verdict": VERDICTS[int(self.data.claims["verdict"][row])],
            **self._common(),
        }

    def told(self, claim_id: str) -> list[dict[str, Any]]:
        """What was ruled on a claim, by rater and version: rater_id, id, ver, verdict, t, kind, url, fate."""
        row = self.data.claims.find_one(claim_id)
        return [] if row < 0 else self.rulings.told(row)

    # --- forgetting ----------------------------------------------------------------------------------------------

    def _sweep(self, effects: Effects) -> None:
        """Forget claims long quiet, whole, a bounded number of participants in one log record."""
        data, config = self.data, self.config
        gone = np.flatnonzero(self._quiet(data.claims, config.claim_expiry_ms))
        if not gone.size:
            self.swept()
            return
        sizes = np.cumsum(data.claims["parts"][gone])
        fits = max(1, int(np.searchsorted(sizes, config.sweep_step, side="right")))
        if fits >= len(gone):
            self.swept()
        gone = gone[:fits]
        marked = np.zeros(self.data.claims.size, bool)
        marked[gone] = True
        self.rulings.forget(marked, effects)
        self.data.forget(gone)
