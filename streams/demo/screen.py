"""The demo as it runs: a live picture on a terminal, a line now and then without one."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol, Self

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streams.contract.wording import enough_evidence
from streams.datasets.dataset import Dataset
from streams.demo.watch import Record, Watch
from streams.ops.replay import ReplayStatus

HOUR_MS = 3_600_000
RECENT = 1_500
"""Claims are called spreading by their events among so many of the latest."""
SHOWN = 8
PLAIN_EVERY_S = 4.0
# Reasons of flags as a person says them in a narrow column; `tests/demo/test_demo.py` sees to it that none is missing.
WORDS = {
    "history": "spread by people with a poor record",
    "history_repliers": "answered by people with a poor record",
    "newcomers": "hardly anybody in it was seen before",
    "slow": "a slow start",
    "evidence": "little credible support",
    "vote": "denied in replies",
    "vote_unknown": "newcomers push it one way",
    "nets": "pushed by accounts that act together",
    "query": "questioned in replies",
    "infectious": "spreading fast",
}


class Screen(Protocol):
    """Where the demo is shown."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def say(self, sentence: str) -> None:
        """Tell what is being done now."""

    def show(self, status: ReplayStatus) -> None:
        """Show how far the replay is; called often."""


def reasons_in_words(codes: tuple[str, ...], most: int = 2) -> str:
    """The strongest reasons as a person says them."""
    return ", ".join(WORDS.get(code, code) for code in codes[:most])


def day(ms: int) -> str:
    """Event time as people write it, in UTC; whoever shows it says so."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%d %b %Y %H:%M}" if ms else "–"


def shortened(title: str, width: int = 38) -> str:
    """The title, cut where it is too long."""
    return title if len(title) <= width else title[: width - 1].rstrip() + "…"


def score_bar(record: Record, width: int = 14) -> Text:
    """The score's interval as a bar from 0 to 1 with the score on it; words where there is little evidence."""
    if not enough_evidence("claim", record):
        return Text("not enough yet", style="dim")
    low, high, at = (round(float(record[k]) * (width - 1)) for k in ("low", "high", "score"))
    marks = ["━" if low <= i <= high else "·" for i in range(width)]
    marks[at] = "●"
    colour = "green" if record["score"] >= 0.66 else "red" if record["score"] <= 0.33 else "yellow"
    return Text("".join(marks), style=colour).append(f" {record['score']:.2f}", style="default")


def risk_text(record: Record) -> Text:
    """Risk with a colour."""
    risk = float(record["risk"])
    return Text(f"{risk:.2f}", style="bold red" if risk >= 0.8 else "yellow" if risk >= 0.5 else "green")


class PlainScreen:
    """Without a terminal: a line now and then, on the console given."""

    def __init__(self, console: Console, watch: Watch, data: Dataset) -> None:
        self._console, self._watch, self._data = console, watch, data
        self._told_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def say(self, sentence: str) -> None:
        """Tell what is being done now."""
        self._console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    def show(self, status: ReplayStatus) -> None:
        """A line, if the last one was a while ago."""
        if status.seconds - self._told_s < PLAIN_EVERY_S:
            return
        self._told_s = status.seconds
        watch = self._watch
        line = (
            f"{status.events / max(1, status.events_total):4.0%}  event time {day(status.event_ms)} UTC  "
            f"{status.events:,} events in {status.seconds:.0f} s, "
            f"{status.verdicts} verdicts, {len(watch.standing)} flags standing"
        )
        if watch.raised:
            newest = next(reversed(watch.raised.values()))
            title = shortened(self._data.title(newest.claim_id))
            line += f", newest: “{title}” ({reasons_in_words(newest.reasons, 1)})"
        if status.waiting_for:
            line += f", waiting for {status.waiting_for}"
        self.say(line)


