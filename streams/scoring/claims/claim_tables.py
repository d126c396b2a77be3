"""The tables of a claims partition: what is remembered of a claim, a participant, a rating."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.contract.codes import DENY, STANCE_CODES, SUPPORT
from streams.contract.words import Stance
from streams.scoring.numeric import Int, Ints, distinct
from streams.scoring.parameters.flag_rules import RULE_COUNT
from streams.scoring.signals.registry import REGISTRY, SIGNALS
from streams.tables.compiled import compiled, inlined
from streams.tables.field import FIXED, HASH, LINK, TEXT, Field
from streams.tables.table import Table, View, kept_as
from streams.tables.texts import Texts

COMMENT = STANCE_CODES[Stance.COMMENT]
ROOT_POST = -1  # the kind of a post at the root, in state

CLAIM_FIELDS = {
    "seen": Field("u4", "append time of the latest row", "s"),
    "bare": Field("i1", "1 while posts were taken back and none stands"),
    "verdict": Field("i1", "0 none in force, 1 true, 2 false, 3 settled without credit"),
    "owed": Field("i1", "1 while credits of the latest verdict are still being sent"),
    "aged": Field("i1", "snapshots taken: bit 0 at one hour, 1 at six, 2 at a day"),
    "events": Field("i4", "events that stand"),
    "first_ms": Field("i8", "time of the first of them", "ms"),
    "last_ms": Field("i8", "time of the latest", "ms"),
    "participants": Field("i4", "sources of whom something stands"),
    "members": Field("i4", "the latest to join, where the chain of participants begins", LINK),
    "supports": Field("i4", "participants who support it"),
    "denials": Field("i4", "who deny it"),
    "queries": Field("i4", "who ask"),
    "comments": Field("i4", "who comment"),
    "reshares": Field("i4", "supports that are reshares"),
    "corroboration": Field("i8", "L = Σ B·tanh(E/B) over communities", FIXED),
    "weight": Field("i8", "independent weight behind it, of both signs", FIXED),
    "history": Field("i8", "histories of known participants, undecayed", FIXED),
    "history_30": Field("i8", "the same with a half-life of 30 days", FIXED),
    "history_writers": Field("i8", "undecayed, of those who wrote", FIXED),
    "known": Field("i4", "participants with a history"),
    "writers": Field("i4", "those among them who wrote"),
    "regulars": Field("i4", "participants who were in a claim before, copy-clusters apart"),
    "netted": Field("i4", "participants in copy-clusters"),
    "new_supports": Field("i4", "written supports by those of whom no claim is settled"),
    "new_denials": Field("i4", "and denials"),
    "net_supports": Field("i4", "written supports by copy-clusters"),
    "net_denials": Field("i4", "and denials"),
    "rush_supports": Field("i4", "those of copy-clusters within `rush_ms` of the first event"),
    "rush_denials": Field("i4", "and denials"),
    "root": Field("i4", "participant who posted the root, the earliest that stands", LINK),
    "root_ms": Field("i8", "its time", "ms"),
    "root_event": Field("u8", "its event", HASH),
    "kernels": Field("9f8", "x_k of the cascade, the window's last"),
    "start": Field("f8", "soft count of events in the first 10 minutes"),
    "early": Field("f8", "and in the first 3 hours"),
    "ruled_ms": Field("i8", "time of the first ruling in force", "ms"),
    "rulings": Field("i4", "raters in force for true minus those for false"),
    "ruled": Field("i4", "the latest rater to rule, where the chain of ratings begins", LINK),
    "heard": Field("i4", "the latest of what else was heard", LINK),
    "settlement": Field("i8", "sequence of the ruling that made the verdict"),
    "told": Field("i4", "events when it last moved materially"),
    "told_score": Field("f4", "score at that moment, log-odds", "nats"),
    "told_risk": Field("f4", "and risk", "nats"),
    "alarm": Field("f4", "the highest before a verdict, 0 at least", "nats"),
    "flag": Field(f"{RULE_COUNT}i1", "of each rule: 1 raised, −1 if it was when the claim was settled, −2 held back"),
    "flag_revision": Field(f"{RULE_COUNT}i4", "of the latest flag"),
    "flag_at_ms": Field(f"{RULE_COUNT}i8", "the log's clock at the latest revision", "ms"),
    "flag_priority": Field(f"{RULE_COUNT}i2", "of the latest flag, 0 to 100"),
    "flag_number": Field(f"{RULE_COUNT}i8", "the claim's version when it was raised: it rises for good"),
}
SAID_FIELDS = {  # what an event says
    "time_ms": Field("i8", "when it was said", "ms"),
    "event": Field("u8", "its id; 0: nothing that the participant said stands", HASH),
    "id": Field(TEXT, "its id in letters, where there is something to read"),
    "text": Field("u8", "its normalised text, 0 none", HASH),
    "named": Field("i4", "community that it names", "row"),
    "chance": Field("f4", "q: P(its stance is right) just before it was said"),
    "stance": Field("i1", "what it says of the claim, a code"),
    "kind": Field("i1", "what it is, a code; −1 for a post at the root"),
}
STAMP_FIELDS = {  # what the sources stage says of who said it
    "record": Field("i1", "how well it is known, a code: 0 in no claim before, 1 in one, 2 in a settled one"),
    "band": Field("i1", "band of the source"),
    "support": Field("f4", "signed weight of a support", "nats"),
    "denial": Field("f4", "and of a denial", "nats"),
    "history": Field("f4", "log-odds of taking part in falsehoods, undecayed", "nats"),
    "history_30": Field("f4", "the same with a half-life of 30 days", "nats"),
    "stamp": Field("i8", "sequence: the highest wins"),
    "cluster": Field("u8", "copy-cluster, 0 none"),
}
EVENT = np.dtype(
    [("claim", "i8"), ("source", "i8"), ("root", "i1")]
    + [(name, "f8" if f.dtype == "f4" else kept_as(f.dtype)) for name, f in (SAID_FIELDS | STAMP_FIELDS).items()]
)
"""A stamped event, as the loops take it: with rows for names."""
PART_FIELDS = {
    "claim": Field("i4", "in which it takes part", "row"),
    "source": Field("i4", "who it is", "row"),
    "peer": Field("i4", "who joined the claim just before", LINK),
    "further": Field("i4", "further events that stand", LINK),
    **SAID_FIELDS,
    **STAMP_FIELDS,
    "past": Field("i4", "edits and deletes, and what they were made to", LINK),
    "credited": Field("i1", "credit sent last: +1 right, −1 wrong, 0 none"),
    "finding": Field("i1", "and its finding: +1 on the side of falsehood, −1 on the other"),
    "credited_stance": Field("i1", "and its stance"),
}
_CHAINED = {"participant": Field("i4", "whose it is", "row"), "next": Field("i4", "of the same participant", LINK)}
MORE_FIELDS = {**_CHAINED, **SAID_FIELDS}
EDIT_FIELDS = {  # of each event that was corrected what it said at first, and each correction
    **_CHAINED,
    **{name: SAID_FIELDS[name] for name in ("event", "kind", "stance", "time_ms", "text")},
    "brings_text": Field("i1", "1 if an update brings a text"),
    "chance": SAID_FIELDS["chance"],
}
CAMP_FIELDS = {
    "claim": Field("i4", "within which it is", "row"),
    "community": Field("i4", "whose it is", "row"),
    "supports": Field("i8", "Σ E of clusters that support", FIXED),
    "supports_squared": Field("i8", "and Σ E²", "2⁻³⁰ nats²"),
    "denials": Field("i8", "Σ E of clusters that deny", FIXED),
    "denials_squared": Field("i8", "and Σ E²", "2⁻³⁰ nats²"),
    "moved": Field("i8", "B·tanh((W⁺ − W⁻)/(D·B))", FIXED),
    "weight": Field("i8", "(W⁺ + W⁻)/D", FIXED),
}
CELL_FIELDS = {
    "camp": Field("i4", "within which it is", "row"),
    "denies": Field("i1", "which side: 1 denies"),
    "reshares": Field("i1", "1 for the cluster of a claim's reshares"),
    "weight": Field("i8", "Σ w of its voices", FIXED),
    "squared": Field("i8", "and Σ w²", "2⁻³⁰ nats²"),
}
# By the signal's name: a release with other signals has other columns, and says so instead of mixing them up.
SNAPSHOT_SIGNALS = tuple(f"signal_{name}" for name in SIGNALS)
SNAPSHOT_FIELDS = {
    "claim": Field("i4", "of which it is taken", "row"),
    "participants": Field("i4", "of the claim then"),
    "corroboration": Field("f4", "L then", "nats"),
    "weight": Field("f4", "independent weight then", "nats"),
    **{f"signal_{signal.name}": Field("f4", f"then: {signal.meaning}") for signal in REGISTRY},
}
RULED_TEXTS = {
    "id": Field(TEXT, "of the ruling"),
    "kind": Field(TEXT, "of the ruling, in the rater's words"),
    "url": Field(TEXT, "where the rater says why"),
    "note": Field(TEXT, "of the rater"),
}
RULED_FIELDS = {
    "claim": Field("i4", "on which it is", "row"),
    "next": Field("i4", "what came on the claim just before", LINK),
    "version": Field("i8", "of the rater's word: the highest counts"),
    "verdict": Field("i1", "0 withdrawn, 1 true, 2 false, 3 mixed"),
    "time_ms": Field("i8", "when it was ruled", "ms"),
    "content": Field("u8", "of all that the ruling says", HASH),
    **RULED_TEXTS,
}
RULING_FIELDS = {
    **RULED_FIELDS,
    "first_ms": Field("i8", "the rater's earliest ruling on the claim", "ms"),
    "origin": Field("i8", "its place in the upstream `up`"),
    "number": Field("i8", "rises with every version of every rater that comes to count"),
    "up": Field(TEXT, "the upstream that brought the version"),
}
HEARD_FIELDS = {
    **RULED_FIELDS,
    "fate": Field("i1", "what became of it, a code"),
    "rater": Field(TEXT, "who ruled"),
}
WORDS_FIELDS = {
    "latest_ms": Field("i8", "time of the latest post of those whose words are kept", "ms"),
    "roots": Field("i1", "posts that may be the root, whose words are kept"),
    "said": Field(TEXT, "these posts and their words, as JSON"),
}


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
        self.names = Table("source_names", {"parts": Field("i4", "participants that it is")})
        self.ids = Texts()  # of events
        self.parts = Table("participants", PART_FIELDS, integers=True, texts=self.ids)
        self.more = Table("assertions", MORE_FIELDS, integers=True, texts=self.ids)
        self.edits = Table("edits", EDIT_FIELDS, integers=True)
        self.camps = Table("camps", CAMP_FIELDS, integers=True)
        self.cells = Table("cells", CELL_FIELDS, integers=True)
        self.rulings = Table("rulings", RULING_FIELDS)
        self.heard = Table("heard", HEARD_FIELDS, integers=True)
        self.snapshots = Table("snapshots", SNAPSHOT_FIELDS, integers=True)
        fields: Any = self.snapshots.layout.fields
        places = [fields[name][1] for name in SNAPSHOT_SIGNALS]
        self._signals_at = places[0]
        assert places == [self._signals_at + 4 * k for k in range(len(places))]
        self.words = Table("words", WORDS_FIELDS, integers=True)

    def all(self) -> tuple[Table, ...]:
        """The tables, in storage order."""
        return (
            self.claims, self.names, self.parts, self.more, self.edits, self.camps, self.cells, self.rulings,
            self.heard, self.snapshots, self.words,
        )  # fmt: skip

    def books(self, events: int = 0, corrections: int = 0, claims: int = 0) -> Books:
        """The tables as the loops take them, with room for what so many events and corrections add, and ruled claims or
        claims of events."""
        for table in (self.parts, self.more, self.camps, self.cells):
            table.reserve(events + corrections)
        self.edits.reserve(2 * corrections)
        self.snapshots.reserve(3 * claims)
        return Books(
            self.claims.view, self.names.view, self.parts.view, self.more.view, self.edits.view, self.camps.view,
            self.cells.view, self.snapshots.view, self._signals(),
        )  # fmt: skip

    def _signals(self) -> npt.NDArray[np.float32]:
        """The signals of the snapshots, which lie one after the other, as a matrix."""
        records, shape = self.snapshots.records, (len(self.snapshots.records), len(SNAPSHOT_SIGNALS))
        return np.ndarray(shape, np.float32, records, self._signals_at, (records.itemsize, 4))

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
        told = self.words.find(claim_rows)
        self.words.free(told[told >= 0])
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
