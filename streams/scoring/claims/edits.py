"""Deletes and updates of events that the ledger holds: what they said is taken out of everything but settled credit.

    what an event says at a time    nothing once a delete precedes it; else what it said at first, with the stance and
                                    the text of the latest updates that precede it
    what it says now                the same at the end of time

So a claim is what it would be had the event been said as it reads now, or never: counts, stances, corroboration,
histories, cascade, first and latest event, root. A verdict credits what stood just before it; what was taken back or
rewritten afterwards stays settled, and so do lessons already drawn and the participation that communities were told.

For each corrected event what it said at first is kept beside its corrections; the ledger holds what stands. Corrections
are few: this is plain Python for each, and looks at all of a claim's events only where its first or latest event, its
root, or a post is taken back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.contract.codes import DELETE, DENY, POST, RESHARE, SUPPORT, UPDATE
from streams.scoring import cascade
from streams.scoring.chains import along
from streams.scoring.claims.claim_tables import ClaimTables
from streams.scoring.claims.ledger import ROOT_POST, SAID, Ledger, said_as, tier
from streams.scoring.numeric import Floats, Ints, add_at, distinct, first_seen, mix_keys
from streams.scoring.sources.corrections import BROUGHT
from streams.tables.blocks import Block

IN_FORCE = -1  # where an event stands: in its participant's row, else in a row of `more`
READ = ("t", "e", "kind", "x", "g", "q")
NOTHING = (*(0 for _ in SAID), "")
END_MS = np.iinfo(np.int64).max


@dataclass(slots=True)
class Reading:
    """What an event says at a time."""

    t: int  # when it was said
    e: int
    kind: int
    x: int
    g: int
    q: float


@dataclass(slots=True)
class Outcomes:
    """What a verdict finds of participants: see `Edits.outcomes`."""

    stance: Ints
    q: Floats
    side: Ints
    there: npt.NDArray[np.bool_]


class Edits:
    """Corrections of a partition's claims."""

    def __init__(self, tables: ClaimTables, ledger: Ledger) -> None:
        self.tables = tables
        self.ledger = ledger

    def fold(self, block: Block, part_rows: Ints, q: Floats) -> Ints:
        """Take in corrections of known participants; which participants they change, each once.

        Args:
            q: P(stance that an update brings is right) just before the block, for each row.
        """
        known = self._knows(part_rows, block["e"]).nonzero()[0]
        block, part_rows, q = block.take(known), part_rows[known], q[known]
        if not known.size:
            return part_rows
        touched, gone = distinct(part_rows), list[tuple[int, Reading]]()
        self._note(block, part_rows, q)
        self.ledger.change(touched, lambda: self._correct(block, part_rows, gone))
        if gone:
            self._take_out(gone)
        return touched

    # --- what is noted -------------------------------------------------------------------------------------------

    def _knows(self, part_rows: Ints, events: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Which events the ledger holds, or held until they were taken back."""
        keys = mix_keys(part_rows, events)
        held = (self.tables.parts["e"][part_rows] == events) | (self.tables.more.find(keys) >= 0)
        known: npt.NDArray[np.bool_] = held | (self.tables.edits.find(keys) >= 0)
        return known

    def _note(self, block: Block, part_rows: Ints, q: Floats) -> None:
        """Keep what each event said at first, and every correction once; of deletes the earliest."""
        parts, more, edits = self.tables.parts, self.tables.more, self.tables.edits
        events, updates = block["e"], block["kind"] == UPDATE
        keys = mix_keys(part_rows, events)
        rows, made = edits.ensure(keys)
        at = first_seen(rows, made) if made.size else made
        in_force = parts["e"][part_rows[at]] == events[at]
        for table, where, held in (
            (parts, at[in_force], part_rows[at[in_force]]),
            (more, at[~in_force], more.find(keys[at[~in_force]])),
        ):
            for name in READ if where.size else ():
                edits[name][rows[where]] = table[name][held]
        self._link(rows[at], part_rows[at])
        rows, made = edits.ensure(mix_keys(keys, block["kind"], *(block[name] * updates for name in BROUGHT)))
        at = first_seen(rows, made) if made.size else made
        for name in (*READ[:-1], "r"):
            edits[name][rows[at]] = block[name][at]
        edits["q"][rows[at]] = q[at]
        self._link(rows[at], part_rows[at])
        np.minimum.at(edits["t"], rows, block["t"])
        edits.touch(rows)

    def _link(self, rows: Ints, part_rows: Ints) -> None:
        parts, edits = self.tables.parts, self.tables.edits
        edits["p"][rows] = part_rows
        for row, part in zip(rows.tolist(), part_rows.tolist(), strict=True):
            edits["next"][row], parts["past"][part] = parts["past"][part], row + 1

    # --- participants --------------------------------------------------------------------------------------------

    def _correct(self, block: Block, part_rows: Ints, gone: list[tuple[int, Reading]]) -> None:
        """Let events say what they say now; those that do not stand any more go to `gone`, with their claims."""
        parts = self.tables.parts
        only = (block["kind"] == DELETE) & (parts["e"][part_rows] == block["e"]) & (parts["more"][part_rows] == 0)
        for part in distinct(part_rows[only]).tolist():
            gone.append((int(parts["c"][part]), self._said(part, IN_FORCE)))
            self._fill(parts, part, NOTHING)
        rest: dict[int, dict[int, str]] = {}
        for i in (~only).nonzero()[0].tolist():
            rest.setdefault(int(part_rows[i]), {})[int(block["e"][i])] = block["i"][i]
        for part, events in rest.items():
            places, past = self._places(part), self._past(part)
            for event in events.keys() & places.keys():
                now = self._reads(past[event], END_MS)
                if now is None:
                    gone.append((int(parts["c"][part]), self._said(part, places.pop(event))))
                else:
                    self._rewrite(part, places[event], now, events[event])
            self._arrange(part, places)

    def _places(self, part: int) -> dict[int, int]:
        """Where each event of a participant that stands is held."""
        parts, more = self.tables.parts, self.tables.more
        _, rows = along(more["next"], parts["more"][[part]], len(more))
        places = dict(zip(more["e"][rows].tolist(), rows.tolist(), strict=True))
        in_force = int(parts["e"][part])
        return places | ({in_force: IN_FORCE} if in_force else {})

    def _past(self, part: int) -> dict[int, list[int]]:
        """Corrected events of a participant: rows of what each said at first and of its corrections."""
        edits = self.tables.edits
        _, rows = along(edits["next"], self.tables.parts["past"][[part]], len(edits))
        past: dict[int, list[int]] = {}
        for event, row in zip(edits["e"][rows].tolist(), rows.tolist(), strict=True):
            past.setdefault(event, []).append(row)
        return past

    def _said(self, part: int, place: int) -> Reading:
        table, row = (self.tables.parts, part) if place == IN_FORCE else (self.tables.more, place)
        return Reading(*(table[name][row].item() for name in READ))

    def _reads(self, rows: list[int], before_ms: int, deletes: bool = True) -> Reading | None:
        """What a corrected event said just before a time; None if nothing. Without `deletes` as if nothing was."""
        edits = self.tables.edits
        said = {row: Reading(*(edits[name][row].item() for name in READ)) for row in rows}
        (now,) = (reading for reading in said.values() if reading.kind < DELETE)
        changes = {row: change for row, change in said.items() if change.kind >= DELETE and change.t < before_ms}
        if now.t >= before_ms or (deletes and any(change.kind == DELETE for change in changes.values())):
            return None
        stances = [c for c in changes.values() if c.kind == UPDATE and c.x]
        texts = [c for row, c in changes.items() if c.kind == UPDATE and edits["r"][row]]
        if stances and (latest := max(stances, key=lambda c: (c.t, c.x))).x != now.x:
            now.x, now.q = latest.x, latest.q
        if texts:
            now.g = max(texts, key=lambda c: (c.t, c.g)).g
        return now

    def _rewrite(self, part: int, place: int, now: Reading, event_id: str) -> None:
        table, row = (self.tables.parts, part) if place == IN_FORCE else (self.tables.more, place)
        table["x"][row], table["g"][row], table["q"][row] = now.x, now.g, now.q
        if now.x and now.kind != RESHARE:
            table.texts("i")[row] = event_id
        table.touch(np.array([row]))

    def _arrange(self, part: int, places: dict[int, int]) -> None:
        """Let the highest in rank of what stands be in force, and the chain hold the rest."""
        parts, more = self.tables.parts, self.tables.more
        _, held = along(more["next"], parts["more"][[part]], len(more))
        rest = [row for row in places.values() if row != IN_FORCE]
        best = max(places.values(), key=lambda place: self._rank(part, place), default=IN_FORCE)
        if places and best == IN_FORCE and len(rest) == len(held):
            return
        displaced = None
        if best != IN_FORCE or not places:
            displaced = self._content(parts, part) if IN_FORCE in places.values() else None
            self._fill(parts, part, self._content(more, best) if places else NOTHING)
            rest = [row for row in rest if row != best]
        more.free(np.setdiff1d(held, rest))
        if displaced is not None:
            (row,), _ = more.ensure(mix_keys(np.array([part]), np.array([displaced[SAID.index("e")]], np.uint64)))
            self._fill(more, row, displaced)
            more["p"][row] = part
            rest.append(int(row))
        chain = np.array(rest, np.int64)
        following = np.append(chain[1:] + 1, 0)[: len(chain)]
        moved = chain[more["next"][chain] != following]
        more["next"][chain] = following
        more.touch(moved)
        parts["more"][part] = rest[0] + 1 if rest else 0

    def _rank(self, part: int, place: int) -> tuple[int, int, int]:
        said = self._said(part, place)
        return int(tier(np.array([said.x], np.int8))[0]), said.t, said.e

    def _content(self, table: Any, row: int) -> tuple[Any, ...]:
        return *(table[name][row].item() for name in SAID), table.texts("i")[row]

    def _fill(self, table: Any, row: int, content: tuple[Any, ...]) -> None:
        for name, value in zip(SAID, content[:-1], strict=True):
            table[name][row] = value
        table.texts("i")[row] = content[-1]

    # --- claims --------------------------------------------------------------------------------------------------

    def _take_out(self, gone: list[tuple[int, Reading]]) -> None:
        """Events of claims no longer stand: count, cascade, first and latest event, root."""
        claims = self.tables.claims
        owner = np.array([claim for claim, _ in gone], np.int64)
        t_ms, events = np.array([said.t for _, said in gone]), np.array([said.e for _, said in gone], np.uint64)
        posts = np.array([said.kind <= POST for _, said in gone])
        add_at(claims["events"], owner, -1)
        claims.touch(distinct(owner))
        roots = (claims["root"][owner] > 0) & (claims["root_e"][owner] == events)
        ends = (t_ms <= claims["first"][owner]) | (t_ms >= claims["last"][owner])
        again = distinct(owner[posts | roots | ends])
        inside = ~np.isin(owner, again)
        cascade.unfold(claims, owner[inside], t_ms[inside])
        if again.size:
            self._look_again(again, np.isin(again, owner[posts]), np.isin(again, owner[roots]))

    def _look_again(self, rows: Ints, posted: npt.NDArray[np.bool_], rooted: npt.NDArray[np.bool_]) -> None:
        """Find first and latest event, cascade and root in what is left of claims.

        Args:
            posted, rooted: whether a post of the claim, and its root, was taken back.
        """
        claims, first_ms = self.tables.claims, self.tables.claims["first"][rows]
        owner, parts, said = self.tables.standing(rows)
        cascade.recount(claims, rows, owner, said["t"])
        posts = np.bincount(owner[said["kind"] <= POST], minlength=len(rows))
        claims["bare"][rows[posted & (posts == 0)]] = 1
        for name in ("root", "root_t", "root_e"):
            claims[name][rows[rooted]] = 0
        at = (rooted[owner] & (said["kind"] == ROOT_POST)).nonzero()[0]
        self.ledger.root(rows[owner[at]], parts[at], said["t"][at], said["e"][at])
        self.ledger.began_otherwise(rows[claims["first"][rows] != first_ms])

    # --- verdicts ------------------------------------------------------------------------------------------------

    def outcomes(self, rows: Ints, before_ms: Ints) -> Outcomes:
        """What verdicts find of participants just before their claims' first ruling, where nothing is taken back since.

        Returns:
            stance, q: see `Ledger.outcomes`; side: the stance taken part with, now or before it was taken back;
            there: whether anything of the participant stands, or stood when it was ruled.
        """
        parts = self.tables.parts
        stance, q = self.ledger.outcomes(rows, before_ms)
        found = Outcomes(stance, q, np.where(stance > 0, stance, parts["x"][rows]), parts["e"][rows] > 0)
        for i in parts["past"][rows].nonzero()[0].tolist():
            self._outcome(found, i, int(rows[i]), int(before_ms[i]))
        return found

    def _outcome(self, found: Outcomes, i: int, part: int, ruled_ms: int) -> None:
        """The same for one participant who took back or rewrote something."""
        edits, past = self.tables.edits, self._past(part)
        plain = [self._said(part, place) for event, place in self._places(part).items() if event not in past]
        then = [self._reads(rows, ruled_ms) for rows in past.values()]
        said = [r for r in [*then, *plain] if r is not None and r.t < ruled_ms and SUPPORT <= r.x <= DENY]
        last = max(said, key=lambda r: (r.t, r.e), default=None)
        found.stance[i] = 0 if last is None else int(said_as(last.x, last.kind))
        found.q[i] = 0.0 if last is None else last.q
        kind, t_ms = edits["kind"], edits["t"]
        late = [rows for rows in past.values() if any(kind[row] == DELETE and t_ms[row] >= ruled_ms for row in rows)]
        if last is not None:
            found.side[i] = last.x
        elif not found.there[i] and late:
            left = [r for rows in late if (r := self._reads(rows, END_MS, deletes=False)) is not None]
            found.side[i] = max(left, key=lambda r: (tier(np.array([r.x]))[0], r.t, r.e)).x
        found.there[i] |= bool(late)
