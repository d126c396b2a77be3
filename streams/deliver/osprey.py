"""ROOST Osprey: each flag record becomes an action on the topic that its rules read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import xxhash

from streams.deliver.target import Flag, Request, Step, Target, reference

TOPIC = "osprey.actions_input"
_NAMES = {"raise": "credence_flag_raised", "update": "credence_flag_updated", "retract": "credence_flag_retracted"}


@dataclass(frozen=True, slots=True)
class Osprey(Target):
    """Osprey's input topic.

    Attributes:
        topic: its name.
    """

    NAME: ClassVar = "osprey"
    EVERY_REVISION: ClassVar = True
    topic: str = TOPIC

    def requests(self, flag: Flag, step: Step, seen: Any, remote_id: str) -> Sequence[Request]:
        """The record as an action, under the claim's key, so that a claim's actions stay in order."""
        return [Request("PUBLISH", self.topic, action(flag), key=flag["subject"]["id"])]


def action(flag: Flag) -> dict[str, Any]:
    """A flag record as an action. The same record gives the same action, id and time included."""
    at = datetime.fromtimestamp(flag["detected_at_ms"] / 1000, UTC)
    return {
        "send_time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": {
            "action_id": action_id(flag),
            "action_name": _NAMES[flag["action"]],
            "data": {"claim_id": flag["subject"]["id"], **flag},
        },
    }


def action_id(flag: Flag) -> int:
    """An unsigned number of 64 bits that is the record's own: xxh3 of `flag_id:revision`."""
    return xxhash.xxh3_64_intdigest(reference(flag).encode("utf-8", "surrogatepass"))
