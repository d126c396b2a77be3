"""Another precision on traffic that has passed: which flags would have come or gone, and how many were right.

The logs are replayed in memory with the rule in shadow set to the precision asked for. What it would have learned from
the verdicts as they came decides its threshold at each moment, so nothing is known too early. Nothing is written.

Failure modes: it reads the logs from their beginning, which takes as long as `verify`; where retention cut them, it
says so and counts nothing. Budgets and pauses are left out: it says what the rule would ask for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.contract.settings import Settings, client_kwargs
from streams.contract.words import FlagAction
from streams.engine.replica import Replica
from streams.engine.stage import block_of
from streams.kafka.log_reader import LogReader
from streams.kafka.provision import installed
from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.effects import Effects
from streams.scoring.parameters.alarm import Threshold
from streams.scoring.parameters.flag_rules import RULES
from streams.scoring.parameters.parameters_state import Learner
from streams.tables.block_wire import NotABlockError
from streams.tables.blocks import Block
from streams.worker.stages import CoreSpec, stage_specs

DAY_MS = 86_400_000
LIVE, TRIAL = RULES
FREE = {"paused": 0.0, "killed": 0.0, "an_hour": 1e9, "standing": 1e9}
NINETY = 1.645


class DryRunError(RuntimeError):
    """The logs do not hold what a dry run needs. The message says what."""


@dataclass
class Raised:
    """Claims that a rule flagged, each by the event time of its first flag."""

    first_ms: dict[str, int] = field(default_factory=dict)

    def take(self, flags: list[Any], rule: str) -> None:
        """Note the raises of a rule among these records."""
        for flag in flags:
            if flag["action"] == FlagAction.RAISE and flag["rule_id"].startswith(rule + "/"):
                self.first_ms.setdefault(flag["subject"]["id"], flag["event_time_ms"])

    def since(self, begin_ms: int) -> set[str]:
        """Claims flagged from then on."""
        return {claim for claim, at_ms in self.first_ms.items() if at_ms >= begin_ms}


@dataclass
class _Seen:
    """What the replay of all partitions found."""

    now: Raised = field(default_factory=Raised)
    then: Raised = field(default_factory=Raised)
    false: dict[str, bool] = field(default_factory=dict)  # settled claims
    first_ms: int = 1 << 62
    last_ms: int = 0

    def settle(self, block: Block) -> None:
        """Note verdicts as they come and go: a claim may be forgotten later, what was found of it is not."""
        for claim, finding in zip(block["c"], block["f"].tolist(), strict=True) if block.kind == "settled" else ():
            if finding:
                self.false[claim] = finding > 0
            else:
                self.false.pop(claim, None)


async def dry_run(settings: Settings, precision: float, days: float) -> dict[str, Any]:
    """What flags for another precision would have been over the last days of the stream.

    Args:
        precision: share of the flags that should be right.
        days: how far to look back from the latest event.

    Returns:
        see `compared`. Raises DryRunError where the logs were cut.
    """
    settings = installed(settings)
    specs, seen = stage_specs(settings), _Seen()
    async with LogReader(client_kwargs(settings)) as logs:
        thresholds = await _thresholds(logs, specs["parameters"], precision)
        for partition in range(settings.partitions):
            await _replay(logs, specs["claims"], partition, thresholds, seen)
    return compared(seen.now, seen.then, seen.false, (seen.first_ms, seen.last_ms), precision, days)


async def _whole(logs: LogReader, topic: str, partition: int, partitions: int) -> int:
    """End of a log that must be there from its beginning."""
    first, end = (await logs.bounds(topic, partitions))[partition]
    if first:
        raise DryRunError(
            f"{topic}/{partition} begins at offset {first}: retention took what came before, and with it the state"
            " that a dry run begins with. Keep logs for longer (CREDENCE_LOG_RETENTION_MS), or try the precision in"
            f" shadow: credence flags precision 0.9 --rule {TRIAL.name}"
        )
    return end


async def _thresholds(logs: LogReader, spec: CoreSpec, precision: float) -> dict[float, float]:
    """Version of the parameters → threshold that this precision would have had; 0 is before any version."""
    wanted = TRIAL.parameter("precision")
    learner = spec.core(0)
    assert isinstance(learner, Learner)
    rows, _ = learner.state.ensure(["given/" + wanted])
    learner.state["v"][rows] = precision
    replica: Replica[Effects] = Replica(learner)
    found = {0.0: Threshold().at(precision)}
    async for record in logs.read(spec.input_topic, 0, 0, await _whole(logs, spec.input_topic, 0, 1)):
        block = _block(spec, record.value)
        if block is not None and block.kind == "params":
            block.meta.get("values", {}).pop(wanted, None)
        for step in replica.step(record.offset, record.timestamp, block):
            for made in step.effects.blocks:
                found[float(made.meta["version"])] = made.meta["values"][TRIAL.parameter("z")]
    return found


async def _replay(
    logs: LogReader, spec: CoreSpec, partition: int, thresholds: Mapping[float, float], seen: _Seen
) -> None:
    core = spec.core(partition)
    assert isinstance(core, ClaimsState)
    core.take_params(_with(Block("params", "", 0, {}, {"version": 0, "values": {}}), thresholds))
    replica: Replica[Effects] = Replica(core)
    end = await _whole(logs, spec.input_topic, partition, partition + 1)
    async for record in logs.read(spec.input_topic, partition, 0, end):
        block = _block(spec, record.value)
        if block is not None and block.kind == "params":
            block = _with(block, thresholds)
        for step in replica.step(record.offset, record.timestamp, block):
            seen.now.take(step.effects.flags, LIVE.name)
            seen.then.take(step.effects.shadow, TRIAL.name)
            for told in step.effects.participation:
                seen.settle(told)
        if block is not None and block.kind == "stamped" and len(block):
            seen.first_ms = min(seen.first_ms, int(block["t"].min()))
            seen.last_ms = max(seen.last_ms, int(block["t"].max()))


def _with(block: Block, thresholds: Mapping[float, float]) -> Block:
    """A version of the parameters in which the rule in shadow has the threshold of the precision asked for."""
    values = dict(block.meta.get("values", {}))
    version = float(block.meta.get("version", 0))
    values[TRIAL.parameter("z")] = thresholds.get(version, thresholds[0.0])
    values |= {TRIAL.parameter(what): value for what, value in FREE.items()}
    return Block(block.kind, block.up, block.origin, block.columns, {**block.meta, "values": values})


def _block(spec: CoreSpec, value: bytes | None) -> Block | None:
    try:
        return block_of(spec, value)
    except NotABlockError:
        return None


def compared(
    now: Raised, then: Raised, false: Mapping[str, bool], span_ms: tuple[int, int], precision: float, days: float
) -> dict[str, Any]:
    """What would come and go, and what may be expected.

    Args:
        now, then: what was flagged, and what would have been.
        false: settled claim → whether it was false.
        span_ms: first and latest event time.

    Returns:
        precision_wanted, days (looked at), from_ms, until_ms; now and then: flags, flags_a_day, and of the settled ones
        how many there are, how many were right, the precision with its 90 % interval (Wilson); come and go: claims.
    """
    first_ms, last_ms = span_ms
    begin_ms = max(last_ms - int(days * DAY_MS), min(first_ms, last_ms))
    looked = max((last_ms - begin_ms) / DAY_MS, 1 / 24)
    before, after = now.since(begin_ms), then.since(begin_ms)
    return {
        "precision_wanted": precision,
        "days": round(looked, 3),
        "from_ms": begin_ms,
        "until_ms": last_ms,
        "now": _figures(before, false, looked),
        "then": _figures(after, false, looked),
        "come": sorted(after - before),
        "go": sorted(before - after),
    }


def _figures(flagged: set[str], false: Mapping[str, bool], days: float) -> dict[str, Any]:
    settled = [false[claim] for claim in flagged if claim in false]
    share, low, high = wilson(sum(settled), len(settled))
    return {
        "flags": len(flagged), "flags_a_day": round(len(flagged) / days, 2), "settled": len(settled),
        "right": sum(settled), "precision": share, "low": low, "high": high,
    }  # fmt: skip


def wilson(right: int, count: int) -> tuple[float | None, float | None, float | None]:
    """A share with its 90 % interval (Wilson 1927); None of nothing.

    >>> wilson(8, 10)
    (0.8, 0.5408, 0.9314)
    """
    if not count:
        return None, None, None
    share, square = right / count, NINETY**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    wide = NINETY / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return round(share, 4), round(middle - wide, 4), round(middle + wide, 4)
