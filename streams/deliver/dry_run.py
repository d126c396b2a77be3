"""What a target would be sent for the flags that are there, without sending anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from msgspec.structs import replace

from streams.contract.delivery_record import Delivery
from streams.contract.settings import Settings, client_kwargs
from streams.contract.topics import FLAGS
from streams.contract.words import DeliveryState
from streams.deliver.deliverer import flag_of
from streams.deliver.delivery import Wanted, step_of
from streams.deliver.target import Flag, Step, Target, UnfitError
from streams.kafka.log_reader import LogReader


async def planned(settings: Settings, target: Target, wanted: Wanted) -> AsyncIterator[dict[str, Any]]:
    """For each flag record that the topic holds and that asks for something: the step and its requests.

    It begins as a target that has nothing. Raises TopicsError where the topic is not there.
    """
    topic, known = FLAGS.name(settings), dict[str, Delivery]()
    async with LogReader(client_kwargs(settings)) as logs:
        async for records in logs.whole(topic):
            for record in records:
                if (flag := flag_of(record.value)) is None:
                    continue
                step = step_of(flag, before := known.get(flag["flag_id"]), wanted(flag))
                if step is not None:
                    known[flag["flag_id"]] = _after(flag, step, before)
                    yield _shown(target, flag, step)


def _after(flag: Flag, step: Step, before: Delivery | None) -> Delivery:
    state = DeliveryState.TAKEN_BACK if step == Step.TAKE_BACK else DeliveryState.STANDING
    if before is not None:
        return replace(before, revision=flag["revision"], state=state)
    return Delivery(
        v=1, target="", flag_id=flag["flag_id"], revision=flag["revision"], claim_id=flag["subject"]["id"],
        state=state, accepted=1, at_ms=flag["detected_at_ms"],
    )  # fmt: skip


def _shown(target: Target, flag: Flag, step: Step) -> dict[str, Any]:
    told: dict[str, Any] = {"flag_id": flag["flag_id"], "revision": flag["revision"], "step": str(step)}
    remote_id = "(told when it is taken)" if step == Step.TAKE_BACK else ""
    try:
        target.look_up(flag, step, remote_id)
        sent = target.requests(flag, step, target.UNASKED, remote_id)
    except UnfitError as error:
        return told | {"unfit": str(error)}
    return told | {"requests": [{"method": r.method, "path": r.path, "body": r.body} for r in sent]}
