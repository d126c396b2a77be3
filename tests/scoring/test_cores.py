"""What every core keeps to, put to all of them: the guarantees that exactly-once rests on.

- A replay is the live run: the same log gives the same effects and the same tables, row for row.
- How a log is cut into fetches, and so into batches of the changelog, changes nothing at all.
- Who recovers, after any step of any record, from deltas or from a snapshot, goes on as if nothing had happened.
- What comes again, whole or in part, changes nothing.
- A block that the core does not read is refused, and leaves no trace.
- How rows are cut into blocks changes nothing that is counted: `COUNTED` says of each core what that is. Of sources and
  claims it is everything (`test_cuts`); the others decide a block at a time.

Logs are what each core hears in a world of all four, joined without a broker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from streams.contract.record_fields import Record as Contract
from streams.contract.records import ClaimScore, Community, Flag, SourceScore
from streams.contract.settings import Settings
from streams.engine.replica import Fence, Replica
from streams.engine.stage import block_of
from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.communities.communities_state import GroupsConfig, GroupsState
from streams.scoring.config import ScoringConfig
from streams.scoring.dispatch import BlockCore, follow, reads
from streams.scoring.effects import Effects
from streams.scoring.parameters.parameters_state import Learner
from streams.scoring.sources.sources_state import SourcesState
from streams.tables.block_wire import NotABlockError, decode, encode
from streams.tables.blocks import COLUMNS, Block
from streams.tables.field import TEXT
from streams.tables.table import Table
from streams.worker.stages import STAGES, stage_specs
from tests.scoring.builders import (
    DAY_MS,
    NOW_MS,
    Ruling,
    copy_table,
    events_block,
    histories,
    rulings_block,
)

SPECS = stage_specs(Settings(broker="none:1"))
# Forgets nothing within a world's days: that happens as a record ends, so it would depend on where blocks are cut.
STEADY = ScoringConfig(settle_step=1, publish_step=1, lateness_ms=365 * DAY_MS, claim_expiry_ms=365 * DAY_MS)
HASTY = ScoringConfig(
    settle_step=1, publish_step=1, sweep_ms=1, sweep_step=3, claim_expiry_ms=2 * DAY_MS, applied_expiry_ms=3 * DAY_MS
)
GROUPS = GroupsConfig(window=12, every=4, communities=2, health_every=2)
MAKE: dict[str, Callable[[ScoringConfig], BlockCore]] = {
    "sources": SourcesState,
    "claims": ClaimsState,
    "parameters": lambda config: Learner(config),
    "communities": lambda config: GroupsState(config, 0, GROUPS),
}
DECLARED: dict[str, type[Contract]] = {"sources": SourceScore, "claims": ClaimScore, "communities": Community}
each_core = pytest.mark.parametrize("name", MAKE)
configs = st.sampled_from([STEADY, HASTY])
by_hypothesis = settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.generate])


class Record(NamedTuple):
    """A record of a core's log, as its stage reads it."""

    append_ms: int
    value: bytes


@dataclass
class World:
    """All stages in one partition each; what each of them hears is its log."""

    config: ScoringConfig = STEADY
    logs: dict[str, list[Record]] = field(default_factory=lambda: {name: [] for name in MAKE})

    def __post_init__(self) -> None:
        self.cores = {name: make(self.config) for name, make in MAKE.items()}
        self.now_ms = NOW_MS
        self._sent = 0

    def send(self, block: Block) -> None:
        """What somebody else writes, and everything that follows."""
        if block.up == "o/0":
            self.logs["parameters"].append(Record(self.now_ms, encode(block)))
            for effects in self.cores["parameters"].steps(block, self.now_ms):
                for version in effects.blocks:
                    self.send(self._numbered(version))
            return
        self._hear(block)
        for _, effects in follow(block, self.now_ms, self._readers):
            for sent in (*effects.blocks, *effects.lessons, *effects.participation):
                self._hear(self._numbered(sent))

    def _numbered(self, block: Block) -> Block:
        """As the emitter sends it."""
        self._sent += 1
        block.up, block.origin = "x/0", self._sent
        return block

    def _hear(self, block: Block) -> None:
        for name, core in self.cores.items():
            if core in self._readers(block.kind):
                self.logs[name].append(Record(self.now_ms, encode(block)))

    def _readers(self, kind: str) -> list[BlockCore]:
        # The parameters stage reads an operator's switches alone: versions are its own.
        return [c for n, c in self.cores.items() if kind in c.KINDS and not (kind == "params" and n == "parameters")]


@st.composite
def worlds(draw: Any, config: ScoringConfig = STEADY) -> World:
    """What becomes of events in pieces, rulings, assignments, parameters and ticks in any order, over some days."""
    world = World(config)
    upstream = {"e": 0, "r": 0}
    for number, item in enumerate(draw(histories())):
        world.now_ms = NOW_MS + number * DAY_MS // 2
        if isinstance(item, Block):
            item.origin = number
            if item.kind == "params" and draw(st.booleans()):
                item.up = "o/0"  # what an operator tells the stage, instead of a version of the stage's
            world.send(item)
        elif isinstance(item, Ruling):
            world.send(rulings_block([item], upstream["r"]))
            upstream["r"] += 1
        else:
            world.send(events_block(list(item), upstream["e"]))
            upstream["e"] += len(item)
        world.send(Block("tick", "t/0", world.now_ms + number, {}, {"flush": draw(st.booleans())}))
    return world


