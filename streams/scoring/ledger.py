"""The ledger of a claim: who took part, what each asserts now, and with which stamp.

Set semantics, so that order and repetition do not matter: of a participant's assertions (support or denial) the
latest by (event time, event id) is in force, a query or comment only where there is no assertion; of its stamps the
one with the highest sequence. Assertions that are not in force are kept: a verdict credits the last one before it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.blocks import Block
from streams.scoring import corroboration
from streams.scoring.claim_tables import VOICE_FIELDS, ClaimTables
from streams.scoring.config import ScoringConfig
from streams.scoring.corroboration import DENY, RESHARE_KIND, SUPPORT
from streams.scoring.numeric import Floats, Ints, distinct, mix_keys, to_fixed

STAMP_COLUMNS = (
    ("w", "w"), ("v", "v"), ("cl", "cl"), ("known", "known"), ("band", "band"),
    ("h0", "hist0"), ("h30", "hist30"), ("h60", "hist60"),
)  # fmt: skip
POOLED = (("hs0", "h0"), ("hs30", "h30"), ("hs60", "h60"))


class Ledger:
    """Folds stamped rows and new stamps into participants and everything summed over them."""

    def __init__(self, tables: ClaimTables, config: ScoringConfig) -> None:
        self.tables = tables
        self.config = config

    def fold(
        self, block: Block, claim_rows: Ints, part_rows: Ints, made: Ints, named: Ints, own: Ints, q: Floats
    ) -> Ints:
        """Take in stamped rows.

        Args:
            claim_rows, part_rows: rows of each event's claim and participant; `made` are the participants that are new.
            named, own: community named by the event and assigned to the source (rows of `communities`).
            q: P(own stance is right) just before the block, for each row.

        Returns:
            the participants of the block, each once.
        """
        parts = self.tables.parts
        touched = part_rows if len(made) == len(part_rows) else distinct(part_rows)
        old = made.size < len(touched)
        before = corroboration.contributions(self.tables, touched, self.config) if old else None
        if old:
            self._pool(touched, -1)
        self._stamp(block, part_rows, own, len(touched) < len(part_rows))
        self._assert(block, part_rows, named, q, len(touched) < len(part_rows))
        self._pool(touched, 1)
        after = corroboration.contributions(self.tables, touched, self.config)
        corroboration.replace(self.tables, before, after, self.config)
        roots = block["r"].nonzero()[0]
        if roots.size:
            self.tables.claims["root"][claim_rows[roots]] = part_rows[roots] + 1
        parts.touch(touched)
        return touched

    def restamp(self, block: Block, part_rows: Ints, own: Ints) -> None:
        """Take in new stamps of known participants."""
        touched = distinct(part_rows)
        before = corroboration.contributions(self.tables, touched, self.config)
        self._pool(touched, -1)
        self._stamp(block, part_rows, own, len(touched) < len(part_rows))
        self._pool(touched, 1)
        after = corroboration.contributions(self.tables, touched, self.config)
        corroboration.replace(self.tables, before, after, self.config)
        self.tables.parts.touch(touched)

    def _stamp(self, block: Block, part_rows: Ints, own: Ints, repeated: bool) -> None:
        parts, z = self.tables.parts, block["z"]
        newer = (z > parts["z"][part_rows]).nonzero()[0]
        if repeated:  # the highest of the block is written last
            newer = newer[np.argsort(z[newer], kind="stable")]
        every = len(newer) == len(part_rows) and not repeated
        rows = part_rows if every else part_rows[newer]
        parts["z"][rows] = z if every else z[newer]
        parts["com"][rows] = own if every else own[newer]
        for field, name in STAMP_COLUMNS:
            parts[field][rows] = block[name] if every else block[name][newer]

    def _pool(self, rows: Ints, sign: int) -> None:
        """Add participants to (or take them out of) their claims' counts of stances and sums of histories."""
        parts, claims = self.tables.parts, self.tables.claims
        owner, x = parts["c"][rows], parts["x"][rows]
        present = np.bincount(x, minlength=5)
        for code in (1, 2, 3, 4):
            if present[code]:
                np.add.at(claims[f"n{code}"], owner if present[code] == len(x) else owner[x == code], sign)
        reshares = parts["kind"][rows] == RESHARE_KIND
        np.add.at(claims["spread"], owner[reshares & (x == SUPPORT)], sign)
        written = (~reshares & (x > 0) & (x <= DENY)).nonzero()[0]
        if written.size:
            self._count_voices(rows[written], owner[written], x[written], sign)
        known = parts["known"][rows].nonzero()[0]
        if not known.size:
            return
        rows, owner, x = rows[known], owner[known], x[known]
        np.add.at(claims["known"], owner, sign)
        side = np.where(x == DENY, -sign, sign)  # a denial by those who repeat falsehoods speaks for the claim
        for total, field in POOLED:
            np.add.at(claims[total], owner, side * to_fixed(parts[field][rows].astype(np.float64)))
        signed = np.where(x == SUPPORT, parts["w"][rows], np.where(x == DENY, -parts["v"][rows], 0.0))
        np.add.at(claims["signed"], owner, sign * to_fixed(signed.astype(np.float64)))

    def _count_voices(self, rows: Ints, owner: Ints, x: Ints, sign: int) -> None:
        parts, claims = self.tables.parts, self.tables.claims
        voice = np.where(parts["cl"][rows] > 0, 3, parts["band"][rows]).astype(np.int64) * 2 + (x == DENY)
        present = np.bincount(voice, minlength=8)
        for code, name in enumerate(VOICE_FIELDS):
            if present[code]:
                np.add.at(claims[name], owner[voice == code], sign)

    # --- stances -------------------------------------------------------------------------------------------------

    def _assert(self, block: Block, part_rows: Ints, named: Ints, q: Floats, repeated: bool) -> None:
        parts, x = self.tables.parts, block["x"]
        spoke = x > 0
        plain = spoke & (parts["x"][part_rows] == 0)
        if repeated:
            _, inverse, counts = np.unique(part_rows, return_inverse=True, return_counts=True)
            plain &= counts[inverse] == 1
        at = plain.nonzero()[0]
        everyone = len(at) == len(part_rows)
        rows = part_rows if everyone else part_rows[at]
        for field in ("x", "kind", "t", "e", "g"):
            parts[field][rows] = block[field] if everyone else block[field][at]
        parts["m"][rows] = named if everyone else named[at]
        parts["q"][rows] = q if everyone else q[at]
        ids, texts = block["i"], parts.texts("i")
        for i in (plain & (block["kind"] != RESHARE_KIND)).nonzero()[0].tolist():
            texts[part_rows[i]] = ids[i]
        if len(at) == np.count_nonzero(spoke):
            return
        for i in np.flatnonzero(spoke & ~plain).tolist():
            self._take(int(part_rows[i]), block, i, int(named[i]), float(q[i]))

    def _take(self, part: int, block: Block, i: int, named: int, q: float) -> None:
        """A further stance of a participant: in force if it outranks the present one, else kept if it asserts."""
        parts = self.tables.parts
        new = (int(block["x"][i]), int(block["t"][i]), int(block["e"][i]))
        now = (int(parts["x"][part]), int(parts["t"][part]), int(parts["e"][part]))
        if (_rank(new)) <= _rank(now):
            if new[0] <= DENY:
                self._keep(part, new, int(block["kind"][i]), int(block["g"][i]), named, q, block["i"][i])
            return
        if 0 < now[0] <= DENY:
            self._keep(
                part, now, int(parts["kind"][part]), int(parts["g"][part]), int(parts["m"][part]),
                float(parts["q"][part]), parts.texts("i")[part],
            )  # fmt: skip
        for field in ("x", "kind", "t", "e", "g"):
            parts[field][part] = block[field][i]
        parts["m"][part], parts["q"][part] = named, q
        parts.texts("i")[part] = block["i"][i]

    def _keep(self, part: int, stance: tuple[int, int, int], kind: int, g: int, m: int, q: float, i: str) -> None:
        more, parts = self.tables.more, self.tables.parts
        key = int(mix_keys(np.array([part]), np.array([stance[2]], np.uint64))[0])
        rows, made = more.ensure([key])
        if not made.size:
            return
        row = int(rows[0])
        more["p"][row], more["next"][row] = part, parts["more"][part]
        more["x"][row], more["t"][row], more["e"][row] = stance
        more["kind"][row], more["g"][row], more["m"][row], more["q"][row] = kind, g, m, q
        more.texts("i")[row] = i
        parts["more"][part] = row + 1

    def outcomes(self, rows: Ints, before_ms: npt.NDArray[np.int64]) -> tuple[Ints, Floats]:
        """What a verdict credits: each participant's last assertion before its claim's first ruling, and its q.

        Returns:
            stance (1 support, 2 denial, 0 none in time) and q.
        """
        parts, more = self.tables.parts, self.tables.more
        x = parts["x"][rows]
        counts = (x > 0) & (x <= DENY) & (parts["t"][rows] < before_ms)
        stance = np.where(counts, x, 0).astype(np.int64)
        q = np.where(counts, parts["q"][rows], 0.0)
        for i in np.flatnonzero(~counts & (parts["more"][rows] > 0)).tolist():
            best: tuple[int, int] | None = None
            link = int(parts["more"][rows[i]])
            while link:
                row = link - 1
                rank = (int(more["t"][row]), int(more["e"][row]))
                if rank[0] < before_ms[i] and (best is None or rank > best):
                    best, stance[i], q[i] = rank, more["x"][row], more["q"][row]
                link = int(more["next"][row])
        return stance, q


def _rank(stance: tuple[int, int, int]) -> tuple[bool, int, int]:
    return 0 < stance[0] <= DENY, stance[1], stance[2]
