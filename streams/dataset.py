"""Data sets on disk: `events.csv[.gz]` and `claims.csv[.gz]`, read into columns in the order of their replay.

Events: `ts,kind,claim_id,event_id,parent_id,user_id` and, where known, `stance,text,url,community_id,lang`; `ts` in
unix seconds, `parent_id` empty at a root. Claims: `claim_id,label`; a label true or false has a verdict, any other has
none. Further columns are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson

from streams.csvfiles import read_table, times_ms, words
from streams.events import EVENT, RULING

REQUIRED = ("ts", "kind", "claim_id", "event_id", "parent_id", "user_id")
# Column of the file → field of an event record, as far as text goes as it is.
FIELDS = {
    "kind": "kind", "claim_id": "claim_id", "event_id": "id", "parent_id": "parent_id", "user_id": "source_id",
    "stance": "stance", "text": "text", "url": "url", "community_id": "community_id", "lang": "lang",
}  # fmt: skip
UNSORTED_SHARE = 0.1
"""Up to this share of rows that bear an earlier time than the row before, the file's order is that of arrival."""


@dataclass(frozen=True)
class Release:
    """A verdict and when it is released, event time in ms."""

    claim_id: str
    verdict: str
    at_ms: int

    def record(self) -> bytes:
        """The ruling record; the same release gives the same bytes."""
        return orjson.dumps(
            {
                "v": RULING.version,
                "id": f"verdict-{self.claim_id}"[:256],
                "claim_id": self.claim_id,
                "version": 1,
                "verdict": self.verdict,
                "rater_id": "dataset",
                "ruled_at_ms": self.at_ms,
                "kind": "fact-check",
            }
        )


@dataclass(frozen=True)
class Dataset:
    """A data set in the order of its replay.

    Attributes:
        name: of its folder.
        t_ms: [events] event times; not quite ascending where events arrive late.
        columns: field of an event record → [events] its text, "" for none.
        labels: claim id → label.
        texts: claim id → what is claimed, where the data set says so.
    """

    name: str
    t_ms: npt.NDArray[np.int64]
    columns: Mapping[str, Sequence[str]] = field(repr=False)
    labels: dict[str, str] = field(repr=False)
    texts: dict[str, str] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.t_ms)

    @property
    def clock_ms(self) -> npt.NDArray[np.int64]:
        """[events] event time reached when the row arrives: the latest time so far."""
        return np.maximum.accumulate(self.t_ms)

    def first_ms(self) -> dict[str, int]:
        """Claim id → time of its earliest event."""
        first: dict[str, int] = {}
        for claim, t in zip(self.columns["claim_id"], self.t_ms.tolist(), strict=True):
            if t < first.get(claim, t + 1):
                first[claim] = t
        return first

    def title(self, claim_id: str) -> str:
        """What is claimed, on one line; the claim's id where nobody wrote it down."""
        return " ".join(self.texts.get(claim_id, "").split()) or claim_id

    def releases(self, lag_ms: int) -> list[Release]:
        """Every verdict, at the claim's earliest event + lag, ascending by time (then claim id)."""
        first = self.first_ms()
        found = [
            Release(c, v, first[c] + lag_ms) for c, v in self.labels.items() if v in ("true", "false") and c in first
        ]
        return sorted(found, key=lambda release: (release.at_ms, release.claim_id))

    def records(self, start: int, end: int) -> Iterator[tuple[str, bytes]]:
        """(source id, event record) of the rows from `start` to before `end`."""
        if start >= end:
            return
        names = list(self.columns)
        parts = [self.columns[name][start:end] for name in names]
        source = names.index("source_id")
        version, dumps = EVENT.version, orjson.dumps
        for t, *row in zip(self.t_ms[start:end].tolist(), *parts, strict=True):
            event = {name: value for name, value in zip(names, row, strict=True) if value}
            event["v"], event["occurred_at_ms"] = version, t
            yield row[source], dumps(event)


def read(directory: Path) -> Dataset:
    """Read a data set. Rows are taken as they arrive; a file that is not sorted by time at all is sorted first.

    Raises DatasetError when a file or column is missing or a row cannot be read.
    """
    events = read_table(directory, "events", REQUIRED, tuple(FIELDS))
    t_ms = times_ms(events["ts"], directory / "events.csv")
    columns = {name: events[column] for column, name in FIELDS.items() if column in events}
    columns |= {name: words(columns[name]) for name in ("kind", "stance") if name in columns}
    if len(t_ms) and (np.diff(t_ms) < 0).mean() > UNSORTED_SHARE:
        order = np.argsort(t_ms, kind="stable")
        t_ms, picked = t_ms[order], order.tolist()
        columns = {name: [column[i] for i in picked] for name, column in columns.items()}
    claims = read_table(directory, "claims", ("claim_id", "label"), ("text",))
    labels = dict(zip(claims["claim_id"], words(claims["label"]), strict=True))
    texts = dict(zip(claims["claim_id"], claims["text"], strict=True)) if "text" in claims else {}
    return Dataset(directory.resolve().name, t_ms, columns, labels, texts)
