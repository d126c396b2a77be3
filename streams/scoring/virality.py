"""Structural virality: one broadcast, or many hands passing it on.

    ν = 2 / (n(n − 1)) · Σ_i s_i·(n − s_i)          s_i: events in the subtree below and including i, i ≠ root

The mean distance between two events of the cascade: every edge lies on s·(n − s) of the paths.

Source: Goel, Anderson, Hofman & Watts, Management Science 2016 (Wiener index, mean form). Range: from 2 − 2/n, a star,
to (n + 1)/3, a chain. Failure modes: cascades of different size must not be compared (Juul & Ugander, PNAS 2021: at
equal size the differences vanish); platforms that attach every reshare to the root show stars only. In shadow: no
score uses it.
"""

from __future__ import annotations

import numpy as np

from streams.scoring.numeric import Ints


def subtree_sizes(parent: Ints) -> Ints:
    """Events in the subtree of each event.

    Args:
        parent: index of each event's parent, −1 for roots; parents may come after their children, cycles may not.

    >>> subtree_sizes(np.array([-1, 0, 1, 1])).tolist()
    [4, 3, 1, 1]
    """
    size = np.ones(len(parent), np.int64)
    children = np.bincount(parent[parent >= 0], minlength=len(parent))
    leaves = np.flatnonzero(children == 0)
    while leaves.size:
        inner = leaves[parent[leaves] >= 0]
        above = parent[inner]
        np.add.at(size, above, size[inner])
        np.subtract.at(children, above, 1)
        above = np.unique(above)
        leaves = above[children[above] == 0]
    return size


def structural_virality(parent: Ints) -> float:
    """ν of one cascade; 0 for a single event. Events without a known parent hang on the first root.

    >>> structural_virality(np.array([-1, 0, 0, 0]))  # a star
    1.5
    >>> round(structural_virality(np.array([-1, 0, 1, 2])), 4)  # a chain
    1.6667
    """
    n = len(parent)
    if n < 2:
        return 0.0
    roots = np.flatnonzero(parent < 0)
    tree = parent.copy()
    tree[roots[1:]] = roots[0]
    size = subtree_sizes(tree)
    edges = np.delete(size, roots[0])
    return 2.0 * float((edges * (n - edges)).sum()) / (n * (n - 1))
