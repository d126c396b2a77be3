"""Labels of claims as data sets spell them: which of them are a verdict, which say that there is none.

A label in neither list is not guessed at: its claims have no verdict, and whoever reads the set is told. Such labels
are `rumour`, which is false in some sets and undecided in others, and `0` and `1`, of which either may mean true.
`--labels` says what they mean.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streams.contract.words import Verdict
from streams.datasets.csv_files import FIRST_ROW, DatasetError

TRUE, FALSE, NONE = str(Verdict.TRUE), str(Verdict.FALSE), "none"
VERDICTS = (TRUE, FALSE, NONE)
SPELLINGS: dict[str, tuple[str, ...]] = {
    TRUE: (
        "true", "mostly true", "real", "mostly real", "genuine", "authentic", "legit", "legitimate", "correct",
        "mostly correct", "accurate", "confirmed", "supported", "supports",
    ),
    FALSE: (
        "false", "mostly false", "barely true", "pants on fire", "pants fire", "fake", "mostly fake", "fake news",
        "hoax", "incorrect", "mostly incorrect", "inaccurate", "fabricated", "debunked", "refuted", "refutes",
        "misinformation", "disinformation",
    ),
    NONE: (
        "", "none", "unverified", "unproven", "unproved", "unknown", "undecided", "undetermined", "unconfirmed",
        "not enough info", "not enough evidence", "nei", "non", "mixed", "mixture", "half true", "partly true",
        "partly false", "partially true", "partially false", "disputed", "unlabelled", "unlabeled", "na", "n/a", "nan",
    ),
}  # fmt: skip
_MEANING = {spelling: verdict for verdict, spellings in SPELLINGS.items() for spelling in spellings}
_between = re.compile(r"[\s_-]+")
_rumour = re.compile(r"(?<=.) ?rumou?r$")


@dataclass(frozen=True)
class Labels:
    """What a file of claims says.

    Attributes:
        verdicts: claim id → "true" or "false"; where a label means neither, the label in lower case.
        unknown: label that is not understood, as it stands → how many claims bear it.
    """

    verdicts: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)


def plain(label: str) -> str:
    """A label in lower case, with single spaces for hyphens and underscores, without a word that only says rumour.

    >>> plain("Pants-on-fire"), plain(" non-rumor"), plain("false rumour"), plain("rumour")
    ('pants on fire', 'non', 'false', 'rumour')
    """
    return _rumour.sub("", _between.sub(" ", label.strip().lower()).strip())


def verdict_of(label: str, meant: Mapping[str, str] | None = None) -> str:
    """The verdict, "true", "false" or "none", by what a label means.

    >>> verdict_of("Hoax"), verdict_of("1"), verdict_of("1", {"1": "true"})
    ('false', 'none', 'true')
    """
    return {**_MEANING, **(meant or {})}.get(plain(label), NONE)


def parse_labels(text: str) -> dict[str, str]:
    """What `fake=false,1=true` says: label → verdict. Raises ValueError on anything else.

    >>> parse_labels("Rumor=false, 1=true")
    {'rumor': 'false', '1': 'true'}
    """
    meant: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        label, equals, verdict = part.rpartition("=")
        if not equals or plain(verdict) not in VERDICTS:
            raise ValueError(f"{part!r} says not what a label means: write LABEL={' or LABEL='.join(VERDICTS)}")
        meant[plain(label)] = plain(verdict)
    return meant


def read_labels(
    claims: Sequence[str], labels: Sequence[str], path: Path, meant: Mapping[str, str] | None = None
) -> Labels:
    """Verdicts of claims by their labels.

    Args:
        claims, labels: [rows] columns of the file.
        path: of the file, for messages.
        meant: label → verdict, over what is understood without.

    Raises:
        DatasetError: a claim has two labels that differ in what they mean, or `meant` has a label that no claim bears.
    """
    spelt = {label: plain(label) for label in set(labels)}
    if absent := (meant or {}).keys() - set(spelt.values()):
        raise DatasetError(f"{path}: no claim is labelled {' or '.join(sorted(absent))}; labels are {_listed(labels)}")
    meaning = {**_MEANING, **(meant or {})}
    first: dict[str, int] = {}
    for row, (claim, label) in enumerate(zip(claims, labels, strict=True)):
        before = labels[first.setdefault(claim, row)]
        if before == label:
            continue
        said, says = (meaning.get(spelt[one], spelt[one]) for one in (before, label))
        if said != says:
            raise DatasetError(
                f"{path}, row {row + FIRST_ROW}: claim {claim} is labelled {label}, but {before} in row "
                f"{first[claim] + FIRST_ROW}. Keep one of them"
            )
    said_of = {label: _verdict_or_label(meaning.get(spelt[label], NONE), label) for label in spelt}
    verdicts = {claim: said_of[labels[row]] for claim, row in first.items()}
    unknown = Counter(labels[row] for row in first.values() if spelt[labels[row]] not in meaning)
    return Labels(verdicts, dict(unknown.most_common()))


def _verdict_or_label(meaning: str, label: str) -> str:
    return label.strip().lower() if meaning == NONE else meaning


def _listed(labels: Sequence[str], most: int = 10) -> str:
    """The labels of a file, the most frequent first."""
    counted = Counter(labels).most_common(most + 1)
    return ", ".join(f"{label or 'empty'} ({rows:,})" for label, rows in counted[:most]) + ", …" * (len(counted) > most)
