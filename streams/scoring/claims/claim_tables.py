"""The tables of a claims partition: what is remembered of a claim, a participant, a rating."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from streams.scoring.cascade import KERNEL_FIELDS, START_FIELDS
from streams.scoring.numeric import Ints, add_at, distinct
from streams.scoring.signals.registry import SIGNALS
from streams.tables.table import Table

VOICE_FIELDS = ("p0", "d0", "p1", "d1", "p2", "d2", "pc", "dc")
RUSH_FIELDS = ("pr", "dr")
CLAIM_FIELDS = {
    "seen": "u4",  # append time of the latest row, s
    "events": "i8",
    "parts": "i4",  # participants
    "n1": "i4",  # active stances: support, deny, query, comment
    "n2": "i4",
    "n3": "i4",
    "n4": "i4",
    "spread": "i4",  # the supports among them that are reshares
    "first": "i8",
    "last": "i8",
    "L": "i8",  # Σ B·tanh(E/B) over communities, fixed point
    "A": "i8",  # independent weight behind it, both signs, fixed point
    "hs0": "i8",  # histories of known participants, fixed point
    "hs30": "i8",
    "hs60": "i8",
    "hv": "i8",  # the same of those in eight settled claims or more, and of those who wrote: no half-life
    "hw": "i8",
    "known": "i4",  # how many of each kind
    "veterans": "i4",
    "writers": "i4",
    "netted": "i4",  # participants in copy-clusters
    "signed": "i8",  # Σ ± signed weight over known participants' stances, fixed point
    # Written supports (p) and denials (d) by who speaks: none settled, 1–4 claims, more; copy-clusters apart.
    **dict.fromkeys(VOICE_FIELDS, "i4"),
    **dict.fromkeys(RUSH_FIELDS, "i4"),  # of pc and dc, those within `rush_ms` of the claim's first event
    "root": "i4",  # participant who posted the root, the earliest that stands: row + 1,
    "root_t": "i8",  # and its time and event
    "root_e": "u8",
    "bare": "i1",  # 1 while posts were taken back and none stands
    **dict.fromkeys(KERNEL_FIELDS, "f8"),
    **dict.fromkeys(START_FIELDS, "f8"),
    "verdict": "i1",  # 0 none in force, 1 true, 2 false, 3 settled without credit
    "ruled": "i8",  # time of the first ruling in force, ms
    "rulings": "i4",  # ratings in force for true minus for false
    "sver": "i8",  # settlement version: sequence of the log record that made it
    "owed": "i1",  # 1 while credits of that version are still being sent
    "aged": "i1",  # snapshots taken: bit 0 at one hour, 1 at six, 2 at a day
    "told": "i8",  # events, score and risk (log-odds) at the last published record
    "told_score": "f4",
    "told_risk": "f4",
    "alarm": "f4",  # the highest before a verdict, 0 at least, nats
    "flag": "i1",  # 1 while a flag is raised, −1 if one was when the claim was settled
    "flag_rev": "i4",  # of the latest flag
    "flag_at": "i8",  # the log's clock at the latest revision
    "flag_priority": "i2",
    "flag_no": "i8",  # the claim's version at which its latest flag was raised: it rises though a claim be forgotten
}
PART_FIELDS = {
    "c": "i4",
    "s": "i4",
    "x": "i1",  # active stance and the event that took it
    "kind": "i1",  # −1 for a post at the root
    "t": "i8",
    "e": "u8",  # 0: nothing that the participant said stands
    "g": "u8",
    "m": "i4",
    "q": "f4",  # P(own stance is right) just before
    "z": "i8",  # stamp
    "w": "f4",
    "v": "f4",
    "cl": "u8",
    "known": "i1",  # record: 0 none, 1 some, 2 veteran
    "band": "i1",
    "h0": "f4",
    "h30": "f4",
    "h60": "f4",
    "more": "i4",  # further events that stand: row + 1
    "past": "i4",  # edits and deletes, and what they were made to: row + 1
    "cy": "i1",  # credit sent last
    "cf": "i1",
    "cx": "i1",
}
MORE_FIELDS = {"p": "i4", "next": "i4", "x": "i1", "kind": "i1", "t": "i8", "e": "u8", "g": "u8", "m": "i4", "q": "f4"}
# Of each event that was corrected what it said at first, and each correction.
EDIT_FIELDS = {"p": "i4", "next": "i4", "e": "u8", "kind": "i1", "x": "i1", "t": "i8", "g": "u8", "r": "i1", "q": "f4"}
CAMP_FIELDS = {
    "c": "i4",
    "com": "i4",
    "Sp": "i8",  # Σ E and Σ E² of clusters, fixed point: supporting
    "Sp2": "i8",
    "Sn": "i8",  # denying
    "Sn2": "i8",
    "T": "i8",  # B·tanh((W⁺ − W⁻)/(D·B))
    "A": "i8",  # (W⁺ + W⁻)/D
}
CELL_FIELDS = {"camp": "i4", "deny": "i1", "spread": "i1", "W": "i8", "W2": "i8"}
# By the signal's name: a release with other signals has other columns, and says so instead of mixing them up.
SNAPSHOT_SIGNALS = tuple(f"signal_{name}" for name in SIGNALS)
SNAPSHOT_FIELDS = {"c": "i4", "n": "i4", "L": "f4", "A": "f4", **dict.fromkeys(SNAPSHOT_SIGNALS, "f4")}
SAID_FIELDS = {"c": "i4", "ver": "i8", "verdict": "i1", "t": "i8", "h": "u8"}
RULING_FIELDS = {**SAID_FIELDS, "first": "i8", "at": "i8"}  # at: origin in `up`
SAID_TEXTS = ("id", "kind", "url")


class ClaimTables:
    """Every table of a claims partition except clock, parameters and communities."""

    def __init__(self) -> None:
        self.claims = Table("claims", CLAIM_FIELDS)
        self.names = Table("source_names", {"parts": "i4"})
        self.parts = Table("participants", PART_FIELDS, text=("i",), integers=True)
        self.more = Table("assertions", MORE_FIELDS, text=("i",), integers=True)
        self.edits = Table("edits", EDIT_FIELDS, integers=True)
        self.camps = Table("camps", CAMP_FIELDS, integers=True)
        self.cells = Table("cells", CELL_FIELDS, integers=True)
        self.rulings = Table("rulings", RULING_FIELDS, text=(*SAID_TEXTS, "up"))
        self.heard = Table("heard", {**SAID_FIELDS, "fate": "i1"}, text=(*SAID_TEXTS, "rater"), integers=True)
        self.snapshots = Table("snapshots", SNAPSHOT_FIELDS, integers=True)

    def all(self) -> tuple[Table, ...]:
        """The tables, in storage order."""
        return (
            self.claims, self.names, self.parts, self.more, self.edits, self.camps, self.cells, self.rulings,
            self.heard, self.snapshots,
        )  # fmt: skip

    def standing(self, claim_rows: Ints) -> tuple[Ints, Ints, dict[str, npt.NDArray[Any]]]:
        """Every event of some claims that stands.

        Args:
            claim_rows: ascending.

        Returns:
            index into `claim_rows`, row of the participant, and kind, t and e, of each event.
        """
        parts, more = self.parts, self.more
        wanted = np.zeros(self.claims.size, bool)
        wanted[claim_rows] = True
        rows = np.flatnonzero(wanted[parts["c"][: parts.size]] & (parts["e"][: parts.size] > 0))
        present = np.zeros(parts.size, bool)
        present[rows] = True
        further = more.rows()
        further = further[present[more["p"][further]]]
        said = {name: np.concatenate([parts[name][rows], more[name][further]]) for name in ("kind", "t", "e")}
        rows = np.concatenate([rows, more["p"][further]])
        return np.searchsorted(claim_rows, parts["c"][rows]), rows, said

    def forget(self, claim_rows: Ints) -> None:
        """Free these claims, and everything that hangs on them but rulings."""
        marked = np.zeros(self.claims.size, bool)
        marked[claim_rows] = True
        parts = np.flatnonzero(marked[self.parts["c"][: self.parts.size]] & (self.parts["z"][: self.parts.size] > 0))
        going = np.zeros(self.parts.size, bool)
        going[parts] = True
        live = self.more["e"][: self.more.size] > 0
        self.more.free(np.flatnonzero(live & going[self.more["p"][: self.more.size]]))
        edits = self.edits.rows()
        self.edits.free(edits[going[self.edits["p"][edits]]])
        camps, cells = self.camps.rows(), self.cells.rows()
        camps = camps[marked[self.camps["c"][camps]]]
        camping = np.zeros(self.camps.size, bool)
        camping[camps] = True
        self.cells.free(cells[camping[self.cells["camp"][cells]]])
        self.camps.free(camps)
        names = self.parts["s"][parts].astype(np.int64)
        add_at(self.names["parts"], names, -1)
        self.names.touch(names)
        self.parts.free(parts)
        kept = self.snapshots.rows()
        self.snapshots.free(kept[marked[self.snapshots["c"][kept]]])
        emptied = distinct(names)
        self.names.free(emptied[self.names["parts"][emptied] == 0])
        self.claims.free(claim_rows)
