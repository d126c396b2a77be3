"""What a person must know of a data set: what was refused and why, what came twice, what means nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

LABELS_SHOWN = 10


@dataclass(frozen=True)
class Refused:
    """Rows that are refused with one code.

    Attributes:
        rows: their numbers in the file, ascending; the header is row 1.
        detail: what exactly is wrong with the first.
    """

    rows: tuple[int, ...]
    detail: str


@dataclass(frozen=True)
class Findings:
    """What is to be said of a data set.

    Attributes:
        rows: how many the file of events has.
        refused: dead-letter code → the rows that the stream would refuse with it.
        repeats: numbers of the rows that say again what an earlier one said.
        mended: what was mended in rows that count (a text that is cut, say) → how many of them.
        unknown_labels: label that is not understood → how many claims bear it; they have no verdict.
    """

    rows: int = 0
    refused: dict[str, Refused] = field(default_factory=dict)
    repeats: tuple[int, ...] = ()
    mended: dict[str, int] = field(default_factory=dict)
    unknown_labels: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        rows: int,
        faults: Iterable[tuple[int, str, str]],
        repeats: Iterable[int],
        mended: Iterable[str],
        unknown_labels: dict[str, int],
    ) -> Findings:
        """From the faults, (row number, code, detail), and the rest as it comes."""
        by_code: dict[str, list[tuple[int, str]]] = {}
        for row, code, detail in sorted(faults):
            by_code.setdefault(str(code), []).append((row, detail))
        refused = {code: Refused(tuple(row for row, _ in found), found[0][1]) for code, found in by_code.items()}
        most_first = dict(sorted(refused.items(), key=lambda item: -len(item[1].rows)))
        return cls(rows, most_first, tuple(sorted(repeats)), dict(Counter(map(str, mended))), unknown_labels)

    @property
    def left_out(self) -> frozenset[int]:
        """Numbers of all rows that are refused."""
        return frozenset[int]().union(*(refused.rows for refused in self.refused.values()))

    def as_dict(self) -> dict[str, Any]:
        """As JSON-able fields of a report."""
        return {
            "rows": self.rows,
            "refused": {
                code: {"rows": len(refused.rows), "first_row": refused.rows[0], "detail": refused.detail}
                for code, refused in self.refused.items()
            },
            "repeats": len(self.repeats),
            "first_repeat": self.repeats[0] if self.repeats else None,
            "mended": self.mended,
            "unknown_labels": self.unknown_labels,
        }


def refusals(report: Mapping[str, Any]) -> Iterator[str]:
    """For each code of a report's refused rows how many, the first of them, and what is wrong with it."""
    for code, found in report["refused"].items():
        yield f"{code} {found['rows']:,} (first: row {found['first_row']}: {found['detail']})"


def in_words(report: Mapping[str, Any]) -> Iterator[str]:
    """The findings in a report, for a person; nothing where there is nothing to say."""
    if report["refused"]:
        count = sum(found["rows"] for found in report["refused"].values())
        yield f"{count:,} of {report['rows']:,} rows are refused, as the stream would refuse them:"
        yield from (f"  {refusal}" for refusal in refusals(report))
    if report["repeats"]:
        yield (
            f"{report['repeats']:,} of {report['rows']:,} rows say again what a row before them said, and count once "
            f"(first: row {report['first_repeat']})."
        )
    if report["mended"]:
        kinds = ", ".join(f"{mend} {rows:,}" for mend, rows in report["mended"].items())
        yield f"Texts of rows that count are mended, as the stream mends them: {kinds}."
    if unknown := report["unknown_labels"]:
        shown = ", ".join(f"{label} ({claims:,})" for label, claims in list(unknown.items())[:LABELS_SHOWN])
        more = ", …" if len(unknown) > LABELS_SHOWN else ""
        yield (
            f"Labels that are not understood, so that their claims have no verdict: {shown}{more}. Say what they mean, "
            f"for instance --labels '{next(iter(unknown))}=false'."
        )
