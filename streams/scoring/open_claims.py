"""Each source's list of recent claims, newest first, as links between rows of the pairs table."""

from __future__ import annotations

import numpy as np

from streams.columns import Table
from streams.scoring.numeric import Ints, distinct


class OpenClaims:
    """Doubly linked lists in columns: `sources.head`, `pairs.next`, `pairs.prev`, all row + 1 with 0 for none."""

    def __init__(self, sources: Table, pairs: Table) -> None:
        self.sources = sources
        self.pairs = pairs

    def push(self, source_rows: Ints, pair_rows: Ints) -> None:
        """Put new pairs at the front of their sources' lists, in the order given."""
        if len(distinct(source_rows)) == len(source_rows):
            self._push_once(source_rows, pair_rows)
            return
        while pair_rows.size:
            unique, first = np.unique(source_rows, return_index=True)
            self._push_once(unique, pair_rows[first])
            if len(first) == len(pair_rows):
                return
            rest = np.ones(len(pair_rows), bool)
            rest[first] = False
            source_rows, pair_rows = source_rows[rest], pair_rows[rest]

    def _push_once(self, source_rows: Ints, pair_rows: Ints) -> None:
        """The same for sources that are all different."""
        head = self.sources["head"]
        old = head[source_rows]
        self.pairs["next"][pair_rows] = old
        linked = old.nonzero()[0]
        if linked.size:
            behind = old[linked].astype(np.int64) - 1
            self.pairs["prev"][behind] = pair_rows[linked] + 1
            self.pairs.touch(behind)
        head[source_rows] = pair_rows + 1

    def newest(self, source_rows: Ints, most: int) -> tuple[Ints, Ints]:
        """Up to `most` of the newest pairs of each source that no verdict has settled.

        Returns:
            index into `source_rows`, and the pair row, of each.
        """
        owners, found = [], []
        owner = np.arange(len(source_rows))
        link = self.sources["head"][source_rows].astype(np.int64)
        for _ in range(most):
            live = link > 0
            if not live.any():
                break
            owner, rows = owner[live], link[live] - 1
            unsettled = self.pairs["f"][rows] == 0
            owners.append(owner[unsettled])
            found.append(rows[unsettled])
            link = self.pairs["next"][rows].astype(np.int64)
        if not owners:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate(owners), np.concatenate(found)

    def remove(self, source_rows: Ints, pair_rows: Ints) -> None:
        """Take pairs out of their sources' lists; pairs that are in no list are left alone."""
        head, following, previous = self.sources["head"], self.pairs["next"], self.pairs["prev"]
        neighbours = []
        for source, pair in zip(source_rows.tolist(), pair_rows.tolist(), strict=True):
            before, after = int(previous[pair]), int(following[pair])
            if before:
                following[before - 1] = after
                neighbours.append(before - 1)
            elif head[source] == pair + 1:
                head[source] = after
            else:
                continue
            if after:
                previous[after - 1] = before
                neighbours.append(after - 1)
        self.sources.touch(source_rows)
        self.pairs.touch(np.asarray(neighbours, np.int64))
