"""The one reader of a data set's tables: CSV files, plain or gzipped."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO

Columns = dict[str, list[str]]

FIRST_ROW = 2  # number of the row after the header, as an editor counts where no cell has a line break
CHUNK_ROWS = 512  # fewer than Python lets live before it looks for garbage among them
NAMES_FEW = 32_768  # of a column, that are shared however seldom they have repeated so far
FIELD_CHARS_MAX = 1 << 30  # the csv module's own bound, 128 KiB, is below the longest posts of some platforms


class DatasetError(ValueError):
    """A folder that holds no data set in the layout. The message says which file, what is wrong, and what to do."""


def find(directory: Path, stem: str) -> Path | None:
    """`stem.csv` or `stem.csv.gz` in the directory, None if neither is there."""
    candidates = (directory / f"{stem}.csv", directory / f"{stem}.csv.gz")
    return next((path for path in candidates if path.exists()), None)


def read_table(directory: Path, stem: str, required: Sequence[str], wanted: Sequence[str] = ()) -> Columns:
    """The columns `required`, and of `wanted` those that are there, each as a list of its cells; others are not kept.

    Cells of a column that say the same share one string, so that a million rows of ten thousand names stay small.

    Raises:
        DatasetError: no such file, a required column is missing, or a row cannot be read.
    """
    path = find(directory, stem)
    if path is None:
        raise DatasetError(
            f"{directory} has neither {stem}.csv nor {stem}.csv.gz. `credence evaluate --help` has the layout"
        )
    csv.field_size_limit(FIELD_CHARS_MAX)
    try:
        with _open(path) as file:
            return _columns(path, csv.reader(file), required, wanted)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8: {error}. Convert it first, for instance with iconv") from error
    except (OSError, EOFError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error


def _columns(path: Path, rows: Iterator[list[str]], required: Sequence[str], wanted: Sequence[str]) -> Columns:
    head = [name.strip() for name in next(rows, [])]
    if missing := [name for name in required if name not in head]:
        raise DatasetError(f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(head) or 'none'}")
    places = {name: head.index(name) for name in (*required, *wanted) if name in head}
    columns: Columns = {name: [] for name in places}
    known: dict[str, dict[str, str] | None] = {name: {} for name in places}
    line = FIRST_ROW
    while chunk := list(islice(rows, CHUNK_ROWS)):
        kept = list(filter(None, chunk))
        if set(map(len, kept)) - {len(head)}:
            at, row = next((i, row) for i, row in enumerate(chunk) if row and len(row) != len(head))
            raise DatasetError(f"{path}, row {line + at}: {len(row)} fields, but the header has {len(head)}")
        line += len(chunk)
        by_place = list(zip(*kept, strict=True)) or [()] * len(head)
        for name, place in places.items():
            cells, same = by_place[place], known[name]
            columns[name] += cells if same is None else map(same.setdefault, cells, cells)
            if same is not None and len(same) > max(NAMES_FEW, len(columns[name]) / 2):
                known[name] = None  # ids and texts hardly repeat: nothing to share
    return columns


def _open(path: Path) -> IO[str]:
    """A byte order mark, as spreadsheets write one, is no part of the first column's name."""
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8-sig", newline="")
    return open(path, newline="", encoding="utf-8-sig")


def words(column: Sequence[str]) -> list[str]:
    """Cells of a closed vocabulary, without regard to case and surrounding white space.

    >>> words(["False", " true"])
    ['false', 'true']
    """
    plain = {cell: cell.strip().lower() for cell in set(column)}
    return [plain[cell] for cell in column]
