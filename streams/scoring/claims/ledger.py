"""The ledger of a claim: who took part, what each asserts now, and with which stamp.

Set semantics, so that order and repetition do not matter: of a participant's assertions (support or denial) the
latest by (event time, event id) is in force, a query or comment only where there is no assertion, what takes no stance
only where there is nothing else; of its stamps the one with the highest sequence. What is not in force is kept: a
verdict credits the last assertion before it, and what is in force may be taken back (see `edits`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.contract.codes import DENY, PASSED_ON, RESHARE, SUPPORT
from streams.scoring.chains import along
from streams.scoring.claims import corroboration
from streams.scoring.claims.claim_tables import RUSH_FIELDS, VOICE_FIELDS, ClaimTables
from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import Floats, Ints, add_at, begins_of, distinct, first_seen, mix_keys, order_of, to_fixed
from streams.scoring.signals.histories import brings_record
from streams.tables.blocks import Block

STAMP_COLUMNS = (
    ("w", "w"), ("v", "v"), ("cl", "cl"), ("known", "known"), ("band", "band"),
    ("h0", "hist0"), ("h30", "hist30"), ("h60", "hist60"),
)  # fmt: skip
POOLED = (("hs0", "h0"), ("hs30", "h30"), ("hs60", "h60"))
SAID = ("x", "kind", "t", "e", "g", "m", "q")
"""Columns that an event has, whether it is in force or not."""
VETERAN = 2
ROOT_POST = -1


def said_as(stance: Any, kind: Any) -> Any:
    """A stance as credits name it: supports that pass on another's words are apart from those people wrote."""
    return np.where((stance == SUPPORT) & (kind == RESHARE), PASSED_ON, stance)


def tier(x: npt.NDArray[np.int8]) -> Ints:
    """Rank of stances: assertions before questions and comments, and these before none; then time and hash decide.

    >>> tier(np.array([0, 1, 2, 3, 4], np.int8)).tolist()
    [0, 2, 2, 1, 1]
    """
    return np.where(x == 0, 0, np.where(x <= DENY, 2, 1))


