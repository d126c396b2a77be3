"""One event and one verdict on their way through every stage, in one process and without a broker.

What is real: intake's translation, the stages' own specifications, their cores and emitters, the query service's store.
What stands in for Kafka is a list a topic and partition. `functions` notes what was called meanwhile.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from streams.agents.intake.translation import translate
from streams.api.published import Entry
from streams.api.store import Store
from streams.contract import topics
from streams.contract.settings import Settings
from streams.contract.topics import Topic
from streams.engine.journal import Outgoing, seal
from streams.engine.replica import Applied, Replica
from streams.engine.stage import StageSpec, block_of
from streams.worker.stages import stage_specs
from tests.agents.intake.fetched import NOW_MS, as_sent, fetched
from tests.house.rooms import ROOT

PUBLISHED = {each.base: each for each in (topics.CLAIM_SCORES, topics.SOURCE_SCORES, topics.FLAGS)}
Call = tuple[str, str]
"""(file, qualified name) of a function of ours."""


class Path:
    """The stages of one partition in a row."""

    def __init__(self) -> None:
        self.settings = Settings(partitions=1)
        self.specs = stage_specs(self.settings)
        self.replicas = {name: Replica(spec.core(0)) for name, spec in self.specs.items()}
        self.logs: dict[str, list[bytes | None]] = defaultdict(list)
        self.store = Store()
        self._taken: dict[str, int] = defaultdict(int)

    def send(self, topic: Topic, record: dict[str, Any]) -> None:
        """A platform or a rater writes a record; everything that follows from it happens."""
        offset = self._taken[topic.base]
        self._taken[topic.base] += 1
        batch = as_sent([fetched(record, offset, topic=topic.base, partition=0)])
        self._deliver(translate(self.settings, topic, "1f3c9a2e", 0, batch.records()).outgoing)
        while self._step():
            pass

    def _deliver(self, outgoing: Sequence[Outgoing]) -> None:
        for record in outgoing:
            self.logs[record.topic].append(record.value)
            if (published := PUBLISHED.get(record.topic)) is not None:
                key = (record.key or b"").decode()
                self.store.apply([Entry(published, 0, 0, NOW_MS, key, record.value)])

    def _step(self) -> bool:
        """The first stage that has records applies them, as one fetched batch; whether one had any."""
        for name, spec in self.specs.items():
            begin, end = self._taken[spec.input_topic], len(self.logs[spec.input_topic])
            if begin < end:
                self._taken[spec.input_topic] = end
                self._apply(spec, self.replicas[name], range(begin, end))
                return True
        return False

    def _apply(self, spec: StageSpec, replica: Replica, offsets: range) -> None:
        def sequence() -> int:
            replica.fence.sent += 1
            return replica.fence.sent

        applied: list[Applied] = []
        for offset in offsets:
            block = block_of(spec, self.logs[spec.input_topic][offset])
            applied += replica.step(offset, NOW_MS, block)
        self._deliver(seal(spec.emit(0, applied, [], sequence)))


@contextmanager
def functions() -> Iterator[list[Call]]:
    """The functions of the product in the order in which they are called meanwhile."""
    called: list[Call] = []
    begun: set[FrameType] = set()  # a generator is called once, however often it goes on

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(f"{ROOT}/streams/") and frame not in begun:
            begun.add(frame)
            called.append((frame.f_code.co_filename.removeprefix(f"{ROOT}/"), frame.f_code.co_qualname))

    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)
