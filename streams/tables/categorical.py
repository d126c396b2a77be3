"""Text columns that say the same again and again: each text once, and a number a row that says which.

Ids of sources and claims repeat thousands of times in a block. Looked up, hashed, routed and written once for each
text instead of once for each row, they cost what a column of numbers costs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count
from typing import Any, overload

import numpy as np
import numpy.typing as npt

FEW_ROWS = 64  # for which plain Python takes less time than a dozen calls of numpy
Codes = npt.NDArray[np.integer[Any]]


class Categorical(Sequence[str]):
    """A sequence of texts, as distinct texts and the position of each row's text among them.

    Args:
        categories: the texts; one that no row has does no harm, nor does one that stands twice.
        codes: for each row, its index in `categories`.

    >>> column = Categorical.of(["b", "a", "b"])
    >>> column.categories, column.codes.tolist(), list(column)
    (['b', 'a'], [0, 1, 0], ['b', 'a', 'b'])
    """

    __slots__ = ("categories", "codes")

    def __init__(self, categories: list[str], codes: Codes) -> None:
        self.categories = categories
        self.codes = codes

    @classmethod
    def of(cls, values: Sequence[str]) -> Categorical:
        """The values, their texts in order of first appearance."""
        number: defaultdict[str, int] = defaultdict(count().__next__)  # a number for each new text, in one pass in C
        codes = np.fromiter(map(number.__getitem__, values), np.int64, len(values))
        return cls(list(number), codes)

    @classmethod
    def constant(cls, value: str, length: int) -> Categorical:
        """The same text in every row."""
        return cls([value], np.zeros(length, np.int64))

    @classmethod
    def concat(cls, columns: Sequence[Categorical]) -> Categorical:
        """The rows of several columns, in order, with one list of texts."""
        merged = cls.of(list(chain.from_iterable(column.categories for column in columns)))
        starts = np.cumsum([0, *(len(column.categories) for column in columns)]).tolist()
        codes = [merged.codes[start + column.codes] for start, column in zip(starts, columns, strict=False)]
        return cls(merged.categories, np.concatenate(codes))

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str]:
        return map(self.categories.__getitem__, self.codes.tolist())

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice | npt.NDArray[Any]) -> Categorical: ...
    def __getitem__(self, at: Any) -> Any:
        """The text of a row, or the column of a slice or an array of rows."""
        codes = self.codes[at]
        return Categorical(self.categories, codes) if isinstance(codes, np.ndarray) else self.categories[codes]

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def used(self) -> Categorical:
        """The same rows with only the texts that they have, in order of first appearance."""
        codes, categories, count = self.codes, self.categories, len(self.codes)
        if count <= FEW_ROWS:
            return Categorical.of(list(self))
        if len(categories) > 4 * count + 64:  # few rows of many texts: do not look at all of these
            some, codes = np.unique(codes, return_inverse=True)
            categories = [categories[i] for i in some.tolist()]
        first = np.full(len(categories), count)  # row of the first appearance; of several writes the last one stays
        first[codes[::-1]] = np.arange(count - 1, -1, -1)
        if bool((first[1:] > first[:-1]).all()) and (not len(first) or first[-1] < count):
            return Categorical(categories, codes)
        order = np.argsort(first)[: np.count_nonzero(first < count)]
        number = np.empty(len(first), np.int64)
        number[order] = np.arange(len(order))
        return Categorical([categories[i] for i in order.tolist()], number[codes])

    def each(self, function: Callable[[str], int]) -> Codes:
        """The function's value for each row, called once for each text."""
        values = np.fromiter(map(function, self.categories), np.int64, len(self.categories))
        return values[self.codes]
