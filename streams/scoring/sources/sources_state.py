"""State of one partition of stage "sources": who a source is, what it has joined, what verdicts said about it.

Events come in, are checked for repeats, folded, and leave with the source's current stamp (weight, history, copy-
cluster). Credits come back from the claims stage and are the only thing that teaches.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.contract.codes import CORRECTS_FROM, DENY, RESHARE, SUPPORT
from streams.contract.record_dicts import SourceScoreDict
from streams.scoring.config import ScoringConfig
from streams.scoring.dispatch import reads
from streams.scoring.effects import Effects
from streams.scoring.numeric import Ints, add_at, decay, distinct, first_seen, from_fixed, grouped, mix_keys
from streams.scoring.partition import PartitionState
from streams.scoring.sources import credibility
from streams.scoring.sources.corrections import Corrections
from streams.scoring.sources.credits import apply_credits, recount
from streams.scoring.sources.insight import insight_score
from streams.scoring.sources.open_claims import OpenClaims
from streams.scoring.sources.stamps import Stamps
from streams.tables.blocks import Block, Column
from streams.tables.categorical import Categorical
from streams.tables.table import Table

SOURCE_FIELDS = {
    "events": "i8",
    "claims": "i8",
    "right": "i4",  # undecayed settled claims
    "wrong": "i4",
    "ref": "i8",  # time of the latest verdict in force, to which the sums below are decayed, ms; 0: none
    "rs": "f8",  # right and wrong by stance: supports
    "es": "f8",
    "rd": "f8",  # denials
    "ed": "f8",
    "rp": "f8",  # what it passed on
    "ep": "f8",
    "f0": "i4",  # false and true claims joined, undecayed,
    "t0": "i4",
    "f30": "f8",  # and by half-life
    "t30": "f8",
    "f60": "f8",
    "t60": "f8",
    "gain": "i8",  # insight, fixed point
    "loss": "i8",
    "cl": "u8",
    "head": "i4",  # newest open claim: row of the pair + 1
    "seen": "u4",  # append time, s
    "told": "i8",  # events at the last published record
}
_LATEST_S = (1 << 32) - 1  # that its column holds
PAIR_FIELDS = {
    "e": "u8",  # first event: hash of its id and of its content
    "h": "u8",
    "n": "i4",  # events ever, and those of them that the source took back
    "gone": "i4",
    "seen": "u4",
    "at": "u4",  # moment of the stamp: event time in s, 0 where it was forgotten,
    "coins": "i4",  # and generation of the coins
    "t": "i8",  # credit applied: time of the first ruling,
    "q": "f4",
    "ver": "i8",
    "y": "i1",
    "f": "i1",
    "x": "i1",  # and the stance credited
    "next": "i4",  # neighbours in the source's list of open claims, rows + 1
    "prev": "i4",
}


class SourcesState(PartitionState):
    """Folds events, credits, assignments and parameters of the sources of one partition."""

    def __init__(self, config: ScoringConfig | None = None, partition: int = 0) -> None:
        super().__init__(config, partition)
        self.sources = Table("sources", SOURCE_FIELDS)
        self.claims = Table("claim_names", {"pairs": "i4"})
        self.pairs = Table("pairs", PAIR_FIELDS, integers=True)
        self.extras = Table("extras", {"h": "u8", "seen": "u4"}, integers=True)
        self.open_claims = OpenClaims(self.sources, self.pairs)
        self.corrections = Corrections(self.sources, self.pairs, self.extras, self.claims, self.open_claims)
        self.stamps = Stamps(self.sources, self.pairs, self.open_claims, self.config)
        self.tables = (
            self.clock, self.params_values, self.sources, self.claims, self.pairs, self.extras,
            self.stamps.generations, self.corrections.corrected, self.corrections.updates,
        )  # fmt: skip

    def end(self, effects: Effects) -> None:
        """Forget what has expired."""
        if self.sweep_due():
            self._sweep()

    # --- events ------------------------------------------------------------------------------------------------

    @reads("events")
    def _take_events(self, block: Block, cursor: int, effects: Effects) -> None:
        """Fold the events of a block, then what its deletes and updates say of them and of earlier ones."""
        corrects = block["kind"] >= CORRECTS_FROM
        if not corrects.any():
            self._fold_events(block, effects)
            return
        events = np.flatnonzero(~corrects)
        self._fold_events(block.take(events), effects)
        effects.dead = [(int(events[i]), code, detail) for i, code, detail in effects.dead]
        corrections, repeats = self.corrections.fold(block.take(np.flatnonzero(corrects)), self.now_s)
        effects.repeats += repeats
        effects.blocks += corrections

    def _fold_events(self, block: Block, effects: Effects) -> None:
        if not len(block):
            return
        source_rows, _ = self.sources.ensure(block["s"])
        claim_rows, _ = self.claims.ensure(block["c"])
        pair_rows, made = self.pairs.ensure((source_rows << 32) | claim_rows)
        if len(made) == len(block):
            self.pairs["e"][pair_rows], self.pairs["h"][pair_rows] = block["e"], block["h"]
            new_at = np.arange(len(block))
            kept = block
        else:
            accepted, new_at = self._drop_repeats(block, pair_rows, made, effects)
            if not accepted.size:
                return
            if accepted.size < len(block):
                kept = block.take(accepted)
                source_rows, claim_rows, pair_rows = source_rows[accepted], claim_rows[accepted], pair_rows[accepted]
                new_at = np.searchsorted(accepted, new_at)
            else:
                kept = block
        seen = self.now_s
        add_at(self.sources["events"], source_rows, 1)
        self._count(pair_rows)
        self.sources["seen"][source_rows] = seen
        self.pairs["seen"][pair_rows] = seen
        self.sources.touch(source_rows)
        self.pairs.touch(pair_rows)
        if new_at.size:
            self._open(source_rows[new_at], claim_rows[new_at], pair_rows[new_at])
            self._tell_joined(kept, source_rows, new_at, effects)
        latest = max(int(kept["t"].max()), int(self.clock["latest_ms"][0]))
        self.clock["latest_ms"][0] = latest
        effects.blocks.append(self._stamped(kept, source_rows, pair_rows, latest))
        effects.blocks += self.corrections.meet(kept, source_rows, pair_rows, self.now_s)

    def _count(self, pair_rows: Ints) -> None:
        """Events of pairs; a source that had taken back all it said in a claim is in it again."""
        gone = self.pairs["gone"][pair_rows]
        if gone.any():
            back = distinct(pair_rows[(gone > 0) & (gone == self.pairs["n"][pair_rows])])
            add_at(self.sources["claims"], self.pairs.keys_of(back) >> 32, 1)
        add_at(self.pairs["n"], pair_rows, 1)

    def _open(self, source_rows: Ints, claim_rows: Ints, pair_rows: Ints) -> None:
        add_at(self.sources["claims"], source_rows, 1)
        add_at(self.claims["pairs"], claim_rows, 1)
        self.claims.touch(claim_rows)
        self.open_claims.push(source_rows, pair_rows)

    def _tell_joined(self, kept: Block, source_rows: Ints, new_at: Ints, effects: Effects) -> None:
        """Tell the communities stage who asserts on a second claim or a later one: only they can meet again."""
        x = kept["x"][new_at]
        again = new_at[((x == SUPPORT) | (x == DENY)) & (self.sources["claims"][source_rows[new_at]] > 1)]
        if again.size:
            effects.participation.append(
                Block("joined", "", 0, {name: kept[name][again] for name in ("s", "c", "t", "x", "m")})
            )

    def _drop_repeats(self, block: Block, pair_rows: Ints, made: Ints, effects: Effects) -> tuple[Ints, Ints]:
        """Rows of the block to keep, ascending, and those among them that begin a (source, claim)."""
        ids, contents, pairs = block["e"], block["h"], self.pairs
        accepted = np.zeros(len(block), bool)
        new_at = first_seen(pair_rows, made) if made.size else made
        pairs["e"][pair_rows[new_at]], pairs["h"][pair_rows[new_at]] = ids[new_at], contents[new_at]
        accepted[new_at] = True
        known = pairs["h"][pair_rows]
        again = ~accepted & (pairs["e"][pair_rows] == ids)
        other = np.flatnonzero(~accepted & ~again)
        if other.size:
            extra_rows, extra_made = self.extras.ensure(mix_keys(pair_rows[other], ids[other]))
            first = other[first_seen(extra_rows, extra_made)] if extra_made.size else extra_made
            self.extras["h"][extra_made] = contents[first]
            self.extras["seen"][extra_made] = self.now_s
            accepted[first] = True
            known[other] = self.extras["h"][extra_rows]
        refused = ~accepted
        conflicts = np.flatnonzero(refused & (known != contents))
        effects.repeats += int(refused.sum()) - len(conflicts)
        for i in conflicts.tolist():
            effects.dead.append((i, "id_conflict", f"event {block['i'][i]} came before with other content"))
        return np.flatnonzero(accepted), new_at

    def _stamped(self, kept: Block, source_rows: Ints, pair_rows: Ints, at_ms: int) -> Block:
        columns: dict[str, Column] = {
            "s": kept["s"],
            "c": kept["c"],
            "i": ["" if kind == RESHARE else i for i, kind in zip(kept["i"], kept["kind"].tolist(), strict=True)],
        }
        for name in ("e", "kind", "x", "t", "m", "g", "r"):
            columns[name] = kept[name]
        at_s, generation = min(max(1, at_ms // 1000), _LATEST_S), self.stamps.generation
        self.pairs["at"][pair_rows], self.pairs["coins"][pair_rows] = at_s, generation
        columns.update(self._stamp_columns(source_rows, pair_rows, generation))
        return Block("stamped", "", 0, columns)

    def _stamp_columns(self, source_rows: Ints, pair_rows: Ints, generation: Any) -> dict[str, Column]:
        """Stamps of the given sources for their claims, with their sequence and cluster."""
        return {
            **self.stamps.of(source_rows, pair_rows, generation, self.params),
            "z": np.full(len(source_rows), self.seq, np.int64),
            "cl": self.sources["cl"][source_rows],
        }

    # --- what comes back -----------------------------------------------------------------------------------------

    @reads("credits")
    def _settle(self, block: Block, cursor: int, effects: Effects) -> None:
        if not len(block):
            return
        source_rows, _ = self.sources.ensure(block["s"])
        claim_rows, _ = self.claims.ensure(block["c"])
        pair_rows, made = self.pairs.ensure((source_rows << 32) | claim_rows)
        if made.size:  # forgotten meanwhile: remember the claim again, so that a revision finds what was applied
            add_at(self.claims["pairs"], self.pairs.keys_of(made) & 0xFFFFFFFF, 1)
            self.claims.touch(claim_rows)
            self.open_claims.push(self.pairs.keys_of(made) >> 32, made)
        changed, replaced = apply_credits(self.sources, self.pairs, source_rows, pair_rows, block, self.config)
        if replaced.size:
            recount(self.sources, self.pairs, replaced, *self.open_claims.settled(replaced), self.config)
        self.pairs["seen"][pair_rows] = self.now_s
        self.pairs.touch(pair_rows)
        self.sources.touch(changed)
        self._restamp(changed, effects, self.config.restamp_claims, credited=distinct(pair_rows))
        self._publish(changed, effects)

    @reads("assign")
    def _assign(self, block: Block, cursor: int, effects: Effects) -> None:
        rows = self.sources.find(block["s"])
        known = np.flatnonzero(rows >= 0)
        rows = rows[known]
        clusters = block["cl"][known]
        moved = self.sources["cl"][rows] != clusters
        self.sources["cl"][rows] = clusters
        self.sources.touch(rows)
        self._restamp(distinct(rows[moved]), effects, self.config.recluster_claims)

    @reads("params")
    def _relearn(self, block: Block, cursor: int, effects: Effects) -> None:
        """A parameter version: if it moves weights materially, sources active of late get new stamps, in steps."""
        if cursor == 0:
            self.take_params(block)
            if not self.stamps.learn(self.params):
                return
        recent = self.sources["seen"][cursor : self.sources.size] >= self.now_s - self.config.restamp_recent_ms // 1000
        rows = np.flatnonzero(recent & (self.sources["head"][cursor : self.sources.size] > 0)) + cursor
        step = self.config.settle_step
        self._take_coins(rows[:step], effects)
        if len(rows) > step:
            effects.next_cursor = int(rows[step])

    def _take_coins(self, rows: Ints, effects: Effects) -> None:
        """The generation of coins in force reaches the open claims of these sources whose weights it moves."""
        owner, pair_rows = self.open_claims.newest(rows, self.config.restamp_claims)
        coins = self.pairs["coins"]
        then = self.stamps.of(rows[owner], pair_rows, coins[pair_rows], self.params)
        now = self.stamps.of(rows[owner], pair_rows, self.stamps.generation, self.params)
        gap = [np.abs(np.maximum(now[name], 0) - np.maximum(then[name], 0)) for name in ("w", "v")]
        moved = np.flatnonzero(np.maximum(*gap) > self.config.restamp_epsilon / 2)
        coins[pair_rows[moved]] = self.stamps.generation
        self.pairs.touch(pair_rows[moved])
        self._send_stamps(rows[owner[moved]], pair_rows[moved], effects)

    def _restamp(self, rows: Ints, effects: Effects, most: int, credited: Ints | None = None) -> None:
        """New stamps for the newest open claims of sources whose record or cluster changed.

        Args:
            credited: the pairs by whose verdicts it changed; the only one of a source needs no new stamp itself.
        """
        owner, pair_rows = self.open_claims.newest(rows, most)
        if credited is not None:
            by_source = np.bincount(np.searchsorted(rows, self.pairs.keys_of(credited) >> 32), minlength=len(rows) + 1)
            moved = np.flatnonzero((by_source[owner] > 1) | ~np.isin(pair_rows, credited))
            owner, pair_rows = owner[moved], pair_rows[moved]
        self._send_stamps(rows[owner], pair_rows, effects)

    def _send_stamps(self, source_rows: Ints, pair_rows: Ints, effects: Effects) -> None:
        if not pair_rows.size:
            return
        pairs = self.pairs
        sources, owner = grouped(source_rows)
        columns: dict[str, Column] = {
            "s": Categorical(self.sources.keys_of(sources), owner),
            "c": self.claims.categorical(pairs.keys_of(pair_rows) & 0xFFFFFFFF),
            **self._stamp_columns(source_rows, pair_rows, pairs["coins"][pair_rows]),
        }
        effects.blocks.append(Block("restamp", "", 0, columns))

    # --- publishing and forgetting -------------------------------------------------------------------------------

    def _publish(self, rows: Ints, effects: Effects) -> None:
        self.sources["told"][rows] = self.sources["events"][rows]
        self.sources.touch(rows)
        effects.scores.update(self.records(rows))

    @reads("tick")
    def _pass_time(self, block: Block, cursor: int, effects: Effects) -> None:
        """Counts that moved without a verdict go out on a tick, once the source has been quiet for a while."""
        everything = bool(block.meta.get("flush"))
        sources, step = self.sources, self.config.publish_step
        size = sources.size
        stale = sources["events"][:size] != sources["told"][:size]
        if not everything:
            stale &= sources["seen"][:size].astype(np.int64) * 1000 <= self.now_ms - self.config.publish_idle_ms
        rows = np.flatnonzero(stale)
        self._publish(rows[:step], effects)
        if everything and len(rows) > step:
            effects.next_cursor = 1

    def records(self, rows: Ints) -> dict[str, SourceScoreDict]:
        """Score records of live sources, by source id; changes no state."""
        sources, config, params = self.sources, self.config, self.params
        age = np.maximum(int(self.clock["latest_ms"][0]) - sources["ref"][rows], 0)
        fade = decay(age, config.credibility_half_life_ms)
        right = (sources["rs"][rows] + sources["rd"][rows] + sources["rp"][rows]) * fade
        wrong = (sources["es"][rows] + sources["ed"][rows] + sources["ep"][rows]) * fade
        right_n, wrong_n = sources["right"][rows], sources["wrong"][rows]
        band = credibility.history_band(right_n + wrong_n)
        acc = credibility.accuracy(right, wrong, band, config, params)
        low, high = credibility.accuracy_interval(right, wrong, band, config, params)
        insight = insight_score(from_fixed(sources["gain"][rows]), from_fixed(sources["loss"][rows]), right_n + wrong_n)
        columns = [np.round(c, 6).tolist() for c in (acc, low, high, insight)]
        columns += [sources[c][rows].tolist() for c in ("events", "claims")] + [right_n.tolist(), wrong_n.tolist()]
        core, now, seq = self.core_version, self.now_ms, self.seq
        # Written out: this runs for every credit, and a literal is a third of the cost of merged dictionaries.
        return {
            i: {
                "v": 1, "source_id": i, "credibility": mean, "low": lower, "high": upper, "insight": extra,
                "events": events, "claims": claims, "right": is_right, "wrong": is_wrong,
                "core_version": core, "as_of_ms": now, "version": seq,
            }
            for i, mean, lower, upper, extra, events, claims, is_right, is_wrong in zip(
                sources.keys_of(rows), *columns, strict=True
            )
        }  # fmt: skip

    def _sweep(self) -> None:
        """Forget claims long quiet, and corrections whose events did not come; a bounded number in one log record."""
        config, step = self.config, self.config.sweep_step
        old = np.flatnonzero(self._quiet(self.extras, config.claim_expiry_ms))
        corrected = self.corrections.corrected
        waits = corrected["met"][: corrected.size] == 0
        late = np.flatnonzero(
            (self._quiet(corrected, config.lateness_ms) & waits) | self._quiet(corrected, config.claim_expiry_ms)
        )
        applied = self.pairs["ver"][: self.pairs.size] > 0
        gone = np.flatnonzero(
            (self._quiet(self.pairs, config.claim_expiry_ms) & ~applied)
            | (self._quiet(self.pairs, config.applied_expiry_ms) & applied)
        )
        if max(len(gone), len(old), len(late)) <= step:
            self.swept()
        self.extras.free(old[:step])
        self.corrections.free(late[:step])
        gone = gone[:step]
        if not gone.size:
            return
        self.open_claims.remove(self.pairs.keys_of(gone) >> 32, gone)
        claim_rows = self.pairs.keys_of(gone) & 0xFFFFFFFF
        add_at(self.claims["pairs"], claim_rows, -1)
        self.claims.touch(claim_rows)
        self.pairs.free(gone)
        emptied = np.unique(claim_rows)
        self.claims.free(emptied[self.claims["pairs"][emptied] == 0])
