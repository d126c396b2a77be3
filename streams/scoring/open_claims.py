"""Each source's list of recent claims, newest first, as links between rows of the pairs table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from streams.columns import Table
from streams.index import NO_ROWS
from streams.scoring.numeric import Ints

FEW = 16  # sources whose lists are followed one by one


class OpenClaims:
    """Doubly linked lists in columns: `sources.head`, `pairs.next`, `pairs.prev`, all row + 1 with 0 for none."""

    def __init__(self, sources: Table, pairs: Table) -> None:
        self.sources = sources
        self.pairs = pairs

    def push(self, source_rows: Ints, pair_rows: Ints) -> None:
        """Put new pairs at the front of their sources' lists, in the order given."""
        head = self.sources["head"]
        order = np.argsort(source_rows, kind="stable")
        source, pair = source_rows[order], pair_rows[order]
        begins = np.append(True, source[1:] != source[:-1])
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
        if len(source_rows) <= FEW:
            return self._newest_of_few(source_rows, most)
        return self._along(source_rows, most, lambda rows: self.pairs["at"][rows] > 0)

    def _newest_of_few(self, source_rows: Ints, most: int) -> tuple[Ints, Ints]:
        """The same, link by link: a list may be long, and a step of numpy costs as much as dozens of links."""
        following, stamped = self.pairs["next"], self.pairs["at"]
        owners: list[int] = []
        found: list[int] = []
        for owner, link in enumerate(self.sources["head"][source_rows].tolist()):
            passed = 0
            while link and passed < most:
                row, passed = link - 1, passed + 1
                if stamped[row]:
                    owners.append(owner)
                    found.append(row)
                link = int(following[row])
        return np.array(owners, np.int64), np.array(found, np.int64)

    def settled(self, source_rows: Ints) -> tuple[Ints, Ints]:
        """Every pair of each source that a verdict in force has settled, in the form of `newest`."""
        return self._along(source_rows, len(self.pairs), lambda rows: self.pairs["f"][rows] != 0)

    def _along(
        self, source_rows: Ints, most: int, wanted: Callable[[Ints], npt.NDArray[np.bool_]]
    ) -> tuple[Ints, Ints]:
        """Of the `most` newest pairs of each source those that are wanted, all sources a link at a time."""
        owners, found = [NO_ROWS], [NO_ROWS]
        owner = np.arange(len(source_rows))
        link = self.sources["head"][source_rows].astype(np.int64)
        for _ in range(most):
            live = link > 0
            if not live.any():
                break
            owner, rows = owner[live], link[live] - 1
            picked = wanted(rows)
            owners.append(owner[picked])
            found.append(rows[picked])
            link = self.pairs["next"][rows].astype(np.int64)
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
