"""A million inputs that nobody should send, through the intake's own path and both cores, without a broker.

    python -m tests.agents.intake.hostile_inputs --inputs 1000000

Every input becomes a row or a dead letter, never both, never neither. What it must become is known from how it was
made, or, where it is random, from the plain second reading of the contract (`reference_codec`). The rows go on through
the sources and the claims stage, so that nothing that is accepted ends a worker later.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import orjson
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from load_tests.hostile import (
    EVENT_MENDS,
    good_event,
    good_ruling,
    hostile_events,
    hostile_rulings,
    mutated,
)
from streams.agents.intake.translation import translate
from streams.contract import topics
from streams.contract.record_fields import fields_of
from streams.contract.records import Event
from streams.contract.settings import Settings
from streams.contract.words import DeadLetterCode
from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.config import ScoringConfig
from streams.scoring.sources.sources_state import SourcesState
from streams.tables import block_wire
from streams.tables.blocks import Block
from tests.agents.intake.fetched import NOW_MS, fetched
from tests.agents.intake.reference_codec import reference_row

BATCH = 2_000
GENERATED_SHARE = 0.15  # by hypothesis
SETTINGS = Settings(partitions=1)
LETTERS = topics.DEAD_LETTERS.name(SETTINGS)

plain_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(
        [
            "post",
            "delete",
            "update",
            "deny",
            "",
            "x" * 256,
            "x" * 257,
            "a\u0000",
            NOW_MS,
            NOW_MS + 10**8,
            float(NOW_MS),
            1.0,
        ]
    ),
)
values = st.recursive(
    plain_values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
fields = st.sampled_from([f.name for f in fields_of(Event)] + ["?"])
events = st.builds(
    lambda seed, changes: good_event(random.Random(seed), NOW_MS) | changes,
    st.integers(0, 10**6),
    st.dictionaries(fields, values, max_size=2),
)


class Input(NamedTuple):
    """A record's value and key, and what it must become.

    Attributes:
        source: which way it was made.
        code: the code of its letter, "" for a row; None where only a second reading can tell.
    """

    source: str
    value: bytes | None
    key: bytes | None = None
    code: str | None = None
    topic: topics.Topic = topics.EVENTS


def seeded(start: int) -> Iterator[Input]:
    """Endless inputs of every way but hypothesis'."""
    rng = random.Random(start)
    bad, bad_rulings = hostile_events(start, NOW_MS), hostile_rulings(start, NOW_MS)
    mends = list(EVENT_MENDS.values())
    while True:
        for hostile in islice(bad, 8):
            yield Input("hostile event", hostile.value, hostile.key, hostile.code)
        hostile = next(bad_rulings)
        yield Input("hostile ruling", hostile.value, hostile.key, hostile.code, topics.RULINGS)
        for _ in range(4):
            odd = rng.choice(mends)(rng, NOW_MS)[1]
            yield Input("mendable event", odd, None, "")
            yield Input("mutated event", mutated(rng, orjson.dumps(good_event(rng, NOW_MS))))
            yield Input("mutated mendable event", mutated(rng, odd))
        yield Input("mutated ruling", mutated(rng, orjson.dumps(good_ruling(rng, NOW_MS))), topic=topics.RULINGS)
        yield Input("random bytes", rng.randbytes(rng.randrange(200)))
        yield Input("good event", orjson.dumps(good_event(rng, NOW_MS)), None, "")


