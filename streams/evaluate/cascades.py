"""Sets of cascades in columns: the stream of events, the claims' labels, and when each ruling is released."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.codec.text import copy_hash

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Small = npt.NDArray[np.int8]

KINDS = {"post": 0, "reshare": 1, "reply": 2, "reaction": 3, "report": 4, "follow": 5, "delete": 6}
STANCES = {"": 0, "support": 1, "deny": 2, "query": 3, "comment": 4}
POST, RESHARE = 0, 1
SUPPORT, DENY = 1, 2
TRUE, FALSE = 1, 2
LABELS = {"true": TRUE, "false": FALSE}
HOUR_MS = 3_600_000


class UnreadableSet(ValueError):
    """A data set that does not have the layout; the message says which file, and what to do."""


@dataclass(frozen=True)
class Rulings:
    """Releases of verdicts, in order of time: claim code, verdict (1 true, 2 false), release in ms."""

    claim: Codes
    verdict: Small
    t_ms: Ints


@dataclass(frozen=True)
class CascadeSet:
    """Events sorted by (time, event id), and the claims they belong to, as columns.

    Attributes:
        name: what reports call it.
        t_ms: [events] event time in ms.
        kind, stance: [events] codes of KINDS and STANCES, as given.
        claim, user: [events] codes, indices into `claim_ids` and `user_ids`.
        parent: [events] event id of the parent, "" for a root.
        community: [events] index into `communities` (0 is "", unassigned).
        text_hash: [events] 64-bit hash of the normalised text, 0 = none.
        truth: [claims] 1 true, 2 false, 0 neither (brings events, no ruling, is not evaluated).
        group: [claims] claims that tell the same story share a number.
        own_rulings: releases that belong to the data (synthetic worlds); None: t₀ + lag of every labelled claim.
        attacked: [claims] claims an attack aimed at; `attackers`: its accounts.
        burn_in: share of the labelled claims, by date, that teach but are not evaluated.
    """

    name: str
    t_ms: Ints
    kind: Small
    stance: Small
    claim: Codes
    user: Codes
    event_ids: Sequence[str]
    parent: Sequence[str]
    community: npt.NDArray[np.int16]
    text_hash: npt.NDArray[np.uint64]
    claim_ids: Sequence[str]
    user_ids: Sequence[str]
    communities: Sequence[str]
    truth: Small
    group: Codes
    own_rulings: Rulings | None = None
    attacked: npt.NDArray[np.bool_] | None = None
    attackers: int = 0
    burn_in: float = 0.0
    texts: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.t_ms)

    @property
    def start_ms(self) -> Ints:
        """[claims] t₀: time of the earliest event; the largest int64 for a claim without events."""
        start = np.full(len(self.claim_ids), np.iinfo(np.int64).max)
        np.minimum.at(start, self.claim, self.t_ms)
        return start

    @property
    def asserted(self) -> Small:
        """[events] effective stance: a given support or denial; a post or reshare without stance supports; else 0."""
        given = np.where((self.stance == SUPPORT) | (self.stance == DENY), self.stance, 0)
        tacit = (self.stance == 0) & ((self.kind == POST) | (self.kind == RESHARE))
        return np.where(tacit, SUPPORT, given).astype(np.int8)

    def rulings(self, lag_ms: int) -> Rulings:
        """Every release: the set's own, or the label of each labelled claim at t₀ + lag."""
        if self.own_rulings is not None:
            return self.own_rulings
        start = self.start_ms
        claims = np.flatnonzero((self.truth > 0) & (start < np.iinfo(np.int64).max))
        claims = claims[np.argsort(start[claims], kind="stable")]
        return Rulings(claims.astype(np.int32), self.truth[claims], start[claims] + lag_ms)

    def evaluated(self) -> Codes:
        """Codes of the labelled claims to score, in order of t₀ (then id), after the burn-in."""
        start = self.start_ms
        claims = np.flatnonzero((self.truth > 0) & (start < np.iinfo(np.int64).max))
        ids = np.array([self.claim_ids[c] for c in claims.tolist()], dtype=np.str_)
        ordered = claims[np.lexsort((ids, start[claims]))]
        return np.asarray(ordered[int(self.burn_in * len(ordered)) :], np.int32)

    def sorted(self) -> CascadeSet:
        """The same set with events in order of (time, event id)."""
        return self.take(order_by_time(self.t_ms, self.event_ids))

    def take(self, rows: Ints) -> CascadeSet:
        """The given events, in the given order."""
        picked = rows.tolist()
        return replace(
            self,
            t_ms=self.t_ms[rows],
            kind=self.kind[rows],
            stance=self.stance[rows],
            claim=self.claim[rows],
            user=self.user[rows],
            event_ids=[self.event_ids[i] for i in picked],
            parent=[self.parent[i] for i in picked],
            community=self.community[rows],
            text_hash=self.text_hash[rows],
        )


