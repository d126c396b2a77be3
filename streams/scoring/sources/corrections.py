"""Deletes and updates: what sources did to their own events later, found by source and event id alone.

    a delete     takes the event back, wherever its source used the id; for good: the id is not counted again
    an update    replaces the stance, the text, or both; what it does not bring stays as it was. Its words are kept only
                 while it waits for its event

Each may come before its event, twice, or after years. It is remembered under (source, event id): as long as the claim,
if the event is known; else for the lateness bound, within which the event may still come. When the event comes, it is
folded like any other, and its corrections follow it to the claim. So the order of arrival does not matter. The claims
stage, which holds what was said, does the rest (see `edits`).

Failure modes: an event that comes back after these bounds counts anew. Each delete of an account with very many open
claims costs a look at all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from xxhash import xxh3_64_intdigest

from streams.contract.codes import DELETE, UPDATE
from streams.scoring.chains import along
from streams.scoring.numeric import Ints, mix_keys
from streams.scoring.sources.source_tables import SourceTables
from streams.tables.blocks import Block, make
from streams.tables.field import HASH, LINK, TEXT, Field
from streams.tables.table import Table

CORRECTED_FIELDS = {
    "gone_ms": Field("i8", "time of the earliest delete, 0 none", "ms"),
    "newest": Field("i4", "the latest update to come", LINK),
    "met": Field("i1", "1 once an event of that id was seen"),
    "seen_s": Field("u4", "append time of what came last", "s"),
}
UPDATE_FIELDS = {
    "older": Field("i4", "the update that came before", LINK),
    "stance": Field("i1", "that it brings, 0 none"),
    "said_ms": Field("i8", "its time", "ms"),
    "text": Field("u8", "the text that it brings", HASH),
    "new_text": Field("i1", "1 if it brings one"),
    "said": Field(TEXT, "its words, while it waits for its event"),
}
BROUGHT = {"x": "stance", "t": "said_ms", "g": "text", "r": "new_text"}  # what makes an update the same one


class Corrections:
    """Deletes and updates of a partition's sources, and how they find the claims of their events."""

    def __init__(self, tables: SourceTables) -> None:
        self.sources, self.claims, self.pairs, self.extras = tables.all()
        self.corrected = Table("corrected", CORRECTED_FIELDS, integers=True)
        self.updates = Table("updates", UPDATE_FIELDS, integers=True)

    def fold(self, block: Block, now_s: int) -> tuple[list[Block], int]:
        """Take in deletes and updates.

        Returns:
            A "corrections" block for claims of known events, if there are any, and the number of rows that said nothing
            new.
        """
        keys = _keys(block)
        rows, _ = self.corrected.ensure(keys)
        self.corrected["seen_s"][rows] = now_s
        source_rows, news, out = self.sources.find(block["s"]), 0, _Rows()
        for i, (row, source) in enumerate(zip(rows.tolist(), source_rows.tolist(), strict=True)):
            stood = self.corrected["gone_ms"][row] == 0
            if not (self._delete(row, block, i) if block["kind"][i] == DELETE else self._update(row, block, i, keys)):
                continue
            news += 1
            brought: dict[str, Any] = {name: block[name][i] for name in (*BROUGHT, "said")}
            for pair in self._pairs_with(source, block["e"][i]).tolist() if source >= 0 else ():
                self.corrected["met"][row] = 1
                if block["kind"][i] == DELETE and stood:
                    self._take_out(source, pair)
                out.add(block, i, self._claim(pair), block["kind"][i], brought)
            self._forget_words(row)
        self.corrected.touch(rows)
        return out.blocks(), len(block) - news

    def meet(self, kept: Block, source_rows: Ints, pair_rows: Ints, now_s: int) -> list[Block]:
        """As `fold`, the corrections that came before the events that were just folded."""
        if not len(self.corrected):
            return []
        out = _Rows()
        rows = self.corrected.find(_keys(kept))
        for i in np.flatnonzero(rows >= 0).tolist():
            row, pair, claim = int(rows[i]), int(pair_rows[i]), kept["c"][i]
            self.corrected["met"][row], self.corrected["seen_s"][row] = 1, now_s
            for update in self._updates_of(row):
                brought = {name: self.updates[field][update] for name, field in BROUGHT.items()}
                out.add(kept, i, claim, UPDATE, brought | {"said": self.updates.texts("said")[update]})
            if self.corrected["gone_ms"][row]:
                self._take_out(int(source_rows[i]), pair)
                gone = {"x": 0, "t": self.corrected["gone_ms"][row], "g": 0, "r": 0, "said": ""}
                out.add(kept, i, claim, DELETE, gone)
            self._forget_words(row)
        self.corrected.touch(rows[rows >= 0])
        return out.blocks()

    def late(self, waits_since_s: int, known_since_s: int) -> Ints:
        """Rows of corrections whose events did not come, and of those whose events are long forgotten."""
        seen, waits = self.corrected["seen_s"], self.corrected["met"] == 0
        quiet = (seen > 0) & ((seen < waits_since_s) & waits | (seen < known_since_s))
        return np.flatnonzero(quiet[: self.corrected.size])

    def free(self, rows: Ints) -> None:
        """Forget what is known of these events."""
        self.updates.free(along(self.updates["older"], self.corrected["newest"][rows], len(self.updates))[1])
        self.corrected.free(rows)

    def _updates_of(self, row: int) -> list[int]:
        """Rows of the updates of a corrected event."""
        found = along(self.updates["older"], self.corrected["newest"][[row]], len(self.updates))[1]
        return [int(update) for update in found]

    def _forget_words(self, row: int) -> None:
        """Once an event came, or will not count, the words of its updates are not needed any more."""
        if self.corrected["met"][row] or self.corrected["gone_ms"][row]:
            said = self.updates.texts("said")
            rows = [update for update in self._updates_of(row) if said[update]]
            for update in rows:
                said[update] = ""
            self.updates.touch(np.array(rows, np.int64))

    def _delete(self, row: int, block: Block, i: int) -> bool:
        """Keep the earliest delete. Whether that is this one."""
        gone, t_ms = self.corrected["gone_ms"], int(block["t"][i])
        if gone[row] and gone[row] <= t_ms:
            return False
        gone[row] = t_ms
        return True

    def _update(self, row: int, block: Block, i: int, keys: Ints) -> bool:
        """Keep an update. Whether it is new."""
        brought = [block.numbers(name)[i : i + 1] for name in BROUGHT]
        (update,), made = self.updates.ensure(mix_keys(keys[i : i + 1], *brought))
        if made.size:
            for field, value in zip(BROUGHT.values(), brought, strict=True):
                self.updates[field][update] = value[0]
            self.updates.texts("said")[int(update)] = block["said"][i]
            self.updates["older"][update] = self.corrected["newest"][row]
            self.corrected["newest"][row] = update + 1
        return bool(made.size)

    def _pairs_with(self, source: int, event: np.uint64) -> Ints:
        """Pairs of a source, with the claims in which it used this event id."""
        pairs = self.pairs
        _, rows = along(pairs["older"], self.sources["newest"][[source]], len(pairs))
        first = pairs["event"][rows] == event
        more = rows[~first & (pairs["events"][rows] > (pairs["event"][rows] > 0))]
        further = more[self.extras.find(mix_keys(more, np.full(len(more), event))) >= 0]
        return np.concatenate([rows[first], further])

    def _take_out(self, source: int, pair: int) -> None:
        """Uncount an event that no longer stands."""
        self.sources["events"][source] -= 1
        self.pairs["gone"][pair] += 1
        if self.pairs["gone"][pair] == self.pairs["events"][pair]:
            self.sources["claims"][source] -= 1
        self.sources.touch(np.array([source]))
        self.pairs.touch(np.array([pair]))

    def _claim(self, pair: int) -> str:
        return str(self.claims.key(int(self.pairs.key(pair) & 0xFFFFFFFF)))


class _Rows:
    """Rows of a "corrections" block in the making."""

    def __init__(self) -> None:
        self.columns: dict[str, Any] = {name: [] for name in ("s", "c", "i", "e", "kind", *BROUGHT, "said")}

    def add(self, block: Block, i: int, claim: str, kind: int, brought: dict[str, Any]) -> None:
        """A correction of the event that row i of the block is, or is about."""
        row = {"s": block["s"][i], "c": claim, "i": block["i"][i], "e": block["e"][i], "kind": kind, **brought}
        for name, value in row.items():
            self.columns[name].append(value)

    def blocks(self) -> list[Block]:
        """The rows as one block, none if there are none."""
        return [make("corrections", "", 0, self.columns)] if self.columns["s"] else []


def _keys(block: Block) -> Ints:
    """[rows] key of (source, event id), also for sources that are not known yet."""
    return mix_keys(block["s"].used().each(lambda name: xxh3_64_intdigest(name) >> 1), block["e"])
