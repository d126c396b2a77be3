"""State of one partition of stage "claims": ledger, corroboration, cascade, risk, rulings and flags of its claims."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.contract.codes import CORRECTS_FROM, FALSE, TRUE
from streams.contract.record_dicts import ClaimScoreDict
from streams.scoring.claims import fold
from streams.scoring.claims.claim_tables import EVENT, ClaimTables
from streams.scoring.claims.crediting import Credits, credit_all, credit_owed, room
from streams.scoring.claims.edits import Edits
from streams.scoring.claims.explain import explain
from streams.scoring.claims.flags import FlagContext, Flags
from streams.scoring.claims.ledger import KEPT, TEXT_MOVE, WRITTEN, TextMoves
from streams.scoring.claims.lessons import Lessons
from streams.scoring.claims.ratings import disagree, ratings
from streams.scoring.claims.reading import (
    READING,
    VERDICTS,
    Readings,
    evidence_level,
    read,
    records,
    settings_of,
)
from streams.scoring.claims.settlement import Rulings
from streams.scoring.config import ScoringConfig
from streams.scoring.dispatch import reads
from streams.scoring.effects import Effects
from streams.scoring.numeric import Ints, distinct, sigmoid
from streams.scoring.parameters.params import Params
from streams.scoring.partition import PartitionState, communities_table
from streams.tables.blocks import Block, Column
from streams.tables.table import records_of

STAMP_COLUMNS = (
    ("stamp", "z"), ("support", "w"), ("denial", "v"), ("cluster", "cl"), ("record", "known"), ("band", "band"),
    ("history", "hist0"), ("history_30", "hist30"), ("history_60", "hist60"),
)  # fmt: skip
SAID_COLUMNS = (("stance", "x"), ("kind", "kind"), ("time_ms", "t"), ("event", "e"), ("text", "g"), ("root", "r"))
Loop = Callable[[int, fold.Desk], int]


class ClaimsState(PartitionState):
    """Folds stamped events, new stamps, rulings and parameters of the claims of one partition."""

    def __init__(self, config: ScoringConfig | None = None, partition: int = 0) -> None:
        super().__init__(config, partition)
        self.communities = communities_table()
        self.data = ClaimTables()
        self.edits = Edits(self.data)
        self.rulings = Rulings(self.data)
        self.lessons = Lessons(self.data)
        self.flags = Flags(self.data, self.communities)
        self.tables = (self.clock, self.params_values, self.communities, *self.data.all())
        self._reading = records_of(1, READING)
        self._settings: tuple[Params, npt.NDArray[Any]] | None = None

    @property
    def settings(self) -> npt.NDArray[Any]:
        """Settings and parameters in force, as compiled loops take them."""
        if self._settings is None or self._settings[0] is not self.params:
            self._settings = self.params, settings_of(self.config, self.params)
        return self._settings[1]

    def end(self, effects: Effects) -> None:
        """Forget what has expired."""
        if self.sweep_due():
            self._sweep(effects)

    # --- rows of other stages ------------------------------------------------------------------------------------

    @reads("stamped")
    def _fold_events(self, block: Block, cursor: int, effects: Effects) -> None:
        count = len(block)
        if not count:
            return
        events = records_of(count, EVENT)
        events["claim"], _ = self.data.claims.ensure(block["c"])
        events["source"], _ = self.data.names.ensure(block["s"])
        events["named"], _ = self.communities.ensure(block["m"])
        for field, name in (*SAID_COLUMNS, *STAMP_COLUMNS):
            events[field] = block[name]
        books, credits = self.data.books(count), room(count)
        texts = TextMoves(records_of(2 * count, TEXT_MOVE), np.zeros(1, np.int64))
        touched = distinct(events["claim"])

        def loop(first: int, desk: fold.Desk) -> int:
            at = fold.fold_events(books, events, first, self.now_s, desk, texts, credits)
            self._move_texts(texts, block["i"])
            return at

        moved = self._run(loop, count, effects)
        self._tell(touched, moved, effects)
        self._send(credits, effects)

    def _run(self, loop: Loop, rows: int, effects: Effects) -> bool:
        """Run a loop to its end, and write the record of each flag at which it stops; whether any moved."""
        desk = fold.Desk(self.settings, self.clock.view.records, self._reading, np.zeros(2, np.int64))
        first, before = 0, len(effects.flags)
        while (first := loop(first, desk)) < rows:
            action, rank = desk.moved.tolist()
            effects.flags.append(self.flags.moved(action, desk.reading[0], rank, self._context()))
            first += 1
        return len(effects.flags) > before

    def _move_texts(self, texts: TextMoves, ids: Sequence[str]) -> None:
        """Let the ids of events follow what the loop did with the events so far."""
        parts, more = self.data.parts.texts("id"), self.data.more.texts("id")
        for what, row, origin in texts.moves[: int(texts.filled[0])].tolist():
            if what == WRITTEN:
                parts[row] = ids[origin] if origin >= 0 else ""
            elif what == KEPT:
                more[row] = ids[origin] if origin >= 0 else ""
            else:
                more[row] = parts[origin]
        texts.filled[0] = 0

    @reads("restamp")
    def _restamp(self, block: Block, cursor: int, effects: Effects) -> None:
        count = len(block)
        if not count:
            return
        events = records_of(count, EVENT)
        events["claim"], events["source"] = self.data.claims.find(block["c"]), self.data.names.find(block["s"])
        for field, name in STAMP_COLUMNS:
            events[field] = block[name]
        books = self.data.books(count)
        moved = self._run(lambda first, desk: fold.fold_stamps(books, events, first, desk), count, effects)
        touched = distinct(events["claim"])
        self._tell(touched[touched >= 0], moved, effects)

    @reads("corrections")
    def _correct(self, block: Block, cursor: int, effects: Effects) -> None:
        block = block.take(np.flatnonzero(block["kind"] >= CORRECTS_FROM))
        claim_rows, name_rows = self.data.claims.find(block["c"]), self.data.names.find(block["s"])
        keys = np.where((claim_rows >= 0) & (name_rows >= 0), (claim_rows << 32) | name_rows, -1)
        part_rows = self.data.parts.find(keys)
        known = np.flatnonzero(part_rows >= 0)
        if not known.size:
            return
        part_rows = part_rows[known]
        changed = self.edits.fold(block.take(known), part_rows, self.settings)
        touched = distinct(claim_rows[known])
        self.data.claims.touch(touched)
        self._decide(touched, effects)
        credits = room(len(changed))
        credit_all(self.data.books(), changed, credits)
        self._send(credits, effects)

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
            lessons = self.lessons.settled(np.asarray(changed, np.int64), self.settings)
            effects.participation += self._settled(np.asarray(changed, np.int64))
            if lessons is not None:
                effects.lessons.append(lessons)
            touched = distinct(rows)
            claims.touch(touched)
            self._decide(touched, effects, publish_all=True)
        step = self.config.settle_step
        credits = room(step)
        cursor = int(credit_owed(self.data.books(), claims.size, cursor, step, credits))
        self._send(credits, effects)
        effects.next_cursor = cursor or None

    def _settled(self, rows: Ints) -> list[Block]:
        """What the communities stage is told of claims whose verdict changed."""
        if not rows.size:
            return []
        claims = self.data.claims
        verdict = claims["verdict"][rows]
        finding = np.where(verdict == FALSE, 1, np.where(verdict == TRUE, -1, 0)).astype(np.int8)
        columns: dict[str, Column] = {"c": claims.categorical(rows), "f": finding, "t": claims["ruled_ms"][rows]}
        return [Block("settled", "", 0, columns)]

    def _send(self, credits: Credits, effects: Effects) -> None:
        """Credits leave for the sources, and what they say of stances in general for the parameters."""
        rows = credits.rows[: int(credits.filled[0])].view(np.ndarray)
        if not len(rows):
            return
        claims = self.data.claims
        lesson = self.lessons.tallies(rows)
        if lesson is not None:
            effects.lessons.append(lesson)
        columns: dict[str, Column] = {
            "s": self.data.names.categorical(self.data.parts["source"][rows["participant"]]),
            "c": claims.categorical(rows["claim"]),
            "ver": claims["settlement"][rows["claim"]],
            "y": rows["right"].copy(),
            "stance": rows["stance"].copy(),
            "q": np.round(rows["chance"], 4),
            "f": rows["finding"].copy(),
            "t": claims["ruled_ms"][rows["claim"]],
        }
        effects.blocks.append(Block("credits", "", 0, columns))

    # --- what leaves ---------------------------------------------------------------------------------------------

    def _context(self) -> FlagContext:
        return FlagContext(self.config, self.params, self.settings, self.core_version, self.now_ms, self.seq)

    def _decide(self, rows: Ints, effects: Effects, publish_all: bool = False) -> None:
        """Flags and score records of claims."""
        books = self.data.books()
        moved = self._run(lambda first, desk: fold.decide_flags(books, rows, first, desk), len(rows), effects)
        self._tell(rows, publish_all or moved, effects)

    def _tell(self, rows: Ints, everything: bool, effects: Effects) -> None:
        """Score records of the claims that moved materially, or of all: the last of a log record."""
        readings = records_of(len(rows), READING)
        count = fold.tell(self.data.books(), rows, everything, self.settings, readings)
        if count:
            effects.scores.update(self.records(readings[:count]))

    def records(self, readings: Readings) -> dict[str, ClaimScoreDict]:
        """Score records of read claims, by claim id; changes no state."""
        return records(self.data, readings.view(np.ndarray), self.config, self._common())

    def _common(self) -> dict[str, Any]:
        return {"v": 1, "core_version": self.core_version, "as_of_ms": self.now_ms, "version": self.seq}

    @reads("tick")
    def _pass_time(self, block: Block, cursor: int, effects: Effects) -> None:
        """Expired flags are retracted and counts that moved immaterially go out on a tick."""
        everything = bool(block.meta.get("flush"))
        claims, config = self.data.claims, self.config
        expired = np.asarray(self.flags.expired(self._context()), np.int64)
        if expired.size:
            readings = read(self.data, expired, self.settings)
            effects.flags.extend(self.flags.expire(readings, self._context()))
            self._tell(expired, True, effects)
        size = claims.size
        stale = claims["events"][:size] != claims["told"][:size]
        if not everything:
            stale &= claims["seen"][:size].astype(np.int64) * 1000 <= self.now_ms - config.publish_idle_ms
        rows = np.flatnonzero(stale)
        if rows.size:
            self._tell(rows[: config.publish_step], True, effects)
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
        reading = read(self.data, rows, self.settings, rulings).view(np.ndarray)
        out: dict[str, npt.NDArray[Any]] = {
            "score": sigmoid(reading["score_z"]),
            "low": sigmoid(reading["score_z"] - 1.645 * reading["spread"]),
            "high": sigmoid(reading["score_z"] + 1.645 * reading["spread"]),
            "risk": sigmoid(reading["risk_z"]),
            "score_z": reading["score_z"],
            "risk_z": reading["risk_z"],
            "evidence": reading["weight"],
            "enough_evidence": evidence_level(reading["weight"], claims["verdict"][rows], self.config),
            "signals": reading["signals"],
            "known": found >= 0,
        }
        for name, field in (
            ("events", "events"), ("participants", "participants"), ("supports", "supports"), ("denies", "denials"),
            ("queries", "queries"), ("comments", "comments"), ("first_event_ms", "first_ms"),
            ("last_event_ms", "last_ms"), ("verdict", "verdict"),
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
            **explain(self.data, row, self.config, self.settings, self.communities),
            "verdict": VERDICTS[int(self.data.claims["verdict"][row])],
            "rulings": ratings(self.data, row),
            "raters_disagree": disagree(self.data, row),
            **self._common(),
        }

    def told(self, claim_id: str) -> list[dict[str, Any]]:
        """What was ruled on a claim, by rater and version: who, which, when, why and where.

        Each has rater_id, id, version, verdict, time_ms, kind, url, note and fate.
        """
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
        sizes = np.cumsum(data.claims["participants"][gone])
        fits = max(1, int(np.searchsorted(sizes, config.sweep_step, side="right")))
        if fits >= len(gone):
            self.swept()
        gone = gone[:fits]
        marked = np.zeros(self.data.claims.size, bool)
        marked[gone] = True
        self.rulings.forget(marked, effects)
        self.data.forget(gone)
