"""Sets of cascades on disk: a data set and, where several of its claims tell one story, `groups.csv`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from streams.agents.intake.copied_text import copy_hash
from streams.contract.codes import CORRECTS_FROM, KIND_CODES
from streams.contract.words import TEXT_CHARS_MAX
from streams.datasets import dataset
from streams.datasets.csv_files import find, read_table
from streams.evaluate.cascades import (
    LABELS,
    NO_CORRECTIONS,
    STANCES,
    CascadeSet,
    Codes,
    Corrections,
    Ints,
    Small,
    codes_of,
)


def read_cascades(directory: Path, meant: Mapping[str, str] | None = None) -> CascadeSet:
    """Read a set by the same checks as a replay; what is left out of it is in its `findings`.

    Args:
        directory: where its files are.
        meant: label → "true", "false" or "none", over what is understood without.

    Raises:
        DatasetError: as `dataset.read`.
    """
    data = dataset.read(directory, meant)
    kinds = np.fromiter(map(KIND_CODES.__getitem__, data.columns["kind"]), np.int8, len(data))
    corrects = kinds >= CORRECTS_FROM
    corrections = _corrections(data, kinds, np.flatnonzero(corrects)) if corrects.any() else NO_CORRECTIONS
    if corrects.any():
        data, kinds = data.take(np.flatnonzero(~corrects)), kinds[~corrects]
    column, rows = data.columns, len(data)
    claim, claim_ids = codes_of(column["claim_id"])
    user, user_ids = codes_of(column["source_id"])
    community, communities = codes_of(["", *column.get("community_id", [""] * rows)])
    stance, no_text = column.get("stance", [""] * rows), np.zeros(rows, np.uint64)
    return CascadeSet(
        name=data.name,
        t_ms=data.t_ms,
        kind=kinds,
        stance=np.fromiter(map(STANCES.__getitem__, stance), np.int8, rows),
        claim=claim,
        user=user,
        event_ids=column["id"],
        parent=column["parent_id"],
        community=community[1:],
        text_hash=np.fromiter(map(_text_hash, column["text"]), np.uint64, rows) if "text" in column else no_text,
        claim_ids=claim_ids,
        user_ids=user_ids,
        communities=communities,
        truth=np.array([LABELS.get(data.labels.get(claim_id, ""), 0) for claim_id in claim_ids], np.int8),
        group=_groups(directory, claim_ids),
        findings=data.findings,
        corrections=corrections,
    ).sorted()


def _corrections(data: dataset.Dataset, kinds: Small, rows: Ints) -> Corrections:
    """The deletes and updates among the rows of a set."""
    rows = rows[np.argsort(data.t_ms[rows], kind="stable")]
    columns = data.take(rows).columns
    stance, nothing = columns.get("stance", [""] * len(rows)), [""] * len(rows)
    return Corrections(
        data.t_ms[rows],
        kinds[rows],
        np.fromiter(map(STANCES.__getitem__, stance), np.int8, len(rows)),
        columns["source_id"],
        columns["id"],
        [text[:TEXT_CHARS_MAX] for text in columns.get("text", nothing)],
    )


def _text_hash(text: str) -> int:
    """The hash of a text as the stream takes it: cut where it is too long."""
    return copy_hash(text[:TEXT_CHARS_MAX])


def _groups(directory: Path, claim_ids: list[str]) -> Codes:
    """[claims] number of the story that each tells; a claim that is in no group has a story of its own."""
    groups = {claim: f"claim {claim}" for claim in claim_ids}
    if find(directory, "groups") is not None:
        told = read_table(directory, "groups", ("claim_id", "group_id"))
        groups |= {c: f"group {g}" for c, g in zip(told["claim_id"], told["group_id"], strict=True) if g}
    return codes_of(groups[claim] for claim in claim_ids)[0]
