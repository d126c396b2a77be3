"""Looking at what a worker holds, for metrics, changes nothing of what it does."""

from __future__ import annotations

from faust.types import TP

from streams.contract.settings import Settings, client_kwargs
from streams.engine.stage import StagePartition
from streams.kafka import provision
from streams.tables.block_wire import encode
from streams.tables.blocks import Block
from streams.worker.look import Look
from streams.worker.stages import CoreSpec, stage_specs
from tests.engine.test_stage import Silent, log


def owner(settings: Settings, spec: CoreSpec) -> StagePartition:
    return StagePartition(spec, 0, client_kwargs(settings), {})


async def test_a_look_at_a_partition_whose_state_is_still_being_read_leaves_its_parameters_to_the_log(
    settings: Settings,
) -> None:
    provision.create(settings.broker, settings)
    spec = stage_specs(settings)["claims"]
    version = Block("params", "p/0", 3, {}, {"version": 3, "values": {"flag_z": 9.0}})
    first = owner(settings, spec)
    await first.acquire()
    await first.process(await log(settings, spec, [encode(version)]), Silent())
    second = owner(settings, spec)
    Look({TP(spec.input_topic, 0): second}, {spec.input_topic: spec}).take()
    await second.acquire()
    assert second.replica.core.params == first.replica.core.params
    assert second.replica.core.params.flag_z == 9.0
