"""Each source's list of recent claims, newest first, as links between rows of the pairs table."""

from __future__ import annotations

import numpy as np

from streams.scoring.chains import along
from streams.scoring.numeric import Ints, begins_of, order_of
from streams.tables.table import Table


class OpenClaims:
    """Doubly linked lists in the columns `sources.head`, `pairs.next` and `pairs.prev`: row + 1, or 0 for none."""

    def __init__(self, sources: Table, pairs: Table) -> None:
        self.sources = sources
        self.pairs = pairs

    def push(self, source_rows: Ints, pair_rows: Ints) -> None:
        """Put new pairs at the front of their sources' lists, in the order given."""
        head = self.sources["head"]
        order = order_of(source_rows)
        source, pair = source_rows[order], pair_rows[order]
        begins = begins_of(source)
        older = np.where(begins, head[source], np.append(0, pair[:-1] + 1))
        self.pairs["next"][pair] = older
        linked = older.nonzero()[0]
        behind = older[linked] - 1
        self.pairs["prev"][behind] = pair[linked] + 1
        self.pairs.touch(behind)
        ends = np.append(begins[1:], True)
        head[source[ends]] = pair[ends] + 1

    def newest(self, source_rows: Ints, most: int) -> tuple[Ints, Ints]:
        """Of the `most` newest pairs of each source, those whose stamp is known.

        Returns:
            index into `source_rows`, and the pair row, of each.
        """
        return self._along(source_rows, most, "at")

    def settled(self, source_rows: Ints) -> tuple[Ints, Ints]:
        """As `newest`, every pair of each source that a verdict in force has settled."""
        return self._along(source_rows, len(self.pairs), "f")

    def _along(self, source_rows: Ints, most: int, field: str) -> tuple[Ints, Ints]:
        """As `newest`, for pairs whose field is not 0."""
        owner, rows = along(self.pairs["next"], self.sources["head"][source_rows], most)
        wanted = self.pairs[field][rows].nonzero()[0]
        return owner[wanted], rows[wanted]

    def remove(self, source_rows: Ints, pair_rows: Ints) -> None:
        """Take pairs out of their sources' lists. Pairs that are in no list stay as they are."""
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
