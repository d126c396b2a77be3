"""Data sets on disk: `events.csv[.gz]` and `claims.csv[.gz]`, read into columns in the order of their replay.

Events: `ts,kind,claim_id,event_id,parent_id,user_id` and, where known, `stance,text,url,community_id,lang`; `ts` in
seconds or milliseconds since 1970 or in ISO 8601, `parent_id` empty at a root. Claims: `claim_id,label`
(`streams.datasets.labels` says what labels mean). Further columns are not looked at.

What the stream would refuse is no event here either: it is left out, counted, and told with its row. Repeats stay, for
the stream to drop, and are counted, too.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson

from streams.agents.intake.careful import Limits
from streams.agents.intake.doubts import doubtful
from streams.agents.intake.events import decode_events
from streams.contract.records import Event, Ruling
from streams.contract.words import CORRECTING, DeadLetterCode, Kind, Mend
from streams.datasets.csv_files import FIRST_ROW, DatasetError, find, read_table, words
from streams.datasets.findings import Findings, refusals
from streams.datasets.labels import FALSE, TRUE, read_labels
from streams.datasets.times import Times, read_times

REQUIRED = ("ts", "kind", "claim_id", "event_id", "parent_id", "user_id")
# Column of the file → field of an event record, as far as text goes as it is.
FIELDS = {
    "kind": "kind", "claim_id": "claim_id", "event_id": "id", "parent_id": "parent_id", "user_id": "source_id",
    "stance": "stance", "text": "text", "url": "url", "community_id": "community_id", "lang": "lang",
}  # fmt: skip
REFUSED_SHARE_MAX = 0.5
"""Share of rows that may be no events; where there are more, the file is another than was meant."""
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
                "v": Ruling.VERSION,
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
        labels: claim id → "true" or "false"; where that is not known, what the file says.
        texts: claim id → what is claimed, where the data set says so.
        findings: what was left out of the files, and why.
    """

    name: str
    t_ms: npt.NDArray[np.int64]
    columns: Mapping[str, Sequence[str]] = field(repr=False)
    labels: dict[str, str] = field(repr=False)
    texts: dict[str, str] = field(default_factory=dict, repr=False)
    findings: Findings = field(default_factory=Findings, repr=False)

    def __len__(self) -> int:
        return len(self.t_ms)

    def take(self, rows: npt.NDArray[np.int64]) -> Dataset:
        """Some of the rows, in the given order."""
        return replace(self, t_ms=self.t_ms[rows], columns=_taken(self.columns, rows))

    @property
    def clock_ms(self) -> npt.NDArray[np.int64]:
        """[events] event time reached when the row arrives: the latest time so far."""
        return np.maximum.accumulate(self.t_ms)

    def first_ms(self) -> dict[str, int]:
        """Claim id → time of its earliest event; a delete or an edit begins no claim."""
        first: dict[str, int] = {}
        columns = self.columns["claim_id"], self.columns["kind"], self.t_ms.tolist()
        for claim, kind, t in zip(*columns, strict=True):
            if t < first.get(claim, t + 1) and kind not in CORRECTING:
                first[claim] = t
        return first

    def title(self, claim_id: str) -> str:
        """What is claimed, on one line; else the words of its first post, and its id where nobody wrote anything."""
        said = self.texts.get(claim_id) or self._first_words.get(claim_id, "")
        return " ".join(said.split()) or claim_id

    @cached_property
    def _first_words(self) -> dict[str, str]:
        """Claim id → the text of its root."""
        if "text" not in self.columns:
            return {}
        columns = (self.columns[name] for name in ("claim_id", "parent_id", "kind", "text"))
        roots = ((c, text) for c, parent, kind, text in zip(*columns, strict=True) if kind == Kind.POST and not parent)
        return dict(reversed(list(roots)))

    def releases(self, lag_ms: int) -> list[Release]:
        """Every verdict, at the claim's earliest event + lag, ascending by time (then claim id)."""
        first = self.first_ms()
        found = [Release(c, v, first[c] + lag_ms) for c, v in self.labels.items() if v in (TRUE, FALSE) and c in first]
        return sorted(found, key=lambda release: (release.at_ms, release.claim_id))

    def records(self, start: int, end: int) -> Iterator[tuple[str, bytes]]:
        """(source id, event record) of the rows from `start` to before `end`."""
        if start >= end:
            return
        names = list(self.columns)
        parts = [self.columns[name][start:end] for name in names]
        source = names.index("source_id")
        version, dumps = Event.VERSION, orjson.dumps
        for t, *row in zip(self.t_ms[start:end].tolist(), *parts, strict=True):
            event = {name: value for name, value in zip(names, row, strict=True) if value}
            event["v"], event["occurred_at_ms"] = version, t
            yield row[source], dumps(event)


@dataclass(frozen=True)
class Logged:
    """A record as a codec reads it."""

    offset: int
    timestamp: int
    value: bytes
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()


