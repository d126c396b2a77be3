"""The tables of a claims partition: what is remembered of a claim, a participant, a rating."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.contract.codes import DENY, STANCE_CODES, SUPPORT
from streams.contract.words import Stance
from streams.scoring.numeric import Int, Ints, distinct
from streams.scoring.signals.registry import SIGNALS
from streams.tables.compiled import compiled, inlined
from streams.tables.table import Table, View

COMMENT = STANCE_CODES[Stance.COMMENT]
ROOT_POST = -1  # the kind of a post at the root, in state
VETERAN = 2

CLAIM_FIELDS = {
    "seen": "u4",  # append time of the latest row, s
    "events": "i8",
    "first_ms": "i8",
    "last_ms": "i8",
    "participants": "i4",
    "members": "i4",  # the latest to join: row + 1, where the chain of participants begins
    "supports": "i4",  # active stances
    "denials": "i4",
    "queries": "i4",
    "comments": "i4",
    "reshares": "i4",  # the supports among them that are reshares
    "corroboration": "i8",  # L = Σ B·tanh(E/B) over communities, fixed point
    "weight": "i8",  # independent weight behind it, both signs, fixed point
    "history": "i8",  # histories of known participants, fixed point: undecayed,
    "history_30": "i8",  # with a half-life of 30 days,
    "history_60": "i8",  # and of 60 days
    "history_veterans": "i8",  # undecayed, of those in eight settled claims or more,
    "history_writers": "i8",  # and of those who wrote
    "known": "i4",  # how many of each kind
    "veterans": "i4",
    "writers": "i4",
    "netted": "i4",  # participants in copy-clusters
    "signed": "i8",  # Σ ± signed weight over known participants' stances, fixed point
    # Written supports and denials of those of whom no claim is settled; of copy-clusters; and of these within `rush_ms`
    # of the claim's first event.
    "new_supports": "i4",
    "new_denials": "i4",
    "net_supports": "i4",
    "net_denials": "i4",
    "rush_supports": "i4",
    "rush_denials": "i4",
    "root": "i4",  # participant who posted the root, the earliest that stands: row + 1,
    "root_ms": "i8",  # and its time and event
    "root_event": "u8",
    "bare": "i1",  # 1 while posts were taken back and none stands
    "kernels": "9f8",
    "start": "f8",
    "early": "f8",
    "verdict": "i1",  # 0 none in force, 1 true, 2 false, 3 settled without credit
    "ruled_ms": "i8",  # time of the first ruling in force
    "rulings": "i4",  # ratings in force for true minus for false
    "ruled": "i4",  # the latest rater to rule: row + 1, where the chain of ratings begins
    "heard": "i4",  # and the latest of what else was heard: row + 1
    "settlement": "i8",  # its version: sequence of the log record that made it
    "owed": "i1",  # 1 while credits of that version are still being sent
    "aged": "i1",  # snapshots taken: bit 0 at one hour, 1 at six, 2 at a day
    "told": "i8",  # events, score and risk (log-odds) at the last published record
    "told_score": "f4",
    "told_risk": "f4",
    "alarm": "f4",  # the highest before a verdict, 0 at least, nats
    "flag": "i1",  # 1 while a flag is raised, −1 if one was when the claim was settled
    "flag_revision": "i4",  # of the latest flag
    "flag_at_ms": "i8",  # the log's clock at the latest revision
    "flag_priority": "i2",
    "flag_number": "i8",  # the claim's version of its latest flag: it rises though a claim be forgotten
}
SAID_FIELDS = {  # what an event says
    "stance": "i1",
    "kind": "i1",  # −1 for a post at the root
    "time_ms": "i8",
    "event": "u8",  # 64-bit hash of its id
    "text": "u8",  # and of its normalised text, 0 = none
    "named": "i4",  # community that it names: row
    "chance": "f4",  # q: P(its stance is right) just before it was said
}
SAID = tuple(SAID_FIELDS)
STAMP_FIELDS = {  # what the sources stage says of who said it
    "stamp": "i8",  # sequence: the highest wins
    "support": "f4",  # signed weight of a support, nats
    "denial": "f4",
    "cluster": "u8",  # copy-cluster, 0 = none
    "record": "i1",  # 0 none, 1 some, 2 veteran
    "band": "i1",
    "history": "f4",  # log-odds of taking part in falsehoods
    "history_30": "f4",
    "history_60": "f4",
}
EVENT = np.dtype(
    [("claim", "i8"), ("source", "i8"), ("root", "i1")]
    + [(name, "f8" if kind == "f4" else kind) for name, kind in (SAID_FIELDS | STAMP_FIELDS).items()]
)
"""A stamped event, as the loops take it: with rows for names."""
PART_FIELDS = {
    "claim": "i4",
    "source": "i4",
    "peer": "i4",  # who joined the claim just before: row + 1
    **SAID_FIELDS,  # of the event in force; no event: nothing that the participant said stands
    **STAMP_FIELDS,
    "further": "i4",  # further events that stand: row + 1
    "past": "i4",  # edits and deletes, and what they were made to: row + 1
    "credited": "i1",  # credit sent last: right, wrong or none,
    "finding": "i1",
    "credited_stance": "i1",
}
MORE_FIELDS = {"participant": "i4", "next": "i4", **SAID_FIELDS}
# Of each event that was corrected what it said at first, and each correction.
EDIT_FIELDS = {
    "participant": "i4",
    "next": "i4",
    "event": "u8",
    "kind": "i1",
    "stance": "i1",
    "time_ms": "i8",
    "text": "u8",
    "brings_text": "i1",
    "chance": "f4",
}
CAMP_FIELDS = {
    "claim": "i4",
    "community": "i4",
    "supports": "i8",  # Σ E and Σ E² of clusters, fixed point
    "supports_squared": "i8",
    "denials": "i8",
    "denials_squared": "i8",
    "moved": "i8",  # B·tanh((W⁺ − W⁻)/(D·B))
    "weight": "i8",  # (W⁺ + W⁻)/D
}
CELL_FIELDS = {"camp": "i4", "denies": "i1", "reshares": "i1", "weight": "i8", "squared": "i8"}
# By the signal's name: a release with other signals has other columns, and says so instead of mixing them up.
SNAPSHOT_SIGNALS = tuple(f"signal_{name}" for name in SIGNALS)
SNAPSHOT_FIELDS = {
    "claim": "i4",
    "participants": "i4",
    "corroboration": "f4",
    "weight": "f4",
    **dict.fromkeys(SNAPSHOT_SIGNALS, "f4"),
}
RULED_FIELDS = {"claim": "i4", "next": "i4", "version": "i8", "verdict": "i1", "time_ms": "i8", "content": "u8"}
RULING_FIELDS = {
    **RULED_FIELDS,
    "first_ms": "i8",
    "origin": "i8",  # in `up`
    "number": "i8",  # rises with every version of every rater that comes to count
}
RULED_TEXTS = ("id", "kind", "url", "note")


class Books(NamedTuple):
    """What compiled loops take of the tables; to be taken anew after any of them may have grown."""

    claims: View
    names: View
    participants: View
    further: View
    edits: View
    camps: View
    cells: View
    snapshots: View
    signals: npt.NDArray[np.float32]  # [snapshots, signals] the signals of the snapshots


class ClaimTables:
    """Every table of a claims partition except clock, parameters and communities."""

    def __init__(self) -> None:
        self.claims = Table("claims", CLAIM_FIELDS)
        self.names = Table("source_names", {"parts": "i4"})
        self.parts = Table("participants", PART_FIELDS, text=("id",), integers=True)
        self.more = Table("assertions", MORE_FIELDS, text=("id",), integers=True)
        self.edits = Table("edits", EDIT_FIELDS, integers=True)
        self.camps = Table("camps", CAMP_FIELDS, integers=True)
        self.cells = Table("cells", CELL_FIELDS, integers=True)
        self.rulings = Table("rulings", RULING_FIELDS, text=(*RULED_TEXTS, "up"))
        self.heard = Table("heard", {**RULED_FIELDS, "fate": "i1"}, text=(*RULED_TEXTS, "rater"), integers=True)
        self.snapshots = Table("snapshots", SNAPSHOT_FIELDS, integers=True)

    def all(self) -> tuple[Table, ...]:
        """The tables, in storage order."""
        return (
            self.claims, self.names, self.parts, self.more, self.edits, self.camps, self.cells, self.rulings,
            self.heard, self.snapshots,
        )  # fmt: skip

    def books(self, events: int = 0, corrections: int = 0, rulings: int = 0) -> Books:
        """The tables as the loops take them, with room for what so many of these may add."""
        for table in (self.parts, self.more, self.camps, self.cells):
            table.reserve(events + corrections)
        self.edits.reserve(2 * corrections)
        self.snapshots.reserve(3 * (events + rulings))
        return Books(
            self.claims.view, self.names.view, self.parts.view, self.more.view, self.edits.view, self.camps.view,
            self.cells.view, self.snapshots.view, self._signals(),
        )  # fmt: skip

    def _signals(self) -> npt.NDArray[np.float32]:
        """The signals of the snapshots, which lie one after the other, as a matrix."""
        records = self.snapshots.records
        names, fields = list(SNAPSHOT_SIGNALS), self.snapshots.layout.fields
        assert fields is not None
        offset = fields[names[0]][1]
        assert [fields[name][1] for name in names] == [offset + 4 * k for k in range(len(names))]
        return np.ndarray((len(records), len(names)), np.float32, records, offset, (records.itemsize, 4))

    def members(self, claim: int) -> Ints:
        """Rows of a claim's participants, ascending."""
        rows = np.empty(len(self.parts), np.int64)
        return np.sort(rows[: _members(self.parts.view, int(self.claims["members"][claim]), rows)])

    def forget(self, claim_rows: Ints) -> None:
        """Free these claims, and everything that hangs on them but rulings."""
        marked = np.zeros(self.claims.size, bool)
        marked[claim_rows] = True
        camps, cells = self.camps.rows(), self.cells.rows()
        camps = camps[marked[self.camps["claim"][camps]]]
        camping = np.zeros(self.camps.size, bool)
        camping[camps] = True
        self.cells.free(cells[camping[self.cells["camp"][cells]]])
        self.camps.free(camps)
        kept = self.snapshots.rows()
        self.snapshots.free(kept[marked[self.snapshots["claim"][kept]]])
        parts = np.concatenate([np.zeros(0, np.int64), *map(self.members, claim_rows.tolist())])
        for table, link in ((self.more, "further"), (self.edits, "past")):
            links = self.parts[link][parts]
            for first in links[links > 0].tolist():
                table.free(chain(table, first))
        names = self.parts["source"][parts].astype(np.int64)
        np.subtract.at(self.names["parts"], names, np.int32(1))
        emptied = distinct(names)
        self.names.touch(emptied)
        self.parts.free(parts)
        self.names.free(emptied[self.names["parts"][emptied] == 0])
        self.claims.free(claim_rows)


def chain(table: Table, link: int) -> Ints:
    """The rows of a chain whose records name the `next`, as row + 1, from a first link on."""
    rows = np.empty(len(table), np.int64)
    return rows[: _follow(table.view, link, rows)]


@compiled
def _follow(view: View, link: Int, rows: Ints) -> Int:
    count = 0
    while link > 0:
        rows[count] = link - 1
        count, link = count + 1, np.int64(view.records[link - 1].next)
    return count


@compiled
def _members(participants: View, link: Int, rows: Ints) -> Int:
    count = 0
    while link > 0:
        rows[count] = link - 1
        count, link = count + 1, np.int64(participants.records[link - 1].peer)
    return count


@inlined
def asserts(stance: Int) -> bool:
    """Whether a stance takes a side."""
    return stance in (SUPPORT, DENY)
