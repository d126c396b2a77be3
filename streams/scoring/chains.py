"""Chains of rows in columns: each row names the next one of its chain, as row + 1, and 0 at the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from streams.scoring.numeric import Ints
from streams.tables.index import NO_ROWS

FEW = 32  # chains that are followed one by one


def along(following: npt.NDArray[np.integer[Any]], link: Ints, most: int) -> tuple[Ints, Ints]:
    """The rows of chains, at most the first `most` of each.

    All chains are followed together, a link at a time. The last few, which may be long, are followed one by one, since
    a step of numpy costs as much as dozens of links.

    Args:
        following: column of the links.
        link: where the chains begin, row + 1.

    Returns:
        [found] index into `link`, and row. The rows of one chain are in their order.

    >>> owner, rows = along(np.array([2, 3, 0, 0]), np.array([1, 0, 4]), 2)
    >>> owner.tolist(), rows.tolist()
    ([0, 0, 2], [0, 1, 3])
    """
    owners, found = [NO_ROWS], [NO_ROWS]
    owner, link, passed = np.arange(len(link)), link.astype(np.int64), 0
    while len(owner) > FEW and passed < most:
        live = link.nonzero()[0]
        owner, rows = owner[live], link[live] - 1
        owners.append(owner)
        found.append(rows)
        link, passed = following[rows].astype(np.int64), passed + 1
    few_owners, few, next_of = [], [], following.item
    for number, at in zip(owner.tolist(), link.tolist(), strict=True):
        left = most - passed
        while at and left:
            few_owners.append(number)
            few.append(at - 1)
            at, left = next_of(at - 1), left - 1
    owners.append(np.array(few_owners, np.int64))
    found.append(np.array(few, np.int64))
    return np.concatenate(owners), np.concatenate(found)
