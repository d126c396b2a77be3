"""What the stages report, as metrics."""

from __future__ import annotations

from collections.abc import Sequence

from streams.engine.stage import BatchReport


def taken_in(records: int, rows: int, rejected: Sequence[str], seconds: float) -> None:
    """One batch of input was decoded and routed."""


def applied(stage: str, report: BatchReport) -> None:
    """One micro-batch of a stateful stage became durable."""


def recovered(stage: str, seconds: float, rows: int) -> None:
    """A partition was claimed and its state read."""


def lag(stage: str, partition: int, records: int, append_ms: int) -> None:
    """A stage has come this far."""