def order_by_time(t_ms: Ints, event_ids: Sequence[str]) -> Ints:
    """Permutation that sorts by (time, event id); compares ids only where times tie."""
    order = np.argsort(t_ms, kind="stable")
    at = t_ms[order]
    tied = np.flatnonzero(at[1:] == at[:-1])
    if not tied.size:
        return order
    breaks = np.flatnonzero(np.diff(tied) > 1)
    firsts = tied[np.concatenate([[0], breaks + 1])]
    lasts = tied[np.concatenate([breaks, [len(tied) - 1]])] + 1
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        run = order[first : last + 1].tolist()
        order[first : last + 1] = sorted(run, key=event_ids.__getitem__)
    return order


def codes_of(names: Iterable[str]) -> tuple[Codes, list[str]]:
    """Codes in order of first appearance, and the names by code."""
    code: dict[str, int] = {}
    column = np.fromiter((code.setdefault(n, len(code)) for n in names), np.int32)
    return column, list(code)


def read_cascades(directory: Path) -> CascadeSet:
    """Read `events.csv[.gz]`, `claims.csv` and, if there, `groups.csv`.

    Raises:
        UnreadableSet: a file or a column is missing, or a row cannot be read.
    """
    head, rows = _read_rows(_find(directory, "events"))
    column = _columns(head, rows, ("ts", "kind", "claim_id", "event_id", "parent_id", "user_id"), directory)
    texts = column.get("text", ())
    try:
        t_ms = np.round(np.array(column["ts"], np.float64) * 1000).astype(np.int64)
        kind = np.fromiter(map(KINDS.__getitem__, column["kind"]), np.int8, len(rows))
        stance = np.fromiter(map(STANCES.__getitem__, column.get("stance", [""] * len(rows))), np.int8, len(rows))
    except (ValueError, KeyError) as bad:
        raise UnreadableSet(f"{directory}/events.csv: cannot read {bad}") from bad
    claim, claim_ids = codes_of(column["claim_id"])
    user, user_ids = codes_of(column["user_id"])
    truth, group, claim_texts = _read_claims(directory, claim_ids)
    hashes = np.array([copy_hash(t) if t else 0 for t in texts], np.uint64) if texts else np.zeros(len(rows), np.uint64)
    return CascadeSet(
        name=directory.name,
        t_ms=t_ms,
        kind=kind,
        stance=stance,
        claim=claim,
        user=user,
        event_ids=column["event_id"],
        parent=column["parent_id"],
        community=np.zeros(len(rows), np.int16),
        text_hash=hashes,
        claim_ids=claim_ids,
        user_ids=user_ids,
        communities=[""],
        truth=truth,
        group=group,
        texts=claim_texts,
    ).sorted()


def _read_claims(directory: Path, claim_ids: list[str]) -> tuple[Small, Codes, dict[int, str]]:
    """Truth, group and text of each claim that has events; claims without a row are unlabelled."""
    head, rows = _read_rows(_find(directory, "claims"))
    column = _columns(head, rows, ("claim_id", "label"), directory)
    code = {c: i for i, c in enumerate(claim_ids)}
    truth = np.zeros(len(claim_ids), np.int8)
    texts: dict[int, str] = {}
    for i, (claim, label) in enumerate(zip(column["claim_id"], column["label"], strict=True)):
        if claim in code:
            truth[code[claim]] = LABELS.get(label, 0)
            texts[code[claim]] = column["text"][i] if "text" in column else ""
    groups = {c: c for c in claim_ids}
    if any((directory / f"groups.csv{s}").exists() for s in ("", ".gz")):
        head, rows = _read_rows(_find(directory, "groups"))
        named = _columns(head, rows, ("claim_id", "group_id"), directory)
        groups.update(zip(named["claim_id"], named["group_id"], strict=True))
    return truth, codes_of(groups[c] for c in claim_ids)[0], texts


def _find(directory: Path, stem: str) -> Path:
    for path in (directory / f"{stem}.csv", directory / f"{stem}.csv.gz"):
        if path.exists():
            return path
    raise UnreadableSet(
        f"{directory} has no {stem}.csv or {stem}.csv.gz; see `credence evaluate --help` for the layout"
    )


def _read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    reader = csv.reader(io.StringIO(data.decode("utf-8"), newline=""))
    head = next(reader, [])
    return head, [row for row in reader if row]


def _columns(head: list[str], rows: list[list[str]], wanted: Sequence[str], where: Path) -> dict[str, Any]:
    missing = [name for name in wanted if name not in head]
    if missing:
        raise UnreadableSet(f"{where}: columns {', '.join(missing)} are missing; found {', '.join(head) or 'nothing'}")
    if any(len(row) != len(head) for row in rows):
        bad = next(i for i, row in enumerate(rows) if len(row) != len(head))
        raise UnreadableSet(f"{where}: data row {bad + 1} has {len(rows[bad])} fields, the header {len(head)}")
    return dict(zip(head, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(head, ())