def generated(count: int, start: int) -> list[Input]:
    """So many inputs by hypothesis, objects and bytes, in its own way of looking for trouble."""
    found: list[Input] = []

    @seed(start)
    @settings(
        max_examples=count // 20, phases=[Phase.generate], database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.lists(st.one_of(events.map(orjson.dumps), st.binary(max_size=60)), min_size=20, max_size=20))
    def collect(batch: list[bytes]) -> None:
        found.extend(Input("hypothesis", value) for value in batch)

    collect()
    return found[:count]


@dataclass
class Tally:
    """What became of the inputs.

    Attributes:
        faults: what is wrong, a sentence each.
    """

    inputs: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    letters: Counter[str] = field(default_factory=Counter)
    mended: Counter[str] = field(default_factory=Counter)
    refused_by_core: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Path:
    """The intake's translation and both cores, of one partition."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._sources, self._claims = SourcesState(ScoringConfig(), 0), ClaimsState(ScoringConfig(), 0)
        self._offset = 0

    def take(self, batch: list[Input]) -> None:
        """Pass a batch through, and look at what became of each input."""
        for topic in (topics.EVENTS, topics.RULINGS):
            mine = [each for each in batch if each.topic is topic]
            records = [fetched(each.value, self._offset + i, each.key) for i, each in enumerate(mine)]
            translation = translate(SETTINGS, topic, "1f3c9a2e", 0, records)
            codes, rows = {}, set()
            for record in translation.outgoing:
                if record.topic == LETTERS:
                    letter = orjson.loads(record.value or b"")
                    codes[letter["offset"]] = str(DeadLetterCode(letter["code"]))
                else:
                    block = block_wire.decode(record.value)
                    rows.update(block.origin.tolist() if not isinstance(block.origin, int) else [])
                    self._fold(block)
            self.tally.mended.update(map(str, translation.mended))
            for i, each in enumerate(mine):
                self._judge(each, self._offset + i in rows, codes.get(self._offset + i, ""))
            self._offset += len(mine)

    def _judge(self, one: Input, is_row: bool, code: str) -> None:
        tally = self.tally
        tally.inputs[one.source] += 1
        tally.rows[one.source] += is_row
        tally.letters.update([code] if code else [])
        wanted = one.code is None or one.code == code
        if one.code is None and one.topic is topics.EVENTS:
            wanted = is_row == (reference_row(one.value, one.key, NOW_MS) is not None)
        if is_row == bool(code) or not wanted:
            became = "a row" if is_row else code or "nothing"
            tally.faults.append(f"{one.source}: {became} instead of {one.code}: {(one.value or b'')[:300]!r}")

    def _fold(self, first: Block) -> None:
        waiting = deque([first])
        while waiting:
            block = waiting.popleft()
            stage = self._sources if block.kind in SourcesState.KINDS - {"params", "tick"} else self._claims
            cursor: int | None = 0
            while cursor is not None:
                effects = stage.apply(block, NOW_MS, cursor)
                self.tally.refused_by_core.update(code for _, code, _ in effects.dead)
                waiting.extend(effects.blocks)
                cursor = effects.next_cursor


def run(inputs: int, start: int = 1) -> Tally:
    """So many inputs, the same for the same arguments; nothing is raised, whatever they are."""
    path, at_random = Path(), generated(int(inputs * GENERATED_SHARE), start)
    for lo in range(0, len(at_random), BATCH):
        path.take(at_random[lo : lo + BATCH])
    rest = seeded(start)
    while (left := inputs - path.tally.inputs.total()) > 0:
        path.take(list(islice(rest, min(BATCH, left))))
    return path.tally


def main(arguments: list[str]) -> int:
    """Run and print; the exit status is 1 if any input was not what it must become."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="how many (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    began = time.monotonic()
    tally = run(asked.inputs, asked.seed)
    report: dict[str, Any] = {
        "inputs": tally.inputs.total(), "rows": tally.rows.total(), "letters": tally.letters.total(),
        "faults": len(tally.faults), "seconds": round(time.monotonic() - began),
        "by_source": {name: f"{count:,}, {tally.rows[name]:,} of them rows" for name, count in tally.inputs.items()},
        "letters_by_code": dict(tally.letters.most_common()), "mended": dict(tally.mended),
        "refused_by_cores": dict(tally.refused_by_core),
    }  # fmt: skip
    print(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    print("\n".join(tally.faults[:20]))
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
