"""Input that the stages took in and the input topics no longer hold. A replay of the stages' logs finds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streams.contract import topics
from streams.contract.codes import KIND_CODES, STANCE_CODES, VERDICT_CODES
from streams.contract.settings import Settings
from streams.engine.replica import Applied
from streams.ops.recount import Former
from streams.tables.blocks import Block, parse_upstream

_KINDS = {code: kind for kind, code in KIND_CODES.items()}
_STANCES = {code: stance for stance, code in STANCE_CODES.items()}
_VERDICTS = {code: verdict for verdict, code in VERDICT_CODES.items()}
# Kind of block that intake makes → the input topic that its rows come from.
_TOPICS = {"events": topics.EVENTS, "rulings": topics.RULINGS}


@dataclass
class Inputs:
    """The inputs as they are now, and what was taken in and is gone.

    Attributes:
        topic_ids: input topic → short id.
        begins: input topic → first offset that is left of each partition.
        former: rows that a replay met and that are gone from their topic.
    """

    settings: Settings
    topic_ids: Mapping[str, str]
    begins: Mapping[str, Sequence[int]]
    former: Former = field(default_factory=Former)

    def take(self, step: Applied[Any], former: Former) -> None:
        """Note in `former` a step's rows that are gone from their input. Each step of a block notes its rows anew."""
        block = step.block
        if block.kind not in _TOPICS or not isinstance(block.origin, np.ndarray):
            return
        topic = _TOPICS[block.kind].name(self.settings)
        _, partition, topic_id = parse_upstream(block.up)
        if topic_id == self.topic_ids.get(topic):
            begins = self.begins[topic]
            gone = np.flatnonzero(block.origin < (begins[partition] if partition < len(begins) else 0))
        else:
            gone = np.arange(len(block))
        if gone.size:
            rows, noted = (_events, former.events) if block.kind == "events" else (_rulings, former.rulings)
            left = block.take(gone)
            origins = [(topic, topic_id, partition, int(offset)) for offset in np.asarray(left.origin)]
            noted += zip(origins, rows(left), [step.append_ms] * len(left), strict=True)

    def counts(self) -> Counter[tuple[str, str]]:
        """(Topic, short id) → how many of its records are gone."""
        origins = {origin for origin, _, _ in self.former.events} | {origin for origin, _, _ in self.former.rulings}
        return Counter((topic, topic_id) for topic, topic_id, _, _ in sorted(origins))


def _events(block: Block) -> list[dict[str, Any]]:
    columns = [list(block[name]) for name in ("i", "s", "c", "kind", "x", "t")]
    return [
        {
            "id": id_, "source_id": source, "claim_id": claim, "kind": _KINDS[int(kind)],
            "stance": _STANCES[int(stance)], "occurred_at_ms": int(at_ms),
        }
        for id_, source, claim, kind, stance, at_ms in zip(*columns, strict=True)
    ]  # fmt: skip


def _rulings(block: Block) -> list[dict[str, Any]]:
    columns = [list(block[name]) for name in ("c", "ver", "verdict", "rater", "t")]
    return [
        {
            "claim_id": claim, "version": int(version), "verdict": _VERDICTS[int(verdict)], "rater_id": rater,
            "ruled_at_ms": int(at_ms),
        }
        for claim, version, verdict, rater, at_ms in zip(*columns, strict=True)
    ]  # fmt: skip
