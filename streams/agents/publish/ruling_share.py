"""Who gives most of the verdicts: shares among the latest rulings, counted without telling names.

A rater or a community that suddenly rules most claims may be captured; what it says would teach all weights.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

WINDOW = 300
"""Rulings that are remembered, since this process started."""


class TopShare:
    """The largest share of any name among the last WINDOW ones that had one.

    >>> share = TopShare()
    >>> share.hear(["desk", "desk", "press", ""])
    >>> round(share.now, 2), share.heard
    (0.67, 3)
    """

    def __init__(self) -> None:
        self._last: deque[str] = deque()
        self._counts: Counter[str] = Counter()

    def hear(self, names: Sequence[str]) -> None:
        """Take in the names of further rulings; "" is none."""
        for name in filter(None, names):
            self._last.append(name)
            self._counts[name] += 1
            if len(self._last) > WINDOW:
                gone = self._last.popleft()
                self._counts[gone] -= 1
                if not self._counts[gone]:
                    del self._counts[gone]

    @property
    def heard(self) -> int:
        """Of how many rulings the share is."""
        return len(self._last)

    @property
    def now(self) -> float:
        """The largest share, 0 before the first ruling."""
        return max(self._counts.values(), default=0) / max(self.heard, 1)
