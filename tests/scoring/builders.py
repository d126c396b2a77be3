"""Small, readable ways to make blocks for tests of the core, and to look at state by key instead of by row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import orjson
import xxhash
from hypothesis import strategies as st

from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.config import ScoringConfig
from streams.scoring.sources.sources_state import SourcesState
from streams.tables.blocks import Block, make
from streams.tables.table import Table

NOW_MS = 1_700_000_000_000
DAY_MS = 86_400_000


@dataclass(frozen=True)
class Event:
    source: str
    claim: str
    id: str
    t: int = 1_600_000_000_000
    stance: int = 1
    kind: int = 2
    community: str = ""
    text: int = 0
    root: int = 0  # of an update: 1 if it brings a text
    said: str = ""  # words of a root, as the intake sends them

    def content(self) -> int:
        return xxhash.xxh3_64_intdigest(repr(self))


def events_block(events: Sequence[Event], origin: int = 1) -> Block:
    columns = {
        "s": [e.source for e in events],
        "c": [e.claim for e in events],
        "i": [e.id for e in events],
        "e": [xxhash.xxh3_64_intdigest(e.id) for e in events],
        "h": [e.content() for e in events],
        "kind": [e.kind for e in events],
        "x": [e.stance for e in events],
        "t": [e.t for e in events],
        "m": [e.community for e in events],
        "g": [e.text for e in events],
        "r": [e.root for e in events],
        "said": [e.said for e in events],
    }
    return make("events", "e/0", list(range(origin, origin + len(events))), columns)


@dataclass(frozen=True)
class Ruling:
    claim: str
    verdict: int
    t: int
    rater: str = "checker"
    version: int = 1
    url: str = ""
    note: str = ""


def rulings_block(rulings: Sequence[Ruling], origin: int = 1) -> Block:
    columns = {
        "c": [r.claim for r in rulings],
        "id": [f"{r.claim}-{r.rater}-{r.version}" for r in rulings],
        "ver": [r.version for r in rulings],
        "verdict": [r.verdict for r in rulings],
        "rater": [r.rater for r in rulings],
        "t": [r.t for r in rulings],
        "kind": ["fact-check"] * len(rulings),
        "event": [""] * len(rulings),
        "url": [r.url for r in rulings],
        "note": [r.note for r in rulings],
        "h": [xxhash.xxh3_64_intdigest(repr(r)) for r in rulings],
    }
    return make("rulings", "r/0", list(range(origin, origin + len(rulings))), columns)


EAGER = ScoringConfig(flag_ripe_ms=0)  # flags claims of any age


@dataclass
class Pipeline:
    """Both stages of one partition, joined without a broker; what leaves is kept."""

    config: ScoringConfig = EAGER
    now_ms: int = NOW_MS

    def __post_init__(self) -> None:
        self.sources = SourcesState(self.config, 0)
        self.claims = ClaimsState(self.config, 0)
        self.scores: dict[str, dict[str, Any]] = {}
        self.flags: list[dict[str, Any]] = []
        self.dead: list[tuple[int, str, str]] = []
        self.repeats = 0
        self.lessons: list[Block] = []

    def feed(self, block: Block) -> None:
        queue = [block]
        while queue:
            item = queue.pop(0)
            state = self.sources if item.kind in ("events", "credits", "assign") else self.claims
            queue.extend(self._apply(state, item))

    def feed_both(self, block: Block) -> None:
        for state in (self.sources, self.claims):
            for item in self._apply(state, block):
                self.feed(item)

    def _apply(self, state: SourcesState | ClaimsState, block: Block) -> list[Block]:
        out: list[Block] = []
        for effects in state.steps(block, self.now_ms):
            out.extend(effects.blocks)
            self.scores.update(effects.scores)
            self.flags.extend(effects.flags)
            self.dead.extend(effects.dead)
            self.lessons.extend(effects.lessons)
            self.repeats += effects.repeats
        return out

    def events(self, events: Sequence[Event]) -> None:
        self.feed(events_block(events))

    def rule(self, *rulings: Ruling) -> None:
        self.feed(rulings_block(rulings))

    def params(self, version: int = 1, **values: float) -> None:
        self.feed_both(Block("params", "p/0", version, {}, {"version": version, "values": values}))

    def tick(self, **meta: Any) -> None:
        self.feed_both(Block("tick", "k/0", self.now_ms, {}, {"t": self.now_ms, **meta}))

    def source(self, source: str, *fields: str) -> Any:
        row = self.sources.sources.find_one(source)
        values = [self.sources.sources[f][row].item() for f in fields]
        return values[0] if len(values) == 1 else values


CLAIM_SUMS = (
    "events", "participants", "supports", "denials", "queries", "comments", "reshares", "first_ms", "last_ms",
    "corroboration", "weight", "history", "history_30", "known", "history_writers",
    "writers", "netted", "regulars", "new_supports", "new_denials", "net_supports", "net_denials",
    "rush_supports", "rush_denials", "verdict", "ruled_ms", "rulings",
)  # fmt: skip
PART_VALUES = (
    "stance", "kind", "time_ms", "event", "text", "stamp", "support", "denial", "cluster", "record", "history",
    "history_30", "credited", "finding", "credited_stance",
)  # fmt: skip


def claim_view(state: ClaimsState) -> dict[str, Any]:
    """The order-free part of a claims partition, by key."""
    data = state.data
    view: dict[str, Any] = {}
    for claim, row in data.claims.items():
        view[str(claim)] = [data.claims[f][row].item() for f in CLAIM_SUMS]
    for _, row in data.parts.items():
        key = f"{data.claims.key(int(data.parts['claim'][row]))}/{data.names.key(int(data.parts['source'][row]))}"
        view[key] = [data.parts[f][row].item() for f in PART_VALUES]
    return view


def kernels(state: ClaimsState) -> dict[str, list[float]]:
    claims = state.data.claims
    return {
        str(c): [*claims["kernels"][row].tolist(), claims["start"][row].item(), claims["early"][row].item()]
        for c, row in claims.items()
    }


def rebuilt(state: Any) -> Any:
    """The state as a worker that recovers finds it: from the tables' segments alone."""
    other = type(state)(state.config, state.partition)
    for mine, theirs in zip(state.tables, other.tables, strict=True):
        copy_table(mine, theirs)
    return other


