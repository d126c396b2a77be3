"""An operator's controls of the rules that raise flags: sent through the log, and read back as they are in force."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer

from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.engine.audit import recovered
from streams.engine.progress import ProgressBoard
from streams.kafka.clients import started
from streams.kafka.log_reader import LogReader
from streams.scoring.numeric import sigmoid
from streams.scoring.parameters.flag_rules import BY_NAME, RULES, Rule
from streams.scoring.parameters.parameters_state import Learner
from streams.scoring.parameters.params import Params
from streams.tables.block_wire import encode
from streams.tables.blocks import Block
from streams.worker.stages import stage_specs

PARAMETERS_PARTITION = 0
WAIT_S = 10.0


@dataclass(frozen=True)
class Control:
    """What an operator does to a rule.

    Attributes:
        rule: name of the rule.
        kind: pause, stop, resume, precision or budget.
        values: of the rule's parameters, by what they are (a key of `flag_rules.SETTINGS`).
        by, note: who does it, and why.
    """

    rule: str
    kind: str
    values: dict[str, float]
    by: str
    note: str

    def block(self) -> Block:
        """The record in the log; its origin is the time at which it was sent."""
        rule = RULES[BY_NAME[self.rule]]
        values = {rule.parameter(what): value for what, value in self.values.items()}
        meta = {"values": values, "rule": self.rule, "control": self.kind, "by": self.by, "note": self.note}
        return Block("params", "o/0", time.time_ns() // 1_000_000, {}, meta)


async def send(settings: Settings, control: Control) -> bool:
    """Send a control. Whether the parameters stage took it within some seconds."""
    client = client_kwargs(settings)
    async with started(AIOKafkaProducer, client, acks="all", enable_idempotence=True) as producer:
        topic = topics.LESSONS.name(settings)
        sent = await producer.send_and_wait(topic, encode(control.block()), partition=PARAMETERS_PARTITION)
    board = ProgressBoard(client, topics.PROGRESS.name(settings))
    await board.start(publish=False)
    try:
        await board.wait_applied("parameters", {PARAMETERS_PARTITION: sent.offset}, WAIT_S)
    except TimeoutError:
        return False
    finally:
        await board.stop()
    return True


async def learner(settings: Settings) -> Learner:
    """What has been learned and set so far, as a worker would find it."""
    spec = stage_specs(settings)["parameters"]
    async with LogReader(client_kwargs(settings)) as logs:
        _, end = (await logs.bounds(spec.changelog_topic, 1))[PARAMETERS_PARTITION]
        core = (await recovered(logs, spec, PARAMETERS_PARTITION, end)).core
    assert isinstance(core, Learner)
    return core


def in_force(state: Learner, rule: Rule, partitions: int) -> dict[str, Any]:
    """How a rule is set now, and who set it so.

    Returns:
        rule, shadow, meaning; state (running, paused or stopped); precision, the share that should be right;
        threshold, the risk that follows from it; an_hour and standing, the budgets of all partitions together; and
        controls: subject → control, by, note, at_ms.
    """

    def given(what: str) -> float:
        name = rule.parameter(what)
        row = state.state.find_one("given/" + name)
        return float(getattr(Params(), name)) if row < 0 else float(state.state["v"][row])

    stopped, paused = given("killed") > 0, given("paused") > 0
    return {
        "rule": rule.name,
        "shadow": rule.shadow,
        "meaning": rule.meaning,
        "state": "stopped" if stopped else "paused" if paused else "running",
        "precision": given("precision"),
        "threshold": round(float(sigmoid(state.values()[rule.parameter("z")])), 4),
        "an_hour": int(given("an_hour")) * partitions,
        "standing": int(given("standing")) * partitions,
        "controls": state.controls.of(rule.name),
    }
