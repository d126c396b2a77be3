"""How a metric is declared, counted and served. What there is to count is declared in `metrics`.

A process serves what its role knows, and counters from its start: a rate needs the zero before the first event.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import prometheus_client as prometheus
import psutil

from streams.contract.topics import BETWEEN

prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = prometheus.CollectorRegistry()
"""Every metric, whoever knows it."""


class Role(StrEnum):
    """What a process is; it serves the metrics that it knows."""

    WORKER = "worker"
    COMMUNITIES = "communities"
    API = "api"
    DELIVERY = "delivery"


# The labels without a list of values: any number below the partition count, and what a build is called.
PARTITION = ("0…",)
ANY = ("…",)
OTHER = "other"
_READERS = tuple(topic.reader for topic in BETWEEN)
STAGES_OF = {Role.WORKER: ("intake", *_READERS[:-1]), Role.COMMUNITIES: _READERS[-1:], Role.API: (), Role.DELIVERY: ()}


@dataclass
class Metric:
    """A metric as it is declared; `at` gives the child to count on."""

    kind: str
    name: str
    doc: str
    labels: Mapping[str, tuple[str, ...]]
    known_by: tuple[Role, ...]
    collector: Any = field(repr=False)
    _children: dict[tuple[str, ...], Any] = field(default_factory=dict, repr=False)

    def at(self, *values: str | int) -> Any:
        """The child to count on, for label values in the order of their declaration.

        A value outside the closed set counts as "other", so that counting never ends a process.
        """
        key = tuple(map(str, values))
        if (child := self._children.get(key)) is None:
            named = self._named(key)
            child = self._children[key] = self.collector.labels(*named) if named else self.collector
        return child

    def _named(self, key: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self._within(label, value) for label, value in zip(self.labels, key, strict=True))

    def _within(self, label: str, value: str) -> str:
        allowed = self.labels[label]
        known = value in allowed or allowed is ANY or (allowed is PARTITION and value.isdecimal())
        return value if known else OTHER

    def begin(self, role: Role) -> None:
        """Have every series that a process of this role can count on, at zero. Gauges come when they are known."""
        if self.kind != "gauge" and PARTITION not in self.labels.values():
            for values in itertools.product(*(self._from_start(role, label) for label in self.labels)):
                self.at(*values)

    def _from_start(self, role: Role, label: str) -> tuple[str, ...]:
        declared = self.labels[label]
        return tuple(value for value in declared if value in STAGES_OF[role]) if label == "stage" else declared

    def forget(self, *values: str | int) -> None:
        """Drop these label values, as when a partition has gone to another worker."""
        if self._children.pop(key := tuple(map(str, values)), None) is not None:
            self.collector.remove(*self._named(key))


ALL: list[Metric] = []


def define(
    type_: str,
    name: str,
    doc: str,
    /,
    *,
    by: tuple[Role, ...] = (Role.WORKER,),
    buckets: tuple[float, ...] = (),
    **labels: tuple[str, ...],
) -> Metric:
    """Declare a metric.

    Args:
        type_: counter, gauge or histogram.
        by: which processes know it.
        buckets: upper bounds of a histogram's buckets; () for those of the library.
        labels: label → every value that it can have.
    """
    makers = {"counter": prometheus.Counter, "gauge": prometheus.Gauge, "histogram": prometheus.Histogram}
    extra: dict[str, Any] = {"buckets": buckets} if buckets else {}
    metric = Metric(type_, name, doc, labels, by, makers[type_](name, doc, tuple(labels), registry=REGISTRY, **extra))
    ALL.append(metric)
    return metric


class Served:
    """What this process serves: all there is, until it has said what it is."""

    def __init__(self) -> None:
        self.registry = REGISTRY

    def begin(self, role: Role) -> None:
        """From now on this process serves what its role knows, counters at zero."""
        self.registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self.registry)
        prometheus.PlatformCollector(registry=self.registry)
        for metric in ALL:
            if role in metric.known_by:
                metric.begin(role)
                self.registry.register(metric.collector)

    def exposition(self) -> bytes:
        """The metrics of this process in Prometheus' text format."""
        return prometheus.generate_latest(self.registry)

    def over_http(self, host: str, port: int) -> int:
        """Serve them from a thread; returns the port.

        Several workers may run on one machine, so where the port is taken any free one is used.
        """
        try:
            server, _ = prometheus.start_http_server(port, host, self.registry)
        except OSError:
            server, _ = prometheus.start_http_server(0, host, self.registry)
        return int(server.server_port)


SERVED = Served()


def resident_bytes(pid: Callable[[], int | None]) -> Callable[[], float]:
    """A function that says how much memory the process of that number takes now; 0 while there is none."""

    def now() -> float:
        number = pid()
        try:
            return 0.0 if number is None else float(psutil.Process(number).memory_info().rss)
        except psutil.Error:
            return 0.0

    return now


def table() -> list[tuple[str, str, str, str, str]]:
    """Every metric as (name, kind, labels, who serves it, sentence), for the documentation."""
    return [(m.name, m.kind, ", ".join(m.labels), ", ".join(m.known_by), m.doc) for m in ALL]