def plain(effects: Effects) -> dict[str, Any]:
    """Effects as what can be compared."""
    found = {each.name: getattr(effects, each.name) for each in fields(effects)}
    for name in ("blocks", "lessons", "participation"):
        found[name] = [(b.kind, b.meta, {n: list(c) for n, c in b.columns.items()}) for b in found[name]]
    return found


def applied(replica: Replica, log: Sequence[Record], after: Callable[[Replica], Replica] | None = None) -> list[Any]:
    """Apply a log, whole; the effects of every step. `after` each step another replica may take over."""
    told = []
    offset = 0
    while offset < len(log):
        for step in replica.step(offset, log[offset].append_ms, decode(log[offset].value)):
            told.append(plain(step.effects))
            if after is not None and (other := after(replica)) is not replica:
                replica = other
                break
        else:
            offset += 1
            continue
        offset = replica.fence.offset + 1
    told.append(replica)
    return told


def same(one: BlockCore, other: BlockCore) -> bool:
    """Whether two cores have the same in every table, each key in the same row."""
    return all(
        a.difference(b) == 0 and dict(a.items()) == dict(b.items())
        for a, b in zip(one.tables, other.tables, strict=True)
    )


@each_core
@by_hypothesis
@given(st.data())
def test_a_replay_is_the_live_run_however_the_log_was_fetched(name: str, data: st.DataObject) -> None:
    config = data.draw(configs)
    log = data.draw(worlds(config)).logs[name]
    cuts = data.draw(st.randoms(use_true_random=False))

    def fetched(replica: Replica) -> Replica:
        if cuts.random() < 0.4:  # a batch ends: its changes go into the changelog
            for table in replica.core.tables:
                table.take_delta()
        return replica

    *live, one = applied(Replica(MAKE[name](config)), log, fetched)
    *replayed, other = applied(Replica(MAKE[name](config)), log)
    assert live == replayed
    assert one.fence == other.fence
    assert same(one.core, other.core)


@each_core
@by_hypothesis
@given(worlds())
def test_records_have_the_fields_that_are_declared_with_values_that_they_may_have(name: str, world: World) -> None:
    *steps, _ = applied(Replica(MAKE[name](STEADY)), world.logs[name])
    made = [(DECLARED[name], record) for step in steps for record in step["scores"].values()]
    made += [(Flag, flag | {"trace_id": "t/0/0"}) for step in steps for flag in step["flags"]]
    for declared, record in made:
        msgspec.convert(record, declared)
        assert record.keys() <= set(declared.__struct_fields__)


@each_core
@by_hypothesis
@given(st.data())
def test_who_recovers_after_any_step_goes_on_as_if_nothing_had_happened(name: str, data: st.DataObject) -> None:
    config = data.draw(configs)
    log = data.draw(worlds(config)).logs[name]
    random = data.draw(st.randoms(use_true_random=False))
    shadow = MAKE[name](config)  # lives on deltas alone

    def crash(replica: Replica) -> Replica:
        nonlocal shadow
        for mine, theirs in zip(replica.core.tables, shadow.tables, strict=True):
            if payload := mine.take_delta():
                theirs.apply(payload)
                theirs.recovered()
            assert mine.difference(theirs) == 0, f"rows of {mine.name} were changed and not touched"
        if random.random() < 0.6:
            return replica
        other = shadow
        if random.random() < 0.5:
            other = MAKE[name](config)
            for mine, theirs in zip(replica.core.tables, other.tables, strict=True):
                copy_table(mine, theirs)
        shadow = MAKE[name](config)
        for mine, theirs in zip(other.tables, shadow.tables, strict=True):
            copy_table(mine, theirs)
        found = Replica(other)
        found.fence = Fence.decode(replica.fence.encode())
        return found

    *crashed, one = applied(Replica(MAKE[name](config)), log, crash)
    *steady, other = applied(Replica(MAKE[name](config)), log)
    assert crashed == steady
    assert one.fence == other.fence
    assert same(one.core, other.core)


@each_core
@by_hypothesis
@given(st.data())
def test_what_comes_again_changes_nothing(name: str, data: st.DataObject) -> None:
    log = data.draw(worlds()).logs[name]
    random = data.draw(st.randoms(use_true_random=False))
    again: list[Record] = []
    for number, record in enumerate(log):
        again.append(record)
        if random.random() < 0.5:
            again.append(again_of(log[random.randrange(number + 1)], record.append_ms + 7, random))
    *once, one = applied(Replica(MAKE[name](STEADY)), log)
    *twice, other = applied(Replica(MAKE[name](STEADY)), again)
    assert once == twice
    assert one.fence.seen == other.fence.seen
    assert same(one.core, other.core)


