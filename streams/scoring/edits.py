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

from streams.blocks import Block
from streams.scoring import cascade
from streams.scoring.chains import along
from streams.scoring.claim_tables import ClaimTables
from streams.scoring.corrections import DELETE, UPDATE
from streams.scoring.corroboration import DENY, RESHARE_KIND, SUPPORT
from streams.scoring.ledger import ROOT_POST, SAID, Ledger, said_as, tier
from streams.scoring.numeric import Floats, Ints, distinct, mix_keys

POST = 0
IN_FORCE = -1  # where an event stands: in its participant's row, else in a row of `more`
READ = ("t", "e", "kind", "x", "g", "q")
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
        """Take in corrections of known participants; which participants they are, each once.

        Args:
            q: P(stance that an update brings is right) just before the block, for each row.
        """
        touched, removed = distinct(part_rows), dict[int, list[Reading]]()

        def write() -> None:
            for part in touched.tolist():
                gone = self._correct(part, np.flatnonzero(part_rows == part).tolist(), block, q)
                if gone:
                    removed.setdefault(int(self.tables.parts["c"][part]), []).extend(gone)

        self.ledger.change(touched, write)
        for claim, gone in removed.items():
            self._take_out(claim, gone)
        return touched

    # --- participants --------------------------------------------------------------------------------------------

    def _correct(self, part: int, rows: list[int], block: Block, q: Floats) -> list[Reading]:
        """Apply corrections to one participant; the events that do not stand any more."""
        places, past, removed = self._places(part), self._past(part), []
        for i in rows:
            event = int(block["e"][i])
            if event in places and event not in past:
                past[event] = [self._note(part, self._said(part, places[event]), 0)]
            if event not in past:
                continue
            change = Reading(**{name: block[name][i].item() for name in READ[:-1]}, q=float(q[i]))
            noted = self._note(part, change, int(block["r"][i]))
            past[event] += [noted] if noted not in past[event] else []
            now = self._reads(past[event], END_MS)
            if event in places and now is None:
                removed.append(self._said(part, places.pop(event)))
            elif event in places and now is not None:
                self._rewrite(part, places[event], now, block["i"][i])
        self._arrange(part, places)
        return removed

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

    def _note(self, part: int, said: Reading, text: int) -> int:
        """Keep what an event said at first, or a correction, if it is new; of deletes the earliest."""
        edits, parts = self.tables.edits, self.tables.parts
        content = [said.t, said.x, said.g, text] if said.kind == UPDATE else [0, 0, 0, 0]
        key = [part, said.e, said.kind if said.kind >= DELETE else 0, *content]
        (row,), made = edits.ensure(mix_keys(*(np.array([number & (1 << 64) - 1], np.uint64) for number in key)))
        row = int(row)
        if made.size:
            for name in READ:
                edits[name][row] = getattr(said, name)
            edits["p"][row], edits["r"][row], edits["next"][row] = part, text, parts["past"][part]
            parts["past"][part] = row + 1
        elif said.kind == DELETE:
            edits["t"][row] = min(said.t, int(edits["t"][row]))
            edits.touch(np.array([row]))
        return row

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
        if now.x and now.kind != RESHARE_KIND:
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
            self._fill(parts, part, self._content(more, best) if places else (0,) * len(SAID) + ("",))
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

    def _take_out(self, claim: int, gone: list[Reading]) -> None:
        """Events of a claim no longer stand: count, cascade, first and latest event, root."""
        claims = self.tables.claims
        times = np.array([event.t for event in gone], np.int64)
        claims["events"][claim] -= len(gone)
        claims.touch(np.array([claim]))
        ends = times.min() <= claims["first"][claim] or times.max() >= claims["last"][claim]
        rooted = claims["root"][claim] and claims["root_e"][claim] in [event.e for event in gone]
        posted = any(event.kind <= POST for event in gone)
        if not (ends or rooted or posted):
            cascade.unfold(claims, claim, times)
            return
        parts, standing = self.tables.standing(claim)
        if posted and not (standing["kind"] <= POST).any():
            claims["bare"][claim] = 1
        if rooted:
            self._root_again(claim, parts, standing)
        first = claims["first"][claim]
        if not parts.size:
            cascade.forget(claims, claim)
        elif ends:
            cascade.recount(claims, claim, standing["t"])
        else:
            cascade.unfold(claims, claim, times)
        if claims["first"][claim] != first:
            self.ledger.began_otherwise(np.array([claim]))

    def _root_again(self, claim: int, parts: Ints, standing: dict[str, npt.NDArray[Any]]) -> None:
        """The earliest post at the root that stands is the root."""
        claims = self.tables.claims
        claims["root"][claim], claims["root_t"][claim], claims["root_e"][claim] = 0, 0, 0
        posts = (standing["kind"] == ROOT_POST).nonzero()[0]
        if posts.size:
            at = posts[np.lexsort((standing["e"][posts], standing["t"][posts]))[0]]
            claims["root"][claim] = parts[at] + 1
            claims["root_t"][claim], claims["root_e"][claim] = standing["t"][at], standing["e"][at]

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
