"""What became of flags, rule by rule: what stands, what a budget holds back, how much of it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from streams.contract.settings import Settings, client_kwargs
from streams.contract.topics import FLAGS, SHADOW_FLAGS
from streams.contract.words import FlagAction
from streams.kafka.log_reader import LogReader
from streams.kafka.provision import installed
from streams.ops.flag_controls import in_force, learner
from streams.scoring.parameters.flag_rules import RULES

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SHOWS = (FlagAction.RAISE, FlagAction.UPDATE)


@dataclass
class Standing:
    """The newest record of each flag, and what was raised when."""

    newest: dict[str, dict[str, Any]] = field(default_factory=dict)
    raised: dict[str, tuple[str, int]] = field(default_factory=dict)  # flag → rule, and event time of its raise

    def take(self, flag: dict[str, Any]) -> None:
        """Note a record, of either topic, in any order."""
        known = self.newest.get(flag["flag_id"])
        if known is None or flag["revision"] > known["revision"]:
            self.newest[flag["flag_id"]] = flag
        if flag["action"] == FlagAction.RAISE:
            self.raised[flag["flag_id"]] = (rule_of(flag), flag["event_time_ms"])

    def of(self, rule: str) -> dict[str, Any]:
        """Counts of a rule; times are of the stream, whose latest event of any flag is `stream_ms`."""
        flags = [flag for flag in self.newest.values() if rule_of(flag) == rule]
        held = [flag for flag in flags if flag["action"] == FlagAction.HOLD]
        times = [at for name, at in self.raised.values() if name == rule]
        latest = max((flag["event_time_ms"] for flag in self.newest.values()), default=0)
        return {
            "stands": sum(flag["action"] in SHOWS for flag in flags),
            "held_back": len(held),
            "raised_this_hour": sum(at // HOUR_MS == latest // HOUR_MS for at in times),
            "raised_last_day": sum(at > latest - DAY_MS for at in times),
            "raised": len(times),
            "stream_ms": latest,
            "most_pressing_held_back": [
                {"flag_id": flag["flag_id"], "claim_id": flag["subject"]["id"], "priority": flag["priority"]}
                for flag in sorted(held, key=lambda flag: (-flag["priority"], flag["flag_id"]))[:5]
            ],
        }


def rule_of(flag: Mapping[str, Any]) -> str:
    """Name of the rule that a flag is of, without its version."""
    return str(flag["rule_id"]).split("/")[0]


async def status(settings: Settings) -> list[dict[str, Any]]:
    """Of each rule how it is set, by whom and why, and what became of its flags."""
    standing, partitions = Standing(), installed(settings).partitions
    async with LogReader(client_kwargs(settings)) as logs:
        for name in (FLAGS.name(settings), SHADOW_FLAGS.name(settings)):
            for partition, (first, end) in enumerate(await logs.bounds(name, partitions)):
                async for record in logs.read(name, partition, first, end):
                    standing.take(orjson.loads(record.value))
    state = await learner(settings)
    return [in_force(state, rule, partitions) | standing.of(rule.name) for rule in RULES]