def read(directory: Path, meant: Mapping[str, str] | None = None) -> Dataset:
    """Read a data set. Rows are taken as they arrive; a file that is not sorted by time at all is sorted first.

    Args:
        directory: where its files are.
        meant: label → "true", "false" or "none", over what is understood without.

    Raises:
        DatasetError: a file or column is missing, a file cannot be read, times mix units, a claim has two labels, or
            most rows are no events.
    """
    events = read_table(directory, "events", REQUIRED, tuple(FIELDS))
    path = find(directory, "events") or directory
    times = read_times(events["ts"], path)
    t_ms, order = times.ms, np.arange(len(times.ms))
    columns = {name: events[column] for column, name in FIELDS.items() if column in events}
    columns |= {name: words(columns[name]) for name in ("kind", "stance") if name in columns}
    if len(t_ms) > 1 and (np.diff(t_ms) < 0).mean() > UNSORTED_SHARE:
        order = np.argsort(t_ms, kind="stable")
        t_ms, columns = t_ms[order], _taken(columns, order)
    claims = read_table(directory, "claims", ("claim_id", "label"), ("text",))
    labels = read_labels(claims["claim_id"], claims["label"], find(directory, "claims") or directory, meant)
    texts = dict(zip(claims["claim_id"], claims["text"], strict=True)) if "text" in claims else {}
    read_ = Dataset(directory.resolve().name, t_ms, columns, labels.verdicts, texts)
    return _checked(read_, events["ts"], times, order, labels.unknown, path)


def _taken(columns: Mapping[str, Sequence[str]], rows: npt.NDArray[np.int64]) -> dict[str, list[str]]:
    picked = rows.tolist()
    return {name: [column[i] for i in picked] for name, column in columns.items()}


def _checked(
    data: Dataset,
    written: Sequence[str],
    times: Times,
    order: npt.NDArray[np.int64],
    unknown_labels: dict[str, int],
    path: Path,
) -> Dataset:
    """The set without the rows that are no events, and with what was found of them.

    Args:
        data: all rows.
        written: [rows of the file] times as they stand there.
        order: [rows] place of each in the file.
    """
    no_time = np.isin(order, times.unreadable)
    faults = {row: _no_time(written[order[row]]) for row in np.flatnonzero(no_time).tolist()}
    mended: list[Mend] = []
    faults |= _refused(data, no_time, mended)
    repeats = _repeats(data, faults)
    number = (order + FIRST_ROW).item
    findings = Findings.of(
        len(data),
        ((number(row), code, detail) for row, (code, detail) in faults.items()),
        map(number, repeats),
        mended,
        unknown_labels,
    )
    if len(faults) > REFUSED_SHARE_MAX * len(data):
        raise DatasetError(
            f"{path}: {len(faults):,} of {len(data):,} rows are no events: {'; '.join(refusals(findings.as_dict()))}. "
            "`credence evaluate --help` has the layout"
        )
    kept = np.ones(len(data), np.bool_)
    kept[list(faults)] = False
    data = data if kept.all() else data.take(np.flatnonzero(kept))
    return replace(data, columns=_claims_named(data.columns), findings=findings)


def _no_time(written: str) -> tuple[str, str]:
    if not written.strip():
        return DeadLetterCode.MISSING_FIELD, "ts is empty"
    return DeadLetterCode.WRONG_TYPE, f"ts {written[:40]!r} is no time"


def _refused(data: Dataset, skipped: npt.NDArray[np.bool_], mended: list[Mend]) -> dict[int, tuple[str, str]]:
    """Row → code and detail, of those that the codec refuses; `mended` takes what it mends in the others."""
    now_ms = int(time.time() * 1000)
    doubts = doubtful(data.columns, data.t_ms, now_ms, Limits()) & ~skipped
    _, rejects = decode_events(_logged(data, np.flatnonzero(doubts).tolist(), now_ms), 0, Limits(), mended)
    return {reject.record.offset: (reject.code, reject.detail) for reject in rejects}


def _repeats(data: Dataset, faults: dict[int, tuple[str, str]]) -> list[int]:
    """Rows that repeat an earlier one. A row with the id of an earlier one and other content is added to the faults."""
    ids, kinds = data.columns["id"], data.columns["kind"]
    if len(set(ids)) == len(ids):
        return []
    again = {i for i, rows in Counter(ids).items() if rows > 1}
    rows = [row for row, i in enumerate(ids) if i in again and kinds[row] not in CORRECTING and row not in faults]
    block, _ = decode_events(_logged(data, rows, int(time.time() * 1000)), 0, Limits())
    first: dict[tuple[str, str, str], tuple[int, int]] = {}
    repeats: list[int] = []
    identities = zip(block["s"], block["c"], block["i"], strict=True)
    for row, identity, content in zip(rows, identities, block["h"].tolist(), strict=True):
        before, same = first.setdefault(identity, (row, content))
        if before == row:
            continue
        if same == content:
            repeats.append(row)
        else:
            faults[row] = (DeadLetterCode.ID_CONFLICT, f"event {identity[2]} came before with other content")
    return repeats


def _logged(data: Dataset, rows: Sequence[int], now_ms: int) -> list[Logged]:
    return [Logged(row, now_ms, value) for row in rows for _, value in data.records(row, row + 1)]


def _claims_named(columns: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """A post that names no claim starts the one that bears its id."""
    claims = columns["claim_id"]
    if "" not in claims:
        return columns
    named = [
        claim or (i if kind == Kind.POST else "")
        for claim, i, kind in zip(claims, columns["id"], columns["kind"], strict=True)
    ]
    return {**columns, "claim_id": named}