class LiveScreen:
    """On a terminal: what spreads now, the newest flags, and whether all is well."""

    def __init__(self, console: Console, watch: Watch, data: Dataset, health: Mapping[str, str]) -> None:
        self._watch, self._data, self._health = watch, data, health
        self._recent: deque[str] = deque(maxlen=RECENT)
        self._counts: Counter[str] = Counter()
        self._taken = 0
        self._first = data.first_ms()
        self._speed: deque[tuple[float, int]] = deque(maxlen=60)
        self._status = ReplayStatus(events_total=len(data))
        self._saying = ""
        self._live = Live(console=console, refresh_per_second=5, get_renderable=self._render, transient=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def say(self, sentence: str) -> None:
        """Tell what is being done now."""
        self._saying = sentence

    def show(self, status: ReplayStatus) -> None:
        """Take note; the picture is drawn a few times a second."""
        waiting_for = status.waiting_for or "a verdict's credits"
        self._saying = f"waiting for {waiting_for}" if status.waiting else ""
        claims = self._data.columns["claim_id"]
        for row in range(max(self._taken, status.events - RECENT), status.events):
            if len(self._recent) == RECENT:
                self._counts[self._recent[0]] -= 1
            self._recent.append(claims[row])
            self._counts[claims[row]] += 1
        self._taken = status.events
        self._status = status
        self._speed.append((status.seconds, status.events))

    def _render(self) -> RenderableType:
        return Group(self._head(), self._spreading(), Columns([self._flags()], expand=True), self._foot())

    def _head(self) -> RenderableType:
        s = self._status
        (t0, n0), (t1, n1) = (self._speed[0], self._speed[-1]) if self._speed else ((0.0, 0), (0.0, 0))
        rate = (n1 - n0) / (t1 - t0) if t1 > t0 else 0.0
        head = Table.grid(expand=True, padding=(0, 1))
        head.add_column(no_wrap=True)
        head.add_column(ratio=1)
        head.add_column(no_wrap=True, justify="right")
        head.add_row(
            Text(f"Credence  event time {day(s.event_ms)} UTC", style="bold"),
            ProgressBar(total=max(1, s.events_total), completed=s.events),
            Text(f"{s.events:,}/{s.events_total:,} events  {rate:,.0f}/s  {s.verdicts}/{s.verdicts_total} verdicts"),
        )
        return head

    def _spreading(self) -> RenderableType:
        table = Table(expand=True, box=None, pad_edge=False, header_style="dim")
        table.add_column("spreading now", no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column("events", no_wrap=True, justify="right")
        table.add_column("for/against", no_wrap=True, justify="right")
        for name in ("public score (interval)", "risk", ""):
            table.add_column(name, no_wrap=True)
        for claim, count in self._counts.most_common(SHOWN):
            record = self._watch.claims.get(claim)
            if count <= 0 or record is None:
                continue
            mark = f"ruled {record['verdict']}" if record.get("verdict") else "⚑ flagged" if record["flagged"] else ""
            table.add_row(
                self._data.title(claim),
                f"{record['events']:,}",
                f"{record['supports']}/{record['denies']}",
                score_bar(record),
                risk_text(record),
                Text(mark, style="bold red" if "flag" in mark else "dim"),
            )
        return Panel(table, title="claims", title_align="left", border_style="dim")

    def _flags(self) -> RenderableType:
        table = Table(expand=True, box=None, pad_edge=False, header_style="dim")
        table.add_column("raised, event time", no_wrap=True)
        table.add_column("claim", no_wrap=True, overflow="ellipsis", ratio=3)
        table.add_column("after", no_wrap=True, justify="right")
        table.add_column("because", no_wrap=True, overflow="ellipsis", ratio=2)
        for flag in list(self._watch.raised.values())[: -SHOWN - 1 : -1]:
            hours = (flag.at_ms - self._first.get(flag.claim_id, flag.at_ms)) / HOUR_MS
            table.add_row(
                day(flag.at_ms), self._data.title(flag.claim_id), f"{hours:.1f} h", reasons_in_words(flag.reasons)
            )
        title = f"flags: {len(self._watch.raised)} raised, {len(self._watch.standing)} standing"
        return Panel(table, title=title, title_align="left", border_style="dim")

    def _foot(self) -> RenderableType:
        watch = self._watch
        refused = sum(watch.refused.values())
        parts = [f"{self._status.seconds:.0f} s by the wall clock"]
        parts += [*(f"{name} {value}" for name, value in self._health.items()), f"{watch.records:,} records out"]
        parts.append(f"{refused:,} dead letters")
        if self._saying:
            parts.append(self._saying)
        return Text("  ".join(parts), style="dim", no_wrap=True, overflow="ellipsis")