def again_of(record: Record, append_ms: int, random: Any) -> Record:
    """The record, or some of its last rows, once more."""
    block = decode(record.value)
    if not isinstance(block.origin, int):
        block = block.take(np.arange(random.randrange(len(block)), len(block)))
    return Record(append_ms, encode(block))


@each_core
@pytest.mark.parametrize("kind", COLUMNS)
def test_a_block_of_another_stage_is_refused_and_leaves_no_trace(name: str, kind: str) -> None:
    core, block = MAKE[name](STEADY), Block(kind, "x/0", 1)
    if kind in core.KINDS:
        assert block_of(SPECS[name], encode(block)).kind == kind
        return
    with pytest.raises(NotABlockError, match=f"a block of {kind}, which the stage {name} does not read"):
        block_of(SPECS[name], encode(block))
    with pytest.raises(KeyError, match=kind):
        core.apply(block, NOW_MS)
    assert same(core, MAKE[name](STEADY))


@each_core
def test_every_number_that_is_remembered_says_what_it_means(name: str) -> None:
    unsaid = [(t.name, f) for t in MAKE[name](STEADY).tables for f, told in t.declared.items() if not told.meaning]
    assert not unsaid


# --- cuts of rows into blocks ----------------------------------------------------------------------------------------


def of_sources(core: Any) -> dict[str, Any]:
    """Events and claims of sources, what verdicts said of them, and of each pair what was said and credited."""
    sums = ("events", "claims", "right", "wrong", "joined_false", "joined_true")
    counts = {k: [core.sources[f][r] for f in sums] for k, r in core.sources.items()}
    said = ("event", "content", "events", "gone", "settlement", "outcome", "finding", "stance")
    rows = core.pairs.rows()
    keys = core.pairs.keys_of(rows)
    names = zip(core.sources.keys_of(keys >> 32), core.claims.keys_of(keys & 0xFFFFFFFF), strict=True)
    return counts | {pair: [core.pairs[f][r] for f in said] for pair, r in zip(names, rows.tolist(), strict=True)}


def of_claims(core: Any) -> list[Any]:
    """Everything."""

    def kept(table: Table, row: int) -> list[Any]:
        return [table.texts(f)[row] if t == TEXT else table[f][row].tobytes() for f, t in table.fields.items()]

    return [{key: kept(table, row) for key, row in table.items()} for table in core.tables]


def of_parameters(core: Any) -> dict[str, Any]:
    """All that was learned; not how often it was published."""
    return {k: core.state["v"][r] for k, r in core.state.items() if k not in ("version", "published")}


def of_communities(core: Any) -> dict[str, Any]:
    """Who took part in what; not what a look found, nor what is known of who had left the window meanwhile."""
    window, members, claims = core.window, core.members, core.claims
    part = {k: (members.key(window["s"][r]), claims.key(window["c"][r]), window["t"][r]) for k, r in window.items()}
    return part | {k: members["n"][r] for k, r in members.items()} | {k: claims["n"][r] for k, r in claims.items()}


COUNTED = {"sources": of_sources, "claims": of_claims, "parameters": of_parameters, "communities": of_communities}


@each_core
@by_hypothesis
@given(st.data())
def test_how_rows_are_cut_into_blocks_does_not_change_what_is_counted(name: str, data: st.DataObject) -> None:
    log = data.draw(worlds()).logs[name]
    random = data.draw(st.randoms(use_true_random=False))
    whole, cut = MAKE[name](STEADY), MAKE[name](STEADY)
    for record in log:
        block = decode(record.value)
        for _ in whole.steps(block, record.append_ms):
            pass
        edges = [0, *(row for row in range(1, len(block)) if random.random() < 0.5), len(block)]
        pieces = [block.take(np.arange(a, b)) for a, b in pairwise(edges)] if len(block) else [block]
        for piece in pieces:
            for _ in cut.steps(piece, record.append_ms):
                pass
    assert COUNTED[name](whole) == COUNTED[name](cut)


# --- the battery itself ----------------------------------------------------------------------------------------------


def test_the_battery_has_every_core_and_every_kind_of_block_a_reader() -> None:
    assert list(MAKE) == [stage.name for stage in STAGES]
    assert {kind for stage in STAGES for kind in stage.core.KINDS} == set(COLUMNS)


def test_logs_hold_every_kind_that_a_core_reads_and_records_of_several_steps() -> None:
    seen: dict[str, set[str]] = {name: set() for name in MAKE}
    steps: list[int] = []

    @settings(max_examples=60, database=None, derandomize=True, deadline=None)
    @given(worlds())
    def look(world: World) -> None:
        for name, log in world.logs.items():
            seen[name] |= {decode(record.value).kind for record in log}
        told = applied(Replica(ClaimsState(STEADY)), world.logs["claims"])
        steps.append(sum(effects["next_cursor"] is not None for effects in told[:-1]))

    look()
    assert seen == {stage.name: set(stage.core.KINDS) for stage in STAGES}
    assert sum(n > 0 for n in steps) > len(steps) // 10


def test_a_core_that_names_a_kind_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no kinds of blocks: gossip"):

        class Strange(BlockCore):
            @reads("gossip")
            def _take(self, block: Block, cursor: int, effects: Effects) -> None: ...
