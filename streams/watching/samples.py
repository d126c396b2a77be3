"""Samples of all processes, asked for over HTTP: of each process itself, or of a Prometheus that scrapes them."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson
from prometheus_client.parser import text_string_to_metric_families

PATIENCE_S = 5.0
Key = tuple[str, frozenset[tuple[str, str]]]


class NotThereError(RuntimeError):
    """A process or a Prometheus that does not answer. The message names it."""


@dataclass
class Samples:
    """What was counted at a moment: (name, labels) → value, over all processes that answered."""

    values: dict[Key, float] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)

    def add(self, name: str, labels: dict[str, str], value: float) -> None:
        """Take in a sample; its labels must tell it from those of other processes."""
        self.values[name, frozenset(labels.items())] = value

    def each(self, name: str, **labels: str) -> list[tuple[dict[str, str], float]]:
        """Samples of that name that have these labels."""
        wanted = frozenset(labels.items())
        return [(dict(had), value) for (n, had), value in self.values.items() if n == name and had >= wanted]

    def total(self, name: str, **labels: str) -> float:
        """Their sum."""
        return sum(value for _, value in self.each(name, **labels))

    def highest(self, name: str, **labels: str) -> float:
        """Their maximum, 0 without any."""
        return max((value for _, value in self.each(name, **labels)), default=0.0)

    def since(self, before: Samples) -> Samples:
        """What was added since then, of each counter; one that began anew counts from 0."""
        grown = {key: value - min(before.values.get(key, 0.0), value) for key, value in self.values.items()}
        return Samples(grown, self.silent)


def ask(url: str) -> bytes:
    """The answer of an address. Raises NotThereError."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return bytes(answer.read())
    except (OSError, ValueError) as error:
        raise NotThereError(f"{url} does not answer: {getattr(error, 'reason', error)}") from error


def of_processes(urls: Iterable[str]) -> Samples:
    """Samples of these processes' own pages; who does not answer is named in `silent`."""
    found = Samples()
    for url in urls:
        try:
            text = ask(url).decode()
        except NotThereError as error:
            found.silent.append(str(error))
            continue
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.add(sample.name, {**sample.labels, "instance": urllib.parse.urlsplit(url).netloc}, sample.value)
    return found


def of_prometheus(url: str) -> Samples:
    """The newest samples of a Prometheus. Raises NotThereError."""
    found = Samples()
    for name in ("credence_.+", "up|process_start_time_seconds"):
        for labels, value in query(url, f'{{__name__=~"{name}"}}'):
            found.add(labels.pop("__name__"), labels, value)
    return found


def query(url: str, expr: str) -> list[tuple[dict[str, str], float]]:
    """Labels and value of every series of an expression now. Raises NotThereError."""
    path = "/api/v1/query?" + urllib.parse.urlencode({"query": expr})
    answer = orjson.loads(ask(url.rstrip("/") + path))
    return [(each["metric"], float(each["value"][1])) for each in answer["data"]["result"]]
