"""Who is served next: a partition that was served waits until the others have had their turn.

A micro-batch costs some milliseconds however little it holds. Served again as soon as anything has come, a partition is
served often and little at a time; by turns, what came meanwhile is one batch. Nobody waits where few are at work.
"""

from __future__ import annotations

from faust.types import TP

FEW = 3  # at work: who was served need not wait for so few, or the worker would be idle at the end of each round


class Turns:
    """Partitions at work, and those that have been served and wait.

    >>> a, b, c, d = (TP("topic", n) for n in range(4))
    >>> turns = Turns()
    >>> for each in (a, b, c, d):
    ...     turns.begin(each)
    >>> turns.end(a), sorted(turns.away()) == [a, b, c, d]  # three others are at work
    (set(), True)
    >>> turns.end(b) == {a, b}, sorted(turns.away()) == [c, d]
    (True, True)
    """

    def __init__(self) -> None:
        self._at_work: set[TP] = set()
        self._served: set[TP] = set()

    def begin(self, tp: TP) -> None:
        """A batch of this partition is at work."""
        self._at_work.add(tp)

    def end(self, tp: TP) -> set[TP]:
        """The batch is done; the partitions whose turn it is now."""
        self._at_work.discard(tp)
        self._served.add(tp)
        if len(self._at_work) >= FEW:
            return set()
        ready, self._served = self._served, set()
        return ready

    def away(self) -> set[TP]:
        """Partitions of which nothing should be fetched now."""
        return self._at_work | self._served

    def clear(self) -> None:
        """Forget all: the partitions have changed hands."""
        self._at_work.clear()
        self._served.clear()
