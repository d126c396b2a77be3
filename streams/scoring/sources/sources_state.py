"""State of one partition of stage "sources": who a source is, what it has joined, what verdicts said about it.

Events come in, are checked for repeats, folded, and leave with the source's current stamp (weight, history, community,
copy-cluster). Credits come back from the claims stage and are the only thing that teaches.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.contract.codes import CORRECTS_FROM, RESHARE
from streams.contract.record_dicts import SourceScoreDict
from streams.scoring.columns import numbers, room
from streams.scoring.config import ScoringConfig
from streams.scoring.dispatch import reads
from streams.scoring.effects import Effects
from streams.scoring.numeric import Ints, distinct
from streams.scoring.partition import PartitionState
from streams.scoring.sources.corrections import Corrections
from streams.scoring.sources.credibility import expected, judge
from streams.scoring.sources.credits import Credits, apply_credits, half_lives
from streams.scoring.sources.forgetting import forget_extras, forget_pairs, quiet_pairs, quiet_rows, untold
from streams.scoring.sources.hearing import CONFLICT, REPEAT, Clock, Said, hear, unheard
from streams.scoring.sources.open_claims import newest_of
from streams.scoring.sources.source_tables import SourceTables
from streams.scoring.sources.stamps import Stamps, as_columns, empty_stamps, stamp_all, take_coins
from streams.tables.blocks import Block, Column
from streams.tables.index import NO_ROWS

SENT_ON = ("s", "c", "e", "kind", "x", "t", "m", "g", "r", "said")  # columns that go to the claim as they are


class SourcesState(PartitionState):
    """Folds events, credits, assignments and parameters of the sources of one partition."""

    def __init__(self, config: ScoringConfig | None = None, partition: int = 0) -> None:
        super().__init__(config, partition)
        self.data = SourceTables()
        self.sources, self.claims, self.pairs, self.extras = self.data.all()
        self.corrections = Corrections(self.data)
        self.stamps = Stamps(self.sources, self.config)
        self.tables = (
            self.clock, self.params_values, *self.data.all(), self.stamps.generations,
            self.corrections.corrected, self.corrections.updates,
        )  # fmt: skip

    def begin(self, append_ms: int, effects: Effects) -> None:
        """A log record starts: before it is folded, what has expired goes."""
        super().begin(append_ms, effects)
        if self.sweep_due():
            self._sweep()

    # --- events ------------------------------------------------------------------------------------------------

    @reads("events")
    def _take_events(self, block: Block, cursor: int, effects: Effects) -> None:
        """Fold the events of a block, then what its deletes and updates say of them and of earlier ones."""
        self.count_rows()
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
        source_rows, claim_rows = self.sources.ensure(block["s"])[0], self.claims.ensure(block["c"])[0]
        event, content, stance, said_ms = numbers(block, "e", "h", "x", "t")
        said = Said(source_rows, claim_rows, event, content, stance, said_ms)
        heard, stamps = unheard(len(block)), empty_stamps(len(block))
        clock = Clock(self.now_s, int(self.clock["latest_ms"][0]), self.seq)
        count, latest_ms = hear(self.data.views(len(block)), said, clock, self.stamps.terms(self.params), heard, stamps)
        self.clock["latest_ms"][0] = latest_ms
        self.clock["seq"][0] += count
        kept = heard.kept[:count]
        if count < len(block):
            self._tell_refused(block, heard.fate, effects)
            block = block.take(kept)
        if not count:
            return
        joined = heard.joined[:count]
        if joined.any():
            effects.participation.append(
                Block("joined", "", 0, {name: block[name][joined] for name in ("s", "c", "t", "x", "m")})
            )
        columns: dict[str, Column] = {name: block[name] for name in SENT_ON}
        columns["i"] = quoted = [""] * count  # what only passes on, or takes no stance, is never quoted
        for i in np.flatnonzero((block["kind"] != RESHARE) & (block["x"] > 0)).tolist():
            quoted[i] = block["i"][i]
        effects.blocks.append(Block("stamped", "", 0, {**columns, **as_columns(stamps, count)}))
        effects.blocks += self.corrections.meet(block, source_rows[kept], heard.pair[:count], self.now_s)

    def _tell_refused(self, block: Block, fate: npt.NDArray[np.int8], effects: Effects) -> None:
        effects.repeats += int((fate == REPEAT).sum())
        for i in np.flatnonzero(fate == CONFLICT).tolist():
            effects.dead.append((i, "id_conflict", f"event {block['i'][i]} came before with other content"))

    # --- what comes back -----------------------------------------------------------------------------------------

    @reads("credits")
    def _settle(self, block: Block, cursor: int, effects: Effects) -> None:
        if not len(block):
            return
        source_rows, claim_rows = self.sources.ensure(block["s"])[0], self.claims.ensure(block["c"])[0]
        credits = Credits(source_rows, claim_rows, *numbers(block, "ver", "y", "f", "stance", "q", "t"))
        pairs, changed = room(len(block)), room(len(block))
        tables, halves = self.data.views(len(block)), half_lives(self.config)
        changed = distinct(changed[: apply_credits(tables, credits, self.now_s, halves, pairs, changed)])
        credited = distinct(self.pairs.keys_of(pairs))
        self._send_stamps(self._newest(changed, self.config.restamp_claims, credited), effects)
        self._publish(changed, effects)

    @reads("assign")
    def _assign(self, block: Block, cursor: int, effects: Effects) -> None:
        rows = self.sources.find(block["s"])
        known = np.flatnonzero(rows >= 0)
        rows = rows[known]
        clusters = block["cl"][known]
        moved = self.sources["cluster"][rows] != clusters
        self.sources["cluster"][rows] = clusters
        self.sources.touch(rows)
        self._send_stamps(self._newest(distinct(rows[moved]), self.config.recluster_claims), effects)

    @reads("params")
    def _relearn(self, block: Block, cursor: int, effects: Effects) -> None:
        """A parameter version: if it moves weights materially, sources active of late get new stamps, in steps."""
        if cursor == 0:
            self.take_params(block)
            if not self.stamps.learn(self.params):
                return
        of = slice(cursor, self.sources.size)
        recent = self.sources["seen_s"][of] >= self.now_s - self.config.restamp_recent_ms // 1000
        rows = np.flatnonzero(recent & (self.sources["newest"][of] > 0)) + cursor
        step = self.config.settle_step
        self._take_coins(rows[:step], effects)
        if len(rows) > step:
            effects.next_cursor = int(rows[step])

    def _take_coins(self, rows: Ints, effects: Effects) -> None:
        """The generation of coins in force reaches the open claims of these sources whose weights it moves."""
        pairs, least = self._newest(rows, self.config.restamp_claims), self.config.restamp_epsilon / 2
        moved = room(len(pairs))
        count = take_coins(self.data.views(), pairs, self.stamps.terms(self.params), least, moved)
        self._send_stamps(moved[:count], effects)

    def _newest(self, rows: Ints, most: int, credited: Ints = NO_ROWS) -> Ints:
        """The newest open claims of each of these sources, see `newest_of`."""
        found = room(len(rows) * most)
        return found[: newest_of(self.data.views(), rows, most, credited, found)]

    def _send_stamps(self, pair_rows: Ints, effects: Effects) -> None:
        """New stamps for claims of sources whose record or cluster changed."""
        if not pair_rows.size:
            return
        stamps = empty_stamps(len(pair_rows))
        stamp_all(self.data.views(), pair_rows, self.seq, self.stamps.terms(self.params), stamps)
        keys = self.pairs.keys_of(pair_rows)
        columns: dict[str, Column] = {
            "s": self.sources.categorical(keys >> 32),
            "c": self.claims.categorical(keys & 0xFFFFFFFF),
            **as_columns(stamps, len(pair_rows)),
        }
        effects.blocks.append(Block("restamp", "", 0, columns))

    # --- publishing and forgetting -------------------------------------------------------------------------------

    def _publish(self, rows: Ints, effects: Effects) -> None:
        self.sources["told_events"][rows] = self.sources["events"][rows]
        self.sources.touch(rows)
        effects.scores.update(self.records(rows))

    @reads("tick")
    def _pass_time(self, block: Block, cursor: int, effects: Effects) -> None:
        """Counts that moved without a verdict go out on a tick, once the source has been quiet for a while."""
        everything = bool(block.meta.get("flush"))
        step = self.config.publish_step
        idle_since_s = self.now_s if everything else (self.now_ms - self.config.publish_idle_ms) // 1000
        rows = room(step + 1)
        rows = rows[: untold(self.sources.view, idle_since_s, rows)]
        self._publish(rows[:step], effects)
        if everything and len(rows) > step:
            effects.next_cursor = 1

    def records(self, rows: Ints) -> dict[str, SourceScoreDict]:
        """Score records of live sources, by source id; changes no state."""
        sources, figures = self.sources, np.empty((4, len(rows)))
        judge(sources.view, rows, int(self.clock["latest_ms"][0]), expected(self.config, self.params), figures)
        columns = figures.tolist() + [sources[name][rows].tolist() for name in ("events", "claims", "right", "wrong")]
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
        """Forget claims long quiet, and corrections whose events did not come; a bounded number in one step."""
        config, step, tables = self.config, self.config.sweep_step, self.data.views()

        def before_s(age_ms: int) -> int:
            return max(0, (self.now_ms - age_ms) // 1000)

        claim, applied = before_s(config.claim_expiry_ms), before_s(config.applied_expiry_ms)
        extras, pairs = room(step + 1), room(step + 1)
        extras = extras[: quiet_rows(tables.extras, claim, extras)]
        pairs = pairs[: quiet_pairs(tables.pairs, claim, applied, pairs)]
        late = self.corrections.late(before_s(config.lateness_ms), claim)
        self.swept(max(len(extras), len(pairs), len(late)) <= step)
        forget_extras(tables.extras, extras[:step])
        self.corrections.free(late[:step])
        emptied = room(step)
        self.claims.free(emptied[: forget_pairs(tables, pairs[:step], emptied)])