class Ledger:
    """Folds stamped rows and new stamps into participants and everything summed over them."""

    def __init__(self, tables: ClaimTables, config: ScoringConfig) -> None:
        self.tables = tables
        self.config = config

    def fold(self, block: Block, claim_rows: Ints, part_rows: Ints, made: Ints, named: Ints, q: Floats) -> Ints:
        """Take in stamped rows.

        Args:
            claim_rows, part_rows: rows of each event's claim and participant; `made` are the participants that are new.
            named: community named by the event (row of `communities`).
            q: P(own stance is right) just before the block, for each row.

        Returns:
            the participants of the block, each once.
        """
        touched = part_rows if len(made) == len(part_rows) else distinct(part_rows)
        repeated = len(touched) < len(part_rows)
        roots = block["r"].nonzero()[0]
        if roots.size:
            kind = block["kind"].copy()
            kind[roots] = ROOT_POST
            block = Block(block.kind, block.up, block.origin, {**block.columns, "kind": kind}, block.meta)
            self.root(claim_rows[roots], part_rows[roots], block["t"][roots], block["e"][roots])

        def write() -> None:
            self._stamp(block, part_rows, repeated)
            self._assert(block, part_rows, named, q, repeated)

        self.change(touched, write)
        return touched

    def restamp(self, block: Block, part_rows: Ints) -> None:
        """Take in new stamps of known participants."""
        touched = distinct(part_rows)
        self.change(touched, lambda: self._stamp(block, part_rows, len(touched) < len(part_rows)), stances=False)

    def change(self, touched: Ints, write: Callable[[], None], stances: bool = True) -> None:
        """Let participants be written to, and bring everything that is summed over them to what they are then.

        Args:
            touched: the participants, each once; who has nothing that stands counts for nothing.
            stances: whether more is written than stamps.
        """
        parts = self.tables.parts
        before_in = parts["e"][touched] > 0
        held = touched[before_in]
        before = corroboration.contributions(self.tables, held, self.config) if held.size else None
        if held.size:
            self._pool(held, -1, stances)
        write()
        if stances:
            in_ = parts["e"][touched] > 0
            add_at(self.tables.claims["parts"], parts["c"][touched], in_.astype(np.int8) - before_in)
            held = touched if in_.all() else touched[in_]
        after = corroboration.contributions(self.tables, held, self.config) if held.size else None
        if held.size:
            self._pool(held, 1, stances)
        corroboration.replace(self.tables, before, after, self.config)
        parts.touch(touched)

    def root(self, claim_rows: Ints, part_rows: Ints, t_ms: Ints, events: npt.NDArray[np.uint64]) -> None:
        """Posts at the root of their claims: the earliest of each is the root."""
        claims = self.tables.claims
        held_ms = claims["root_t"][claim_rows]
        earlier = (t_ms < held_ms) | ((t_ms == held_ms) & (events < claims["root_e"][claim_rows]))
        at = ((claims["root"][claim_rows] == 0) | earlier).nonzero()[0]
        at = at[np.lexsort((events[at], t_ms[at]))[::-1]]  # of several of a claim the earliest is written last
        for field, column in (("root", part_rows + 1), ("root_t", t_ms), ("root_e", events)):
            claims[field][claim_rows[at]] = column[at]

    def _stamp(self, block: Block, part_rows: Ints, repeated: bool) -> None:
        parts, z = self.tables.parts, block["z"]
        newer = (z > parts["z"][part_rows]).nonzero()[0]
        if repeated:  # the highest of the block is written last
            newer = newer[np.argsort(z[newer], kind="stable")]
        every = len(newer) == len(part_rows) and not repeated
        rows = part_rows if every else part_rows[newer]
        parts["z"][rows] = z if every else z[newer]
        for field, name in STAMP_COLUMNS:
            parts[field][rows] = block[name] if every else block[name][newer]

    def _pool(self, rows: Ints, sign: int, stances: bool = True) -> None:
        """Add participants to (or take them out of) their claims' counts of stances and sums of histories.

        Without `stances`, only what depends on their stamps.
        """
        parts, claims = self.tables.parts, self.tables.claims
        owner, x = parts["c"][rows].astype(np.int64), parts["x"][rows]
        reshares = parts["kind"][rows] == RESHARE
        if stances:
            present = np.bincount(x, minlength=5)
            for code in (1, 2, 3, 4):
                if present[code]:
                    add_at(claims[f"n{code}"], owner if present[code] == len(x) else owner[x == code], sign)
            add_at(claims["spread"], owner[reshares & (x == SUPPORT)], sign)
        written = (~reshares & (x > 0) & (x <= DENY)).nonzero()[0]
        if written.size:
            self._count_voices(rows[written], owner[written], x[written], sign)
        add_at(claims["netted"], owner[parts["cl"][rows] > 0], sign)
        known = brings_record(parts, rows).nonzero()[0]
        if not known.size:
            return
        rows, owner, x, wrote = rows[known], owner[known], x[known], ~reshares[known]
        add_at(claims["known"], owner, sign)
        side = np.where(x == DENY, -sign, sign)  # a denial by those who repeat falsehoods speaks for the claim
        for total, field in POOLED:
            history = side * to_fixed(parts[field][rows].astype(np.float64))
            add_at(claims[total], owner, history)
            if field == "h0":
                veteran = (parts["known"][rows] == VETERAN).nonzero()[0]
                for some, count, sum_ in ((veteran, "veterans", "hv"), (wrote.nonzero()[0], "writers", "hw")):
                    add_at(claims[count], owner[some], sign)
                    add_at(claims[sum_], owner[some], history[some])
        signed = np.where(x == SUPPORT, parts["w"][rows], np.where(x == DENY, -parts["v"][rows], 0.0))
        add_at(claims["signed"], owner, sign * to_fixed(signed.astype(np.float64)))

    def _count_voices(self, rows: Ints, owner: Ints, x: Ints, sign: int) -> None:
        parts, claims = self.tables.parts, self.tables.claims
        voice = np.where(parts["cl"][rows] > 0, 3, parts["band"][rows]).astype(np.int64) * 2 + (x == DENY)
        present = np.bincount(voice, minlength=8)
        for code, name in enumerate(VOICE_FIELDS):
            if present[code]:
                add_at(claims[name], owner[voice == code], sign)
        if present[6:].any():
            netted = (voice >= 6).nonzero()[0]
            self._count_rush(rows[netted], owner[netted], x[netted], sign)

    def _count_rush(self, rows: Ints, owner: Ints, x: Ints, sign: int) -> None:
        """The same for accounts in copy-clusters that spoke soon after their claim began."""
        parts, claims = self.tables.parts, self.tables.claims
        soon = parts["t"][rows] - claims["first"][owner] <= self.config.rush_ms
        for code, name in enumerate(RUSH_FIELDS, SUPPORT):
            add_at(claims[name], owner[soon & (x == code)], sign)

    def began_otherwise(self, claim_rows: Ints) -> None:
        """Count anew who spoke soon, in claims whose first event turned out to be another."""
        parts, claims = self.tables.parts, self.tables.claims
        for row in claim_rows[(claims["pc"][claim_rows] + claims["dc"][claim_rows]) > 0].tolist():
            rows = np.flatnonzero((parts["c"][: parts.size] == row) & (parts["e"][: parts.size] > 0))
            written = (parts["kind"][rows] != RESHARE) & (parts["x"][rows] > 0) & (parts["x"][rows] <= DENY)
            rows = rows[written & (parts["cl"][rows] > 0)]
            for name in RUSH_FIELDS:
                claims[name][row] = 0
            self._count_rush(rows, np.full(len(rows), row), parts["x"][rows], 1)

    # --- stances -------------------------------------------------------------------------------------------------

    def _assert(self, block: Block, part_rows: Ints, named: Ints, q: Floats, repeated: bool) -> None:
        parts = self.tables.parts
        plain = parts["e"][part_rows] == 0
        if repeated:
            order = order_of(part_rows)
            again = np.diff(part_rows[order]) == 0
            plain[order[1:][again]] = plain[order[:-1][again]] = False
        at = plain.nonzero()[0]
        everyone = len(at) == len(part_rows)
        rows = part_rows if everyone else part_rows[at]
        for field in ("x", "kind", "t", "e", "g"):
            parts[field][rows] = block[field] if everyone else block[field][at]
        parts["m"][rows] = named if everyone else named[at]
        parts["q"][rows] = q if everyone else q[at]
        ids, texts = block["i"], parts.texts("i")
        for i in (plain & (block["x"] > 0) & (block["kind"] != RESHARE)).nonzero()[0].tolist():
            texts[part_rows[i]] = ids[i]
        if not everyone:
            self._take(part_rows, (~plain).nonzero()[0], block, named, q)

    def _take(self, part_rows: Ints, at: Ints, block: Block, named: Ints, q: Floats) -> None:
        """Further events of participants: of each, the highest in rank is in force, and the rest is kept.

        Of equals the one in force stays.
        """
        parts = self.tables.parts
        held = distinct(part_rows[at])
        held = held[parts["e"][held] > 0]
        # Candidates: what is in force now, first, then the block's rows in their order.
        part = np.concatenate([held, part_rows[at]])
        said: dict[str, npt.NDArray[Any]] = {
            field: np.concatenate([parts[field][held], block[field][at]]) for field in SAID[:5]
        }
        said["m"] = np.concatenate([parts["m"][held], named[at]])
        said["q"] = np.concatenate([parts["q"][held], q[at]])
        now, new = parts.texts("i"), block["i"]
        ids = [now[row] for row in held.tolist()] + [new[i] if block["x"][i] else "" for i in at.tolist()]
        order = np.lexsort((-np.arange(len(part)), said["e"], said["t"], tier(said["x"]), part))
        last = np.append(part[order][1:] != part[order][:-1], True)
        self._keep(part, said, ids, np.sort(order[~last]))
        wins = order[last]
        wins = wins[wins >= len(held)]
        for field, column in said.items():
            parts[field][part[wins]] = column[wins]
        for i in wins.tolist():
            now[part[i]] = ids[i]

    def _keep(self, part: Ints, said: dict[str, npt.NDArray[Any]], ids: list[str], kept: Ints) -> None:
        """Append events that are not in force to their participants' chains; what is there stays as it is."""
        more, parts = self.tables.more, self.tables.parts
        if not kept.size:
            return
        rows, made = more.ensure(mix_keys(part[kept], said["e"][kept]))
        if not made.size:
            return
        fresh = kept[first_seen(rows, made)]
        by_part = order_of(part[fresh])
        fresh, fresh_rows = fresh[by_part], made[by_part]
        owner = part[fresh]
        for field, column in said.items():
            more[field][fresh_rows] = column[fresh]
        more["p"][fresh_rows] = owner
        begins = begins_of(owner)
        more["next"][fresh_rows] = np.where(begins, parts["more"][owner], np.append(0, fresh_rows[:-1] + 1))
        ends = np.append(begins[1:], True)
        parts["more"][owner[ends]] = fresh_rows[ends] + 1
        texts = more.texts("i")
        for row, i in zip(fresh_rows.tolist(), fresh.tolist(), strict=True):
            texts[row] = ids[i]

    def outcomes(self, rows: Ints, before_ms: npt.NDArray[np.int64]) -> tuple[Ints, Floats]:
        """What a verdict credits: each participant's last assertion before its claim's first ruling, and its q.

        Returns:
            stance (1 support, 2 denial, 3 a support that is a reshare, 0 none in time) and q.
        """
        parts, more = self.tables.parts, self.tables.more
        x = parts["x"][rows]
        counts = (x > 0) & (x <= DENY) & (parts["t"][rows] < before_ms)
        stance = np.where(counts, said_as(x, parts["kind"][rows]), 0).astype(np.int64)
        q = np.where(counts, parts["q"][rows], 0.0)
        late = (~counts & (parts["more"][rows] > 0)).nonzero()[0]
        if late.size:
            row = self._last_before(parts["more"][rows[late]], before_ms[late])
            late, row = late[row >= 0], row[row >= 0]
            stance[late], q[late] = said_as(more["x"][row], more["kind"][row]), more["q"][row]
        return stance, q

    def _last_before(self, link: Ints, before_ms: npt.NDArray[np.int64]) -> Ints:
        """Of each chain of further events, the row of the last assertion before a time; −1 if there is none.

        Args:
            link: where the chains begin, row + 1.
        """
        more = self.tables.more
        owner, rows = along(more["next"], link, len(more))
        asserts = (more["x"][rows] > 0) & (more["x"][rows] <= DENY)
        early = (asserts & (more["t"][rows] < before_ms[owner])).nonzero()[0]
        owner, rows = owner[early], rows[early]
        order = np.lexsort((more["e"][rows], more["t"][rows], owner))
        best = np.full(len(link), -1)
        best[owner[order]] = rows[order]  # of several the last is in
        return best