def copy_table(mine: Table, theirs: Table) -> None:
    for index in range(mine.segments()):
        theirs.apply(mine.segment(index))
    theirs.recovered()


def difference(one: Any, other: Any) -> float:
    return max(a.difference(b) for a, b in zip(one.tables, other.tables, strict=True))


SOURCES = [f"u{i}" for i in range(8)]
CLAIMS = [f"c{i}" for i in range(3)]


@st.composite
def event_lists(draw: Any, max_size: int = 30) -> list[Event]:
    """Events with unique ids; few sources and claims, so that everything collides."""
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(SOURCES),
                st.sampled_from(CLAIMS),
                st.integers(0, 50),
                st.sampled_from([0, 1, 1, 2, 2, 3, 4]),
                st.sampled_from([0, 1, 2]),
                st.sampled_from(["", "", "left", "right"]),
                st.sampled_from([0, 0, 77, 78]),
            ),
            min_size=1,
            max_size=max_size,
        )
    )
    return [
        Event(s, c, f"e{i}", 1_600_000_000_000 + t * 3_600_000, 1 if kind == 1 else x, kind, m, g)
        for i, (s, c, t, x, kind, m, g) in enumerate(rows)
    ]


def said(text: str, url: str = "", lang: str = "") -> str:
    """The words of a root as the intake sends them."""
    return orjson.dumps([text, url, lang]).decode()


def in_pieces(items: Sequence[Any], cuts: Iterable[int]) -> list[Sequence[Any]]:
    edges = [0, *sorted({c % (len(items) + 1) for c in cuts}), len(items)]
    return [items[a:b] for a, b in pairwise(edges) if b > a]


@st.composite
def ruling_lists(draw: Any) -> list[Ruling]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(CLAIMS), st.integers(0, 3), st.integers(0, 50), st.sampled_from("ab"), st.integers(1, 4)
            ),
            max_size=10,
        )
    )
    seen: dict[tuple[str, str, int], Ruling] = {}
    for claim, verdict, hour, rater, version in rows:
        seen.setdefault(
            (claim, rater, version), Ruling(claim, verdict, 1_600_000_000_000 + hour * 3_600_000, rater, version)
        )
    return list(seen.values())


@st.composite
def control_blocks(draw: Any) -> list[Block]:
    """Parameters, assignments and ticks, as the other stages and the clock send them."""
    out: list[Block] = []
    for version in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["params", "assign", "tick"]))
        if kind == "params":
            names = st.sampled_from(
                [
                    "support_true_0",
                    "support_false_0",
                    "mu_0",
                    "risk_bias",
                    "score_cal_b",
                    "flags_paused",
                    "flags_killed",
                ]
            )
            values = draw(st.dictionaries(names, st.floats(0.1, 0.9), max_size=3))
            out.append(Block("params", "p/0", version, {}, {"version": version + 1, "values": values}))
        elif kind == "assign":
            named = draw(st.lists(st.sampled_from(SOURCES), min_size=1, unique=True))
            clusters = [draw(st.sampled_from([0, 5, 9])) for _ in named]
            out.append(make("assign", "g/0", version, {"s": named, "cl": clusters}))
        else:
            out.append(Block("tick", "k/0", version, {}, {"t": version, "flush": draw(st.booleans())}))
    return out


@st.composite
def histories(draw: Any) -> list[Any]:
    """Events in pieces, rulings and control blocks in any order, each to be given to `feed`."""
    events = [replace(e, root=int(e.kind == 0), said=said(e.id) if e.kind == 0 else "") for e in draw(event_lists())]
    taken_back = draw(st.lists(st.tuples(st.sampled_from(events), st.integers(0, 40), st.sampled_from([6, 7]))))
    events += [
        Event(e.source, "", e.id, e.t + hours * 3_600_000, kind - 6, kind, root=kind - 6, said=said("new") * (kind - 6))
        for e, hours, kind in taken_back
    ]
    draw(st.randoms(use_true_random=False)).shuffle(events)
    pieces = in_pieces(events, draw(st.lists(st.integers(0, 40), max_size=5)))
    items: list[Any] = [*pieces, *draw(ruling_lists()), *draw(control_blocks())]
    draw(st.randoms(use_true_random=False)).shuffle(items)
    return items


def feed(line: Pipeline, item: Any) -> None:
    if isinstance(item, Ruling):
        line.rule(item)
    elif isinstance(item, Block):
        line.feed(item) if item.kind == "assign" else line.feed_both(item)
    else:
        line.events(list(item))
