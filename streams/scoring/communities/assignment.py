"""Communities: who keeps the same company, from who takes part in which claims.

    A_sc = 1 if source s took part in claim c;   Ã = D_s^−½ A D_c^−½;   embedding = left singular vectors 2…d+1 of Ã
    communities = k-means of the row-normalised embedding, K ≈ 12

Degree-normalised, so that the busy are not a community of their own. The singular vectors come from a few rounds of
subspace iteration over the sparse pairs: O(pairs · d) time, no dense matrix. New communities take the names of the old
ones they overlap most, so that names last.

Source: spectral co-clustering, Dhillon, KDD 2001 (normalised bipartite SVD); k-means++, Arthur & Vassilvitskii 2007.
Range: names "m00"…; "" where a source took part in fewer than `joined_min` claims. Failure modes: with no structure it
still answers K groups; a source between two worlds is put into one; needs thousands of co-participations to be stable.
"""

from __future__ import annotations

import numpy as np

from streams.scoring.numeric import Floats, Ints


def embed(source: Ints, claim: Ints, sources: int, claims: int, dimensions: int, rounds: int = 12) -> Floats:
    """Spectral coordinates of sources, sources × dimensions, unit rows (zero for a source without claims).

    Args:
        source, claim: participation pairs, each once.
    """
    degree_s = np.maximum(np.bincount(source, minlength=sources), 1).astype(np.float64)
    degree_c = np.maximum(np.bincount(claim, minlength=claims), 1).astype(np.float64)
    value = 1.0 / np.sqrt(degree_s[source] * degree_c[claim])
    basis = np.random.default_rng(0).standard_normal((claims, dimensions + 1))
    basis[:, 0] = np.sqrt(degree_c)  # the trivial vector, so that the others are orthogonal to it
    for _ in range(rounds):
        left = np.linalg.qr(_multiply(source, claim, value, basis, sources))[0]
        basis = np.linalg.qr(_multiply(claim, source, value, left, claims))[0]
    coordinates = _multiply(source, claim, value, basis, sources)[:, 1:]
    length = np.linalg.norm(coordinates, axis=1, keepdims=True)
    unit: Floats = coordinates / np.maximum(length, 1e-12)
    return unit


def _multiply(row: Ints, column: Ints, value: Floats, matrix: Floats, rows: int) -> Floats:
    """Sparse (row, column, value) times dense."""
    out = np.empty((rows, matrix.shape[1]))
    for k in range(matrix.shape[1]):
        out[:, k] = np.bincount(row, value * matrix[column, k], minlength=rows)
    return out


def k_means(points: Floats, k: int, rounds: int = 30) -> Ints:
    """Cluster of each point: k-means++ from a fixed seed, so that the same points give the same answer.

    >>> label = k_means(np.array([[0.0, 1.0], [0.0, 0.9], [1.0, 0.0]]), 2)
    >>> bool(label[0] == label[1] != label[2])
    True
    """
    rng = np.random.default_rng(0)
    centres = points[rng.integers(len(points))][None]
    for _ in range(1, min(k, len(points))):
        gap = np.min(((points[:, None] - centres[None]) ** 2).sum(axis=2), axis=1)
        total = gap.sum()
        chosen = rng.choice(len(points), p=gap / total) if total > 0 else rng.integers(len(points))
        centres = np.concatenate([centres, points[chosen][None]])
    label = np.zeros(len(points), np.int64)
    for _ in range(rounds):
        new = np.argmax(2 * points @ centres.T - (centres**2).sum(axis=1), axis=1)
        if np.array_equal(new, label):
            break
        label = new
        count = np.bincount(label, minlength=len(centres)).astype(np.float64)
        for axis in range(points.shape[1]):
            mean = np.bincount(label, points[:, axis], minlength=len(centres)) / np.maximum(count, 1.0)
            centres[:, axis] = np.where(count > 0, mean, centres[:, axis])
    return label


def map_sources(source: Ints, claim: Ints, sources: int, claims: int, k: int, joined_min: int) -> tuple[Ints, Floats]:
    """Community 1…K of each source, 0 for those with too few claims to tell, and its viewpoint.

    The viewpoint is its place along the strongest coordinate of the embedding, by rank from −1 to 1; 0 where unclear.
    Two groups that never meet are told apart:

    >>> s = np.repeat(np.arange(20), 10); c = (s >= 10) * 10 + np.tile(np.arange(10), 20)
    >>> label, _ = map_sources(s, c, 20, 20, k=2, joined_min=5)
    >>> len(set(label[:10])), len(set(label[10:])), bool(label[0] != label[10])
    (1, 1, True)
    """
    degree = np.bincount(source, minlength=sources)
    clear = np.flatnonzero(degree >= joined_min)
    label, viewpoint = np.zeros(sources, np.int64), np.zeros(sources)
    if len(clear) < 2 * k:
        return label, viewpoint
    place = np.full(sources, -1)
    place[clear] = np.arange(len(clear))
    kept = place[source] >= 0
    coordinates = embed(place[source[kept]], claim[kept], len(clear), claims, dimensions=max(2, k - 1))
    label[clear] = k_means(coordinates, k) + 1
    rank = np.empty(len(clear))
    rank[np.argsort(coordinates[:, 0], kind="stable")] = np.linspace(-1.0, 1.0, len(clear))
    viewpoint[clear] = rank
    return label, viewpoint


def keep_names(old: Ints, new: Ints, k: int) -> Ints:
    """The new communities under the numbers of the old ones that they overlap most, each number used once.

    >>> keep_names(np.array([1, 1, 2, 2]), np.array([2, 2, 1, 1]), 2).tolist()
    [1, 1, 2, 2]
    """
    overlap = np.zeros((k + 1, k + 1), np.int64)
    both = (old > 0) & (new > 0)
    np.add.at(overlap, (new[both], old[both]), 1)
    name = np.zeros(k + 1, np.int64)
    free = set(range(1, k + 1))
    for flat in np.argsort(-overlap, axis=None, kind="stable").tolist():
        a, b = divmod(flat, k + 1)
        if a and b and not name[a] and b in free:
            name[a] = b
            free.discard(b)
    renamed: Ints = name[new]
    return renamed
