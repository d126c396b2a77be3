"""State of one partition of stage "claims": ledger, corroboration, cascade, risk, rulings and flags of its claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.contract.codes import CORRECTS_FROM
from streams.contract.record_dicts import ClaimScoreDict
from streams.scoring.census import Census
from streams.scoring.claims import fold
from streams.scoring.claims.claim_tables import EVENT, ClaimTables
from streams.scoring.claims.crediting import Credits, credit_owed, room
from streams.scoring.claims.explain import explain
from streams.scoring.claims.flag_writing import FlagContext, Flags
from streams.scoring.claims.flags import RAISE, STAYS, has_room, priority
from streams.scoring.claims.lessons import Lessons, finding_of
from streams.scoring.claims.ratings import disagree, ratings
from streams.scoring.claims.reading import COUNTS, NINETY, READING, VERDICTS, Readings, read, records, settings_of
from streams.scoring.claims.rising import rising
from streams.scoring.claims.root_words import RootWords
from streams.scoring.claims.settlement import Rulings
from streams.scoring.config import ScoringConfig
from streams.scoring.dispatch import reads
from streams.scoring.effects import Effects
from streams.scoring.numeric import Ints, distinct, sigmoid
from streams.scoring.parameters.flag_rules import RULE_COUNT, RULES
from streams.scoring.parameters.params import Params
from streams.scoring.partition import PartitionState, communities_table
from streams.tables.blocks import Block, Column
from streams.tables.index import NO_ROWS
from streams.tables.table import records_of
from streams.tables.texts import pack

STAMP_COLUMNS = {
    "stamp": "z", "support": "w", "denial": "v", "cluster": "cl", "record": "known", "band": "band",
    "history": "hist0", "history_30": "hist30",
}  # fmt: skip
SAID_COLUMNS = {"stance": "x", "kind": "kind", "time_ms": "t", "event": "e", "text": "g", "root": "r"}
Loop = Callable[[int, fold.Desk], int]


class ClaimsState(PartitionState):
    """Folds stamped events, new stamps, rulings and parameters of the claims of one partition."""

    def __init__(self, config: ScoringConfig | None = None, partition: int = 0) -> None:
        super().__init__(config, partition)
        self.communities = communities_table()
        self.data = ClaimTables()
        self.rulings = Rulings(self.data)
        self.lessons = Lessons(self.data)
        self.words = RootWords(self.data)
        self.flags = Flags(self.data, self.communities, self.clock)
        self.tables = (self.clock, self.params_values, self.communities, *self.data.all())
        self._settings: tuple[Params, npt.NDArray[Any]] | None = None
        self._untold: list[Ints] | None = None  # claims whose counts may have moved since they were told; None: any

    @property
    def settings(self) -> npt.NDArray[Any]:
        """Settings and parameters in force, as compiled loops take them."""
        if self._settings is None or self._settings[0] is not self.params:
            self._settings = self.params, settings_of(self.config, self.params)
        return self._settings[1]

    def begin(self, append_ms: int, effects: Effects) -> None:
        """A log record starts: before it is folded, what has expired goes."""
        super().begin(append_ms, effects)
        if self.sweep_due():
            self._sweep(effects)

    # --- rows of other stages ------------------------------------------------------------------------------------

    @reads("stamped")
    def _fold_events(self, block: Block, cursor: int, effects: Effects) -> None:
        count = len(block)
        self.count_rows()
        events = records_of(count, EVENT)
        events["claim"], _ = self.data.claims.ensure(block["c"])
        events["source"], _ = self.data.names.ensure(block["s"])
        events["named"], _ = self.communities.ensure(block["m"])
        _fill(events, block, SAID_COLUMNS | STAMP_COLUMNS)
        events["id"] = self.data.ids.add(pack(block["i"]))
        books, credits = self.data.books(events=count, claims=len(block.words("c").categories)), room(count)
        said = self.words.said_in(block)

        def loop(first: int, desk: fold.Desk) -> int:
            at = fold.fold_events(books, events, first, self.now_s, desk, credits)
            self.words.take(block, said[(said >= first) & (said <= at)], events["claim"])
            return at

        self._run(loop, events["claim"], effects)
        self._send(credits, effects)

    @reads("restamp")
    def _restamp(self, block: Block, cursor: int, effects: Effects) -> None:
        events = self._of_participants(block, STAMP_COLUMNS)
        books = self.data.books(events=len(block))
        self._run(lambda first, desk: fold.fold_stamps(books, events, first, desk), events["claim"], effects)

    @reads("corrections")
    def _correct(self, block: Block, cursor: int, effects: Effects) -> None:
        block = block.take(np.flatnonzero(block["kind"] >= CORRECTS_FROM))
        changes = self._of_participants(block, SAID_COLUMNS)
        changes["id"] = self.data.ids.add(pack(block["i"]))
        books, credits = self.data.books(corrections=len(block)), room(len(block))

        def loop(first: int, desk: fold.Desk) -> int:
            at = fold.fold_corrections(books, changes, first, desk, credits)
            self.words.correct(block, range(first, min(at + 1, len(block))), changes["claim"])
            return at

        self._run(loop, changes["claim"], effects)
        self._send(credits, effects)

    def _of_participants(self, block: Block, columns: dict[str, str]) -> npt.NDArray[Any]:
        """What a block says of participants, as rows of EVENT; −1 for claims and sources that are not known."""
        self.count_rows()
        rows = records_of(len(block), EVENT)
        rows["claim"], rows["source"] = self.data.claims.find(block["c"]), self.data.names.find(block["s"])
        _fill(rows, block, columns)
        return rows

    @reads("params")
    def _take_version(self, block: Block, cursor: int, effects: Effects) -> None:
        """A parameter version arrives; one that kills flags retracts all that stand, in steps."""
        if cursor == 0:
            self.take_params(block)
        killed = [k for k, rule in enumerate(RULES) if getattr(self.params, rule.parameter("killed")) > 0]
        raised, books = distinct(np.concatenate([NO_ROWS, *map(self.flags.shown, killed)])), self.data.books()
        rows = raised[: self.config.publish_step]
        self._run(lambda first, desk: fold.decide_flags(books, rows, first, desk), rows, effects)
        if len(raised) > self.config.publish_step:
            effects.next_cursor = cursor + 1

    # --- rulings and credits -------------------------------------------------------------------------------------

    @reads("rulings")
    def _rule(self, block: Block, cursor: int, effects: Effects) -> None:
        self.count_rows()
        rows, _ = self.data.claims.ensure(block["c"])
        if cursor == 0:
            ruled = records_of(len(block), fold.RULED)
            ruled["claim"] = rows
            for i, claim in enumerate(rows.tolist()):
                said = self.rulings.take(block, i, claim, self.seq + i + 1, effects)
                ruled["verdict"][i], ruled["balance"][i], ruled["ruled_ms"][i] = said
            books, now_s = self.data.books(claims=len(block)), self.now_s
            self._run(lambda first, desk: fold.fold_rulings(books, ruled, first, now_s, desk), rows, effects)
            effects.ruled_in += self._communities_of(rows)
            changed = np.array(list(dict.fromkeys(rows[ruled["changed"] > 0].tolist())), np.int64)
            effects.lessons += self.lessons.settled(changed)
            effects.participation += self._settled(changed)
        credits = room(self.config.settle_step)
        cursor = int(credit_owed(self.data.books(), distinct(rows), cursor, self.config.settle_step, credits))
        self._send(credits, effects)
        effects.next_cursor = cursor or None

    def _communities_of(self, rows: Ints) -> list[str]:
        """The communities that the posts which began these claims named, "" for none."""
        root = self.data.claims["root"][rows]
        named = self.data.parts["named"][np.maximum(root - 1, 0)] if self.data.parts.size else np.zeros_like(root)
        return [str(self.communities.key(int(row))) for row in np.where(root > 0, named, 0)]

    def _settled(self, rows: Ints) -> list[Block]:
        """What the communities stage is told of claims whose verdict changed."""
        if not rows.size:
            return []
        claims = self.data.claims
        columns: dict[str, Column] = {
            "c": claims.categorical(rows), "f": finding_of(claims["verdict"][rows]), "t": claims["ruled_ms"][rows],
        }  # fmt: skip
        return [Block("settled", "", 0, columns)]

    def _send(self, credits: Credits, effects: Effects) -> None:
        """Credits leave for the sources, and what they say of stances in general for the parameters."""
        rows = credits.rows[: int(credits.filled[0])].view(np.ndarray)
        if not len(rows):
            return
        claims = self.data.claims
        effects.lessons += self.lessons.tallies(rows)
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

    def _run(self, loop: Loop, claim_rows: Ints, effects: Effects) -> None:
        """Run a loop to its end, write the record of each flag at which it stops, and publish what it tells.

        Args:
            claim_rows: the claim that each of its rows is about, −1 for none.
        """
        count = len(claim_rows)
        desk, first = fold.desk_for(self.settings, self.clock.view.records, count), 0
        while (first := loop(first, desk)) < count:
            context = self._context()
            for rule, (action, rank) in enumerate(desk.moved.tolist()):
                if action != STAYS:
                    effects.tell_flag(*self.flags.moved(rule, action, desk.reading[0], rank, context))
            self._hand_out(effects)
            first += 1
        if self._untold is not None:
            self._untold.append(distinct(claim_rows))
        self._publish(distinct(desk.told[: int(desk.told_count[0])]), effects)

    def _hand_out(self, effects: Effects) -> None:
        """Raise what budgets held back and now have room for, the most pressing first."""
        clock, claims = self.clock.view.records[0], self.data.claims.records
        for rule in range(RULE_COUNT):
            if clock["held"][rule] == 0 or not has_room(clock, self.settings[0], rule):
                continue
            held = self.flags.held(rule)
            readings = read(self.data, held, self.settings)
            ranks = [int(priority(claims[row], reading)) for row, reading in zip(held.tolist(), readings, strict=True)]
            raised = []
            for i in sorted(range(len(ranks)), key=lambda i: (-ranks[i], i)):
                if has_room(clock, self.settings[0], rule):
                    effects.tell_flag(*self.flags.moved(rule, RAISE, readings[i], ranks[i], self._context()))
                    raised.append(int(held[i]))
            self._tell(np.array(raised, np.int64), effects)

    def records(self, readings: Readings) -> dict[str, ClaimScoreDict]:
        """Score records of read claims, by claim id; changes no state."""
        return records(self.data, readings, self._common())

    def _common(self) -> dict[str, Any]:
        return {"v": 1, "core_version": self.core_version, "as_of_ms": self.now_ms, "version": self.seq}

    @reads("tick")
    def _pass_time(self, block: Block, cursor: int, effects: Effects) -> None:
        """Expired flags are retracted and counts that moved immaterially go out on a tick."""
        everything = bool(block.meta.get("flush"))
        for rule in range(RULE_COUNT):
            expired = self.flags.expired(rule, self._context())
            for reading in read(self.data, expired, self.settings):
                effects.tell_flag(*self.flags.expire(rule, reading, self._context()))
            self._tell(expired, effects)
        untold, claims = self._still_untold(), self.data.claims
        quiet = claims["seen"][untold].astype(np.int64) * 1000 <= self.now_ms - self.config.publish_idle_ms
        due = untold if everything else untold[quiet]
        self._tell(due[: self.config.publish_step], effects)
        if everything and len(due) > self.config.publish_step:
            effects.next_cursor = 1

    def _still_untold(self) -> Ints:
        """Claims whose counts moved since they were told, ascending; of a state that was just found again, of all."""
        claims = self.data.claims
        rows = claims.rows() if self._untold is None else distinct(np.concatenate([NO_ROWS, *self._untold]))
        rows = rows[rows >= 0]
        self._untold = [rows[claims["events"][rows] != claims["told"][rows]]]
        return self._untold[0]

    def _tell(self, rows: Ints, effects: Effects) -> None:
        """Publish claims, whether they moved materially or not."""
        fold.tell(self.data.books(), rows, self.settings, records_of(1, READING))
        self._publish(rows, effects)

    def _publish(self, rows: Ints, effects: Effects) -> None:
        """Score records of claims as they stand at the end of a log record."""
        if rows.size:
            effects.scores.update(self.records(read(self.data, rows, self.settings)))

    def census(self) -> Census:
        """Open claims, how they rise, the flags that stand and the operator's switches."""
        claims, params = self.data.claims, self.params
        bands = rising(claims.view.records, claims["last_ms"][: claims.size])
        return Census(
            open_claims=int(bands.sum()),
            rising=tuple(bands.tolist()),
            standing=Counter({rule.name: int(self.clock["standing"][0, k]) for k, rule in enumerate(RULES)}),
            switches={"paused": float(params.flags_paused > 0), "killed": float(params.flags_killed > 0)},
        )

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
            "low": sigmoid(reading["score_z"] - NINETY * reading["spread"]),
            "high": sigmoid(reading["score_z"] + NINETY * reading["spread"]),
            "risk": sigmoid(reading["risk_z"]),
            "score_z": reading["score_z"],
            "risk_z": reading["risk_z"],
            "evidence": reading["weight"],
            "enough_evidence": reading["enough"] > 0,
            "signals": reading["signals"],
            "known": found >= 0,
        }
        for name, field in (COUNTS | {"verdict": "verdict"}).items():
            out[name] = claims[field][rows]
        out["flagged"] = claims["flag"][rows, 0] > 0
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
        sizes = np.cumsum(data.claims["participants"][gone])
        fits = max(1, int(np.searchsorted(sizes, config.sweep_step, side="right")))
        self.swept(fits >= len(gone))
        for claim in gone[:fits].tolist():
            self.rulings.forget(claim, effects)
        self.flags.forget(gone[:fits])
        data.forget(gone[:fits])


def _fill(rows: npt.NDArray[Any], block: Block, columns: dict[str, str]) -> None:
    for field, name in columns.items():
        rows[field] = block[name]
