"""Sets of cascades on disk: `events.csv[.gz]`, `claims.csv` and, where several claims tell one story, `groups.csv`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.codec.text import copy_hash
from streams.csvfiles import DatasetError, find, read_table, times_ms, words
from streams.evaluate.cascades import KINDS, LABELS, STANCES, CascadeSet, Codes, Small, codes_of

EVENTS = ("ts", "kind", "claim_id", "event_id", "parent_id", "user_id")
LEFT_OUT_MAX = 0.01
"""Share of rows that may be no events; beyond it the file speaks another language, and figures would mislead."""

Bools = npt.NDArray[np.bool_]


def read_cascades(directory: Path) -> CascadeSet:
    """Read a set. Rows that the stream would refuse are left out and counted, as long as they are few.

    Raises:
        DatasetError: a file or a column is missing, a row cannot be read, or too many rows are no events.
    """
    column: dict[str, Any] = dict(read_table(directory, "events", EVENTS, ("stance", "text", "community_id")))
    path = find(directory, "events") or directory
    kind = _coded(words(column["kind"]), KINDS)
    stance = _coded(words(column["stance"]), STANCES) if "stance" in column else np.zeros(len(kind), np.int8)
    t_ms = times_ms(column.pop("ts"), path)
    good, left_out = _usable(path, column, kind, stance)
    if not good.all():
        rows = np.flatnonzero(good).tolist()
        column = {name: [cells[i] for i in rows] for name, cells in column.items()}
        kind, stance, t_ms = kind[good], stance[good], t_ms[good]
    claim, claim_ids = codes_of(column["claim_id"])
    user, user_ids = codes_of(column["user_id"])
    community, communities = codes_of(["", *column.get("community_id", [""] * len(kind))])
    no_text = np.zeros(len(kind), np.uint64)
    truth, group, undecided = _read_claims(directory, claim_ids)
    if undecided:
        left_out["two labels for one claim"] = undecided
    return CascadeSet(
        name=directory.resolve().name,
        t_ms=t_ms,
        kind=kind,
        stance=stance,
        claim=claim,
        user=user,
        event_ids=column["event_id"],
        parent=column["parent_id"],
        community=community[1:],
        text_hash=np.fromiter(map(copy_hash, column["text"]), np.uint64) if "text" in column else no_text,
        claim_ids=claim_ids,
        user_ids=user_ids,
        communities=communities,
        truth=truth,
        group=group,
        left_out=left_out,
    ).sorted()


def _coded(column: Sequence[str], codes: Mapping[str, int]) -> Small:
    """Codes of the words, −1 for one that is none of them."""
    return np.fromiter(map(codes.get, column, repeat(-1)), np.int8, len(column))


def _usable(
    path: Path, column: Mapping[str, Sequence[str]], kind: Small, stance: Small
) -> tuple[Bools, dict[str, int]]:
    """Which rows are events, and how many are not, by reason."""
    rows = len(kind)
    flaws: dict[str, Bools] = {
        f"no {name}": ~np.fromiter(map(bool, column[name]), np.bool_, rows)
        for name in ("claim_id", "event_id", "user_id")
    }
    flaws["unknown kind"], flaws["unknown stance"] = kind < 0, stance < 0
    bad = np.logical_or.reduce(list(flaws.values()))
    if rows and bad.mean() > LEFT_OUT_MAX:
        reason, first = max(flaws.items(), key=lambda flaw: int(flaw[1].sum()))
        row = int(np.argmax(first))
        told = {name: cells[row] for name, cells in column.items() if name != "text"}
        raise DatasetError(
            f"{path}: {int(bad.sum()):,} of {rows:,} rows are no events, most of them because of {reason}, first in "
            f"data row {row + 1}, {told}. Kinds are {', '.join(KINDS)}; stances {', '.join(filter(None, STANCES))} "
            "or none. Rename or remove what differs"
        )
    return ~bad, {reason: int(flaw.sum()) for reason, flaw in flaws.items() if flaw.any()}


def _read_claims(directory: Path, claim_ids: list[str]) -> tuple[Small, Codes, int]:
    """Truth and group of each claim that has events, and of how many claims the file says two things.

    Claims without a row are unlabelled, as are those with two labels that differ, and a group of their own.
    """
    claims = read_table(directory, "claims", ("claim_id", "label"))
    labels: dict[str, int] = {}
    undecided: set[str] = set()
    for claim, label in zip(claims["claim_id"], words(claims["label"]), strict=True):
        truth = LABELS.get(label, 0)
        if labels.setdefault(claim, truth) != truth:
            undecided.add(claim)
    labels |= dict.fromkeys(undecided, 0)
    groups = {claim: f"claim {claim}" for claim in claim_ids}
    if find(directory, "groups") is not None:
        told = read_table(directory, "groups", ("claim_id", "group_id"))
        groups |= {c: f"group {g}" for c, g in zip(told["claim_id"], told["group_id"], strict=True) if g}
    by_claim = np.array([labels.get(claim, 0) for claim in claim_ids], np.int8)
    return by_claim, codes_of(groups[claim] for claim in claim_ids)[0], len(undecided)
